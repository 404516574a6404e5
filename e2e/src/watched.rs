//! Objects of the cluster, written down as they change: what lasts a moment would be missed by looking.

use std::time::Duration;

use anyhow::{Result, bail};
use streamhub_testkit::Proc;

use crate::Cluster;

/// What begins each line.
const MARK: &str = "seen";

/// `kubectl get --watch`.
#[derive(Debug)]
pub(crate) struct Watched {
    process: Proc,
}

impl Watched {
    /// Begins to watch `objects`, which are arguments of `kubectl get`, and writes down these `fields` of each, in `JSONPath`.
    /// Some must be there.
    pub(crate) fn begin(cluster: &Cluster, objects: &[&str], fields: &[&str]) -> Result<Self> {
        let mut watched = Self::spawn(cluster, objects, fields)?;
        // What is there comes first.
        watched
            .process
            .wait_for_line(MARK, Duration::from_secs(20))?;
        Ok(watched)
    }

    /// The same where none need be there; does not wait until it watches.
    pub(crate) fn spawn(cluster: &Cluster, objects: &[&str], fields: &[&str]) -> Result<Self> {
        let fields: Vec<String> = fields.iter().map(|field| format!("{{{field}}}")).collect();
        let columns = format!("-o=jsonpath={MARK} {}{{\"\\n\"}}", fields.join(" "));
        let arguments = [&["get"][..], objects, &["--watch", columns.as_str()]].concat();
        let process = Proc::spawn("watch", &mut cluster.tool("kubectl", &arguments))?;
        Ok(Self { process })
    }

    /// The fields of each object, as often as it was there or changed; an error if not all of it can be known.
    pub(crate) fn so_far(&mut self) -> Result<Vec<String>> {
        if let Some(status) = self.process.status() {
            bail!(
                "the watch ended with {status}: {}",
                self.process.last_words()
            );
        }
        let log = self.process.stdout();
        let lines = log.lines().filter_map(|line| line.strip_prefix(MARK));
        Ok(lines.map(|line| line.trim_start().to_owned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_watch_that_has_ended_is_an_error_and_not_nothing_that_happened() {
        let mut watched = Watched {
            process: Proc::spawn("watch", &mut Command::new("cat")).unwrap(),
        };
        watched.process.wait(Duration::from_secs(20)).unwrap();
        let error = watched.so_far().unwrap_err().to_string();
        assert!(error.contains("the watch ended"), "{error}");
    }
}
