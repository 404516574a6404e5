//! The operator as a process of a test, in the place of the chart's: with its settings, and at the test's mercy.

use std::fs;
use std::process::Command;

use anyhow::Result;
use streamhub_testkit::{Folder, Proc};

use crate::{Cluster, Operator, SYSTEM};

/// The program of the chart's image, its settings, and a way to the API server.
#[derive(Debug)]
pub struct StandIn {
    cluster: Cluster,
    environment: Vec<(String, String)>,
    /// Who it is in the Lease. A container that is started again in its pod is the same each time.
    name: &'static str,
    folder: Folder,
}

impl StandIn {
    /// Of the chart that is installed, whose own operator must have been stopped before this one starts.
    pub fn new(cluster: &Cluster, name: &'static str, kubeconfig: &str) -> Result<Self> {
        let folder = Folder::new()?;
        fs::write(folder.path().join("config"), kubeconfig)?;
        Ok(Self {
            cluster: cluster.clone(),
            environment: Operator::of(cluster).settings()?,
            name,
            folder,
        })
    }

    /// Starts it.
    pub fn start(&self) -> Result<Proc> {
        let mut command = Command::new(self.cluster.program("streamhub-operator")?);
        command
            .envs(self.environment.iter().cloned())
            .env("KUBECONFIG", self.folder.path().join("config"))
            .env("POD_NAME", self.name)
            .env("STREAMHUB_LEASE_NAMESPACE", SYSTEM)
            .env("STREAMHUB_LISTEN", "127.0.0.1:0");
        Proc::spawn("operator", &mut command)
    }
}
