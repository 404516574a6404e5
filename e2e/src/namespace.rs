//! A namespace for one test.

use anyhow::Result;

use crate::{Cluster, Faults};

/// A namespace that refuses pods which Pod Security's level "restricted" does not allow; deleted when dropped, with all that is in it.
#[derive(Debug)]
pub struct Namespace {
    cluster: Cluster,
    name: String,
    /// Whether it stays when this is dropped.
    stays: bool,
}

impl Namespace {
    /// Makes it.
    pub fn create(cluster: &Cluster, name: &str) -> Result<Self> {
        let manifest = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, \
             labels: {{pod-security.kubernetes.io/enforce: restricted}}}}}}"
        );
        cluster.apply("default", &manifest)?;
        Ok(Self {
            cluster: cluster.clone(),
            name: name.to_owned(),
            stays: false,
        })
    }

    /// The cluster that it is in.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes it and waits until all that was in it is gone.
    pub fn delete(mut self) -> Result<()> {
        self.stays = true;
        let arguments = ["delete", "namespace", &self.name, "--timeout=60s"];
        self.cluster.kubectl(&arguments).map(drop)
    }

    /// Leaves it for others.
    pub(crate) fn leave(mut self) {
        self.stays = true;
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // In a cluster that ends with the tests no other one needs this name.
        let wait = format!("--wait={}", !Faults::are_possible());
        // An error is of no interest: the cluster ends after the tests, or is the user's to tidy.
        let _ = self
            .cluster
            .kubectl(&["delete", "namespace", &self.name, &wait, "--timeout=60s"]);
    }
}
