//! What these tests begin with.

use std::time::Duration;

use anyhow::Result;
use streamhub_e2e::{Camera, CameraPod, Cluster, Cordoned, Faults, Installation, Recording};

/// Much longer than anything here takes on two idle cores.
pub const SOON: Duration = Duration::from_mins(2);
/// A camera that needs nothing.
pub const TEST_PICTURE: &str = "source: {test: {}}, frames: [{name: main, fps: 5, width: 320}]";

/// A short patience for dead nodes. In our own cluster operator and NATS are on n1, so that n2 may die.
fn values() -> Vec<&'static str> {
    let mut values = vec!["operator.nodeLostAfter=10s"];
    if Faults::are_possible() {
        values.push(r"operator.nodeSelector.kubernetes\.io/hostname=n1");
        values.push(r"nats.nodeSelector.kubernetes\.io/hostname=n1");
    }
    values
}

/// The chart, for a test that harms nothing but its own namespace.
pub fn share(cluster: &Cluster) -> Result<Installation> {
    Installation::share(cluster, &values())
}

/// The chart, for a test that nothing else should run beside.
pub fn install(cluster: &Cluster) -> Result<Installation> {
    Installation::install(cluster, &values())
}

/// A camera that streams, its pod, and all that it publishes.
pub struct Streaming {
    pub camera: Camera,
    pub pod: CameraPod,
    pub recording: Recording,
}

impl Streaming {
    /// On any node.
    pub async fn begin(cluster: &Cluster, namespace: &str) -> Result<Self> {
        let camera = Camera::apply(cluster, namespace, "door", TEST_PICTURE)?;
        let pod = camera.is_ready_within(SOON)?;
        let recording = Recording::begin(cluster, &camera).await?;
        recording.frames_within(3, SOON).await?;
        Ok(Self {
            camera,
            pod,
            recording,
        })
    }

    /// On n2, from where it may go.
    pub async fn begin_on_n2(cluster: &Cluster, namespace: &str) -> Result<Self> {
        let _elsewhere = Cordoned::node(cluster, "n1")?;
        Self::begin(cluster, namespace).await
    }

    /// Waits until another pod publishes, and makes sure that its frames follow those of the old one.
    pub async fn goes_on_in_another_pod(&self) -> Result<CameraPod> {
        let pod = self
            .camera
            .is_ready_in_another_pod_within(SOON, &self.pod)?;
        self.goes_on().await?;
        Ok(pod)
    }

    /// Waits for more frames, and makes sure that they follow those before.
    pub async fn goes_on(&self) -> Result<()> {
        self.recording.frames_within(5, SOON).await?;
        self.recording.has_one_publisher_at_a_time()
    }
}
