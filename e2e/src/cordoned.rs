//! A node that takes no new pods.

use anyhow::Result;

use crate::Cluster;

/// One that takes no new pods while this lives.
#[derive(Debug)]
#[must_use = "it takes pods again when this is dropped"]
pub struct Cordoned {
    cluster: Cluster,
    node: &'static str,
}

impl Cordoned {
    /// `kubectl cordon`.
    pub fn node(cluster: &Cluster, node: &'static str) -> Result<Self> {
        cluster.kubectl(&["cordon", node])?;
        Ok(Self {
            cluster: cluster.clone(),
            node,
        })
    }
}

impl Drop for Cordoned {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.kubectl(&["uncordon", self.node]) {
            eprintln!("{error:#}");
        }
    }
}
