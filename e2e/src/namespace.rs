//! A namespace for one test.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{Cluster, Faults, until};

/// Label of those that may be deleted.
const OURS: &str = "streamhub.dev/e2e";
/// How long one may take to be deleted.
const GOING: Duration = Duration::from_secs(90);

/// A namespace that refuses pods which Pod Security's level "restricted" does not allow; deleted when dropped, with all that is in it.
#[derive(Debug)]
pub struct Namespace {
    cluster: Cluster,
    name: String,
    /// Whether it stays when this is dropped.
    stays: bool,
}

impl Namespace {
    /// Makes it, once one of this name that is being deleted is gone. One that an earlier test made is taken over; any
    /// other is somebody's, and an error.
    pub fn create(cluster: &Cluster, name: &str) -> Result<Self> {
        let manifest = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, \
             labels: {{{OURS}: \"\", pod-security.kubernetes.io/enforce: restricted}}}}}}"
        );
        until(GOING, || {
            let question = ["get", "namespace", name, "--ignore-not-found", "-o=json"];
            let found = cluster.kubectl(&question)?;
            ensure!(
                !found.contains("\"deletionTimestamp\""),
                "namespace {name} is being deleted"
            );
            if found.is_empty() {
                cluster.create("default", &manifest)?;
            }
            Ok(())
        })?;
        let labels = cluster.kubectl(&["get", "namespace", name, "--show-labels"])?;
        ensure!(
            labels.contains(OURS),
            "namespace {name} exists and was not made by these tests, which would delete it"
        );
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
