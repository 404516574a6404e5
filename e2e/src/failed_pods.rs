//! Pods that failed, counted as it happens: one that is deleted at once would be missed by looking.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use streamhub_testkit::Proc;

use crate::Cluster;

const COLUMNS: &str =
    "-o=jsonpath=pod {.metadata.name} {.metadata.uid} {.status.phase} {.status.reason}{\"\\n\"}";

/// All pods of a namespace that fail from now on.
#[derive(Debug)]
pub struct FailedPods {
    watch: Proc,
}

impl FailedPods {
    /// Begins to watch.
    pub fn watch(cluster: &Cluster, namespace: &str) -> Result<Self> {
        let arguments = ["get", "pods", "-n", namespace, "--watch", COLUMNS];
        let mut watch = Proc::spawn("pods", &mut cluster.tool("kubectl", &arguments))?;
        // What is there comes first.
        watch.wait_for_line("pod ", Duration::from_secs(20))?;
        Ok(Self { watch })
    }

    /// Name, uid, phase and reason of each that has failed; an error if not all of them can be known.
    pub fn so_far(&mut self) -> Result<BTreeSet<String>> {
        if let Some(status) = self.watch.status() {
            bail!(
                "the watch of pods ended with {status}: {}",
                self.watch.last_words()
            );
        }
        let log = self.watch.stdout();
        let failed = log.lines().filter(|line| line.contains(" Failed "));
        Ok(failed.map(str::to_owned).collect())
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_watch_that_has_ended_is_an_error_and_not_no_failed_pods() {
        let mut failed = FailedPods {
            watch: Proc::spawn("pods", &mut Command::new("cat")).unwrap(),
        };
        failed.watch.wait(Duration::from_secs(20)).unwrap();
        let error = failed.are_at_most(9).unwrap_err().to_string();
        assert!(error.contains("the watch of pods ended"), "{error}");
    }
}
