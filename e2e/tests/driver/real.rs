//! The node that has a real driver, with one camera.

use std::time::Duration;

use anyhow::Result;
use streamhub_e2e::{Camera, Cluster, Faults, Installation, Namespace, Vm};

use streamhub_e2e::devices::{agents_are_ready, forget_devices, install};

/// Everything is several times slower in there.
pub const PATIENCE: Duration = Duration::from_mins(6);

/// Where frames are longer in coming, somebody will ask why.
const SLOW: Duration = Duration::from_mins(1);

/// The one device of the machine, whichever number it has. `vivid` says when the first line was exposed.
const DESK: &str = "source: {v4l2: {deviceSelector: {node: vm1}, \
     mode: {fourcc: YUYV, width: 320, height: 180, fps: 10}, \
     controls: {saturation: 40, timestamp_source: 1}}}, frames: [{name: main, quality: 90}]";

/// The chart, with no other test beside this one, and `vm1` as a third node.
pub struct Real {
    pub cluster: Cluster,
    pub faults: Faults,
    /// For the test's Cameras.
    pub namespace: Namespace,
    pub vm: Vm,
    _installation: Installation,
}

impl Real {
    /// None against a cluster of the user's own.
    pub fn begin(namespace: &str) -> Result<Option<Self>> {
        let Some(faults) = Faults::here() else {
            return Ok(None);
        };
        let cluster = Cluster::here()?;
        let installation = install(&cluster)?;
        forget_devices(&cluster)?;
        let real = Self {
            vm: Vm::start(&cluster, &faults)?,
            namespace: Namespace::create(&cluster, namespace)?,
            cluster,
            faults,
            _installation: installation,
        };
        agents_are_ready(&real.cluster)?;
        Ok(Some(real))
    }

    /// A Camera that means the machine's one device.
    pub fn desk(&self) -> Result<Camera> {
        Camera::apply(&self.cluster, self.namespace.name(), "desk", DESK)
    }

    /// Where a camera's frames are published.
    pub fn frames_of(&self, camera: &Camera) -> String {
        let (namespace, name) = (self.namespace.name(), camera.name());
        format!("streamhub.{namespace}.default.frames.{name}.main")
    }

    /// Prints how a camera's pod is and what has troubled it, where its frames took as long as one has to explain.
    pub fn explain(&self, camera: &Camera, took: Duration) {
        if took < SLOW {
            return;
        }
        println!(
            "frames of {camera} took {took:.0?}; its pod: {:?}",
            camera.pod()
        );
        let (namespace, pod) = (camera.namespace(), camera.pod_name());
        for which in ["--previous=true", "--previous=false"] {
            let log = ["logs", "-n", namespace, &pod, "--timestamps", which];
            let said = match self.cluster.kubectl(&log) {
                Ok(said) => said,
                Err(error) => format!("{error:#}"),
            };
            let troubles = said.lines().filter(|line| !is_news(line));
            println!("{which}:\n{}", troubles.collect::<Vec<_>>().join("\n"));
        }
    }
}

fn is_news(line: &str) -> bool {
    ["INFO", "DEBUG", "TRACE"]
        .iter()
        .any(|level| line.contains(&format!("\"level\":\"{level}\"")))
}
