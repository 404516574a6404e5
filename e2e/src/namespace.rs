//! A namespace for one test.

use anyhow::Result;

use crate::Cluster;

/// A namespace that refuses pods which Pod Security's level "restricted" does not allow; deleted when dropped, with all that is in it.
#[derive(Debug)]
pub struct Namespace {
    cluster: Cluster,
    name: String,
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
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // An error is of no interest: the cluster ends after the tests, or is the user's to tidy.
        let _ = self
            .cluster
            .kubectl(&["delete", "namespace", &self.name, "--timeout=60s"]);
    }
}
