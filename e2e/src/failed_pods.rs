//! Pods that failed, counted as it happens: one that is deleted at once would be missed by looking.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::Cluster;
use crate::watched::Watched;

const FIELDS: [&str; 4] = [
    ".metadata.name",
    ".metadata.uid",
    ".status.phase",
    ".status.reason",
];

/// All pods of a namespace that fail from now on.
#[derive(Debug)]
pub struct FailedPods {
    pods: Watched,
}

impl FailedPods {
    /// Begins to watch.
    pub fn watch(cluster: &Cluster, namespace: &str) -> Result<Self> {
        let pods = Watched::begin(cluster, &["pods", "-n", namespace], &FIELDS)?;
        Ok(Self { pods })
    }

    /// Name, uid, phase and reason of each that has failed; an error if not all of them can be known.
    pub fn so_far(&mut self) -> Result<BTreeSet<String>> {
        let mut lines = self.pods.so_far()?;
        lines.retain(|line| line.contains(" Failed "));
        Ok(lines.into_iter().collect())
    }

    /// An error if there were more.
    pub fn are_at_most(&mut self, number: usize) -> Result<()> {
        let failed = self.so_far()?;
        println!("{} failed pods: {failed:#?}", failed.len());
        ensure!(
            failed.len() <= number,
            "more than {number} pods failed: {failed:#?}"
        );
        Ok(())
    }
}
