//! The node that is a virtual machine, with a driver of capture devices in its kernel.

use std::time::Duration;

use anyhow::Result;

use crate::{Cluster, Faults};

/// Of a machine in software, beside other tests; it takes 30 s where there is nothing else to do.
const BOOT: Duration = Duration::from_mins(3);

/// `vm1`, as long as this lives: others are not to find a slow node in their cluster.
///
/// It has one camera, of the driver `vivid`: the platform device `vivid.0`, at first `/dev/video0`.
#[derive(Debug)]
pub struct Vm {
    cluster: Cluster,
    faults: Faults,
}

impl Vm {
    /// Its name.
    pub const NODE: &str = "vm1";

    /// Boots it as a new machine, and waits until it is a node of the cluster. One boots at a time.
    pub fn start(cluster: &Cluster, faults: &Faults) -> Result<Self> {
        let vm = Self {
            cluster: cluster.clone(),
            faults: faults.clone(),
        };
        vm.faults.ctl(&["start", Self::NODE])?;
        vm.is_ready()?;
        Ok(vm)
    }

    /// Waits until the control plane finds it ready.
    pub fn is_ready(&self) -> Result<()> {
        self.cluster.node_is_within(BOOT, Self::NODE, true)
    }

    /// Runs a shell command in it, as root; what it wrote to both outputs.
    pub fn exec(&self, script: &str) -> Result<String> {
        self.faults.exec(Self::NODE, script)
    }

    /// Shuts it down in order, boots it with the disk as it is, and waits until it is ready.
    pub fn reboot(&self) -> Result<()> {
        let before = self.boot_id()?;
        self.faults.ctl(&["reboot", Self::NODE])?;
        // Until the kubelet has told of the new boot, the old one's word stands.
        crate::until(BOOT, || {
            anyhow::ensure!(self.boot_id()? != before, "{} has not booted", Self::NODE);
            Ok(())
        })?;
        self.is_ready()
    }

    /// Takes the camera away from its driver, as pulling its plug would.
    pub fn unplug(&self) -> Result<()> {
        self.faults.ctl(&["unplug", Self::NODE]).map(drop)
    }

    /// Puts it back. While a program has the old device open it gets another number.
    pub fn plug(&self) -> Result<()> {
        self.faults.ctl(&["plug", Self::NODE]).map(drop)
    }

    /// The boot that its kubelet has told of.
    pub fn boot_id(&self) -> Result<String> {
        let path = "-o=jsonpath={.status.nodeInfo.bootID}";
        self.cluster.kubectl(&["get", "node", Self::NODE, path])
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // A kubelet does not start on a disk that lost its newest files in a power cut.
        let killed = self.faults.ctl(&["scrap", Self::NODE]);
        let forgotten = self
            .cluster
            .kubectl(&["delete", "node", Self::NODE, "--timeout=60s"]);
        for error in killed.err().into_iter().chain(forgotten.err()) {
            eprintln!("{error:#}");
        }
    }
}
