//! Node agents that find what tests plug in.

use anyhow::Result;
use streamhub_e2e::{Cluster, FakeDevices, Faults, Installation, Namespace, SYSTEM};

use streamhub_e2e::devices::{AGENT, agents_are_ready, forget_devices, install};

/// The node's own folder, its boot, and drivers that are not asked.
const PATCH: &str = r#"{"spec": {"template": {"spec": {
    "volumes": [{"name": "fake", "hostPath": {"path": "/var/lib/streamhub-e2e"}}],
    "containers": [{"name": "node-agent",
        "volumeMounts": [{"name": "fake", "mountPath": "/fake"}],
        "env": [{"name": "STREAMHUB_TRUST_SYSFS", "value": "true"},
            {"name": "STREAMHUB_SYS_DIR", "value": "/fake/sys"},
            {"name": "STREAMHUB_BOOT_ID_FILE", "value": "/fake/boot_id"}]}]}}}}"#;
const UNDO: &str = r#"{"spec": {"template": {"spec": {
    "volumes": [{"name": "fake", "$patch": "delete"}],
    "containers": [{"name": "node-agent",
        "volumeMounts": [{"mountPath": "/fake", "$patch": "delete"}],
        "env": [{"name": "STREAMHUB_TRUST_SYSFS", "$patch": "delete"},
            {"name": "STREAMHUB_SYS_DIR", "$patch": "delete"},
            {"name": "STREAMHUB_BOOT_ID_FILE", "$patch": "delete"}]}]}}}}"#;

/// The chart, with no other test beside this one, and no device on either node.
pub struct Fake {
    pub cluster: Cluster,
    pub faults: Faults,
    pub n1: FakeDevices,
    pub n2: FakeDevices,
    /// For the test's Cameras.
    pub namespace: Namespace,
    _installation: Installation,
}

impl Fake {
    /// None against a cluster of the user's own, whose devices are not ours to make.
    pub fn begin(namespace: &str) -> Result<Option<Self>> {
        let Some(faults) = Faults::here() else {
            return Ok(None);
        };
        let cluster = Cluster::here()?;
        let installation = install(&cluster)?;
        let fake = Self {
            n1: FakeDevices::on(&faults, "n1")?,
            n2: FakeDevices::on(&faults, "n2")?,
            namespace: Namespace::create(&cluster, namespace)?,
            cluster,
            faults,
            _installation: installation,
        };
        fake.patch(PATCH)?;
        agents_are_ready(&fake.cluster)?;
        forget_devices(&fake.cluster)?;
        Ok(Some(fake))
    }

    fn patch(&self, patch: &str) -> Result<()> {
        let arguments = [
            "patch",
            "-n",
            SYSTEM,
            AGENT,
            "--type=strategic",
            "-p",
            patch,
        ];
        self.cluster.kubectl(&arguments).map(drop)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Err(error) = self.patch(UNDO) {
            eprintln!("{error:#}");
        }
    }
}
