//! Harm done to the cluster that `e2e/cluster/run` made.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use streamhub_testkit::repository;

use crate::cluster::finish;
use crate::not_run;

/// The switches of a cluster whose nodes may be killed; `e2e/cluster/ctl` does the work and says what each does.
#[derive(Debug, Clone)]
pub struct Faults {
    ctl: PathBuf,
}

impl Faults {
    /// None against a cluster of the user's own.
    pub fn here() -> Option<Self> {
        if !Self::are_possible() {
            not_run("it does harm that only a cluster of e2e/cluster/run allows");
            return None;
        }
        Some(Self {
            ctl: repository().join("e2e/cluster/ctl"),
        })
    }

    /// Whether the cluster is one of `e2e/cluster/run`, and the test runs in its network.
    pub fn are_possible() -> bool {
        env::var_os("E2E_KUBECONFIG").is_none() && env::var_os("CLUSTER_STATE").is_some()
    }

    /// SIGKILL to a part of the control plane or to a process of a node, or a power cut of a node.
    pub fn kill(&self, part: &str) -> Result<Harm> {
        self.harm("kill", "start", part)
    }

    /// Leaves a part with its connections open and no answer.
    pub fn freeze(&self, part: &str) -> Result<Harm> {
        self.harm("freeze", "thaw", part)
    }

    /// Takes a node from the network; what runs on it goes on.
    pub fn cut(&self, node: &str) -> Result<Harm> {
        self.harm("cut", "mend", node)
    }

    /// Leaves the pods of a node together a twentieth of a core.
    pub fn throttle(&self, node: &str) -> Result<Harm> {
        self.harm("throttle", "unthrottle", node)
    }

    /// SIGKILL to the one process of a node whose command line has this text.
    pub fn kill_process(&self, node: &str, text: &str) -> Result<()> {
        self.ctl(&["exec", node, "pkill", "-KILL", "-f", "--", text])
            .map(drop)
    }

    /// Gives an image of every node a second name.
    pub fn tag_image(&self, image: &str, name: &str) -> Result<()> {
        self.ctl(&["tag", image, name]).map(drop)
    }

    /// Gives every node the image of this archive.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        self.ctl(&["load", &archive.to_string_lossy()]).map(drop)
    }

    /// Runs a shell command as root in a node; what it wrote.
    pub fn exec(&self, node: &str, script: &str) -> Result<String> {
        self.ctl(&["exec", node, "bash", "-euc", script])
    }

    fn harm(&self, verb: &str, undo: &'static str, part: &str) -> Result<Harm> {
        self.ctl(&[verb, part])?;
        Ok(Harm {
            faults: self.clone(),
            undo: Some(undo),
            part: part.to_owned(),
        })
    }

    pub(crate) fn ctl(&self, arguments: &[&str]) -> Result<String> {
        finish(Command::new(&self.ctl).args(arguments), "")
    }
}

/// Harm that ends with this value, so that a test that fails leaves none to the next.
#[derive(Debug)]
#[must_use = "the harm ends with this value"]
pub struct Harm {
    faults: Faults,
    undo: Option<&'static str>,
    part: String,
}

impl Harm {
    /// Makes it good again: starts what was killed, and so on.
    pub fn mend(mut self) -> Result<()> {
        self.undo()
    }

    fn undo(&mut self) -> Result<()> {
        match self.undo.take() {
            Some(verb) => self.faults.ctl(&[verb, &self.part]).map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Harm {
    fn drop(&mut self) {
        if let Err(error) = self.undo() {
            eprintln!("{error:#}");
        }
    }
}
