//! Pods that are made, counted as it happens: one that is gone at once would be missed by looking, and the audit log calls a
//! request a failure whose client left before the answer, though it was done.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::watched::Watched;
use crate::{Cluster, until};

/// All pods of a namespace from now on.
#[derive(Debug)]
pub struct MadePods {
    pods: Watched,
}

impl MadePods {
    /// Begins to watch a namespace in which no pod is yet.
    pub fn watch(cluster: &Cluster, namespace: &str) -> Result<Self> {
        let pods = Watched::spawn(cluster, &["pods", "-n", namespace], &[".metadata.uid"])?;
        Ok(Self { pods })
    }

    /// Their uids, once this one is among them.
    pub fn up_to(&mut self, uid: &str) -> Result<BTreeSet<String>> {
        until(Duration::from_secs(20), || {
            let made: BTreeSet<String> = self.pods.so_far()?.into_iter().collect();
            ensure!(made.contains(uid), "{uid} was not seen among {made:?}");
            Ok(made)
        })
    }
}
