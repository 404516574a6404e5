//! Harm done to the cluster that `e2e/cluster/run` made.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use streamhub_testkit::repository;

use crate::cluster::finish;

/// The switches of a cluster whose nodes may be killed; `e2e/cluster/ctl` does the work and says what each does.
///
/// Every fault is mended when the test is done with it, or the next test meets it.
#[derive(Debug, Clone)]
pub struct Faults {
    ctl: PathBuf,
}

impl Faults {
    /// None against a cluster of the user's own.
    pub fn here() -> Option<Self> {
        let ours =
            env::var_os("E2E_KUBECONFIG").is_none() && env::var_os("CLUSTER_STATE").is_some();
        if !ours {
            eprintln!(
                "not run: this test kills nodes, which only a cluster of e2e/cluster/run allows"
            );
        }
        ours.then(|| Self {
            ctl: repository().join("e2e/cluster/ctl"),
        })
    }

    /// SIGKILL to a part of the control plane or to a process of a node, or a power cut of a node.
    pub fn kill(&self, part: &str) -> Result<()> {
        self.ctl(&["kill", part])
    }

    /// Starts what was killed or stopped.
    pub fn start(&self, part: &str) -> Result<()> {
        self.ctl(&["start", part])
    }

    /// Leaves a part with its connections open and no answer.
    pub fn freeze(&self, part: &str) -> Result<()> {
        self.ctl(&["freeze", part])
    }

    /// Lets a frozen part go on.
    pub fn thaw(&self, part: &str) -> Result<()> {
        self.ctl(&["thaw", part])
    }

    /// Takes a node from the network; what runs on it goes on.
    pub fn cut(&self, node: &str) -> Result<()> {
        self.ctl(&["cut", node])
    }

    /// Puts a node back on the network.
    pub fn mend(&self, node: &str) -> Result<()> {
        self.ctl(&["mend", node])
    }

    fn ctl(&self, arguments: &[&str]) -> Result<()> {
        finish(Command::new(&self.ctl).args(arguments), "").map(drop)
    }
}
