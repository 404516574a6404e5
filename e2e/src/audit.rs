//! What was written to the API server, by its own account.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;

use crate::not_run;

/// A place in the audit log of the cluster that `e2e/cluster/run` made: everything after it is new.
#[derive(Debug, Clone)]
pub struct Audit {
    log: PathBuf,
    from: u64,
}

/// A write that the API server answered, whatever the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// create, update, patch, delete or deletecollection.
    pub verb: String,
    /// Such as `pods` or `cameras/status`.
    pub resource: String,
    /// Namespace and name.
    pub object: String,
    /// The HTTP status.
    pub code: u64,
    /// The pod that wrote, where the user is a pod's account.
    pub pod: String,
}

impl Audit {
    /// The end of the log as it is now; none against a cluster of the user's own, whose log is not ours to read.
    pub fn from_now() -> Result<Option<Self>> {
        let (None, Some(state)) = (env::var_os("E2E_KUBECONFIG"), env::var_os("CLUSTER_STATE"))
        else {
            not_run("it reads the API server's audit log, which e2e/cluster/run keeps");
            return Ok(None);
        };
        let log = Path::new(&state).join("log/audit.jsonl");
        let from = log.metadata()?.len();
        Ok(Some(Self { log, from }))
    }

    /// What this user has written since, Leases excepted.
    pub fn writes_by(&self, user: &str) -> Result<Vec<Write>> {
        let mut writes = Vec::new();
        self.each(|event| writes.extend(write(event, user)))?;
        Ok(writes)
    }

    /// What this user has written since this was asked last, Leases excepted.
    pub fn new_writes_by(&mut self, user: &str) -> Result<Vec<Write>> {
        let mut writes = Vec::new();
        self.from = self.each(|event| writes.extend(write(event, user)))?;
        Ok(writes)
    }

    /// What this user has asked for since, reads and Leases too, and how often: such as `patch cameras/status`.
    pub fn requests_by(&self, user: &str) -> Result<BTreeMap<String, u64>> {
        let mut requests = BTreeMap::new();
        self.each(|event| {
            if text(event, "/user/username") == user {
                let request = format!("{} {}", text(event, "/verb"), resource(event));
                *requests.entry(request).or_default() += 1;
            }
        })?;
        Ok(requests)
    }

    /// Everything up to the end, which is returned.
    fn each(&self, mut take: impl FnMut(&Value)) -> Result<u64> {
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::Start(self.from))?;
        let mut log = BufReader::new(log);
        let (mut line, mut end) = (String::new(), self.from);
        // The last line may be on its way.
        while log.read_line(&mut line)? > 0 && line.ends_with('\n') {
            take(&serde_json::from_str(&line)?);
            end += line.len() as u64;
            line.clear();
        }
        Ok(end)
    }
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn resource(event: &Value) -> String {
    let resource = text(event, "/objectRef/resource");
    match text(event, "/objectRef/subresource") {
        "" => resource.to_owned(),
        part => format!("{resource}/{part}"),
    }
}

fn write(event: &Value, user: &str) -> Option<Write> {
    let (verb, resource) = (text(event, "/verb"), resource(event));
    let reads = ["get", "list", "watch"].contains(&verb);
    (text(event, "/user/username") == user && !reads && resource != "leases").then(|| Write {
        verb: verb.to_owned(),
        resource,
        object: format!(
            "{}/{}",
            text(event, "/objectRef/namespace"),
            text(event, "/objectRef/name")
        ),
        code: event
            .pointer("/responseStatus/code")
            .and_then(Value::as_u64)
            .unwrap_or(0),
        pod: text(
            event,
            "/user/extra/authentication.kubernetes.io~1pod-name/0",
        )
        .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(verb: &str, resource: &str, subresource: &str) -> Value {
        json!({
            "verb": verb, "user": {"username": "operator"}, "responseStatus": {"code": 200},
            "objectRef": {"resource": resource, "subresource": subresource, "namespace": "shop", "name": "door"},
        })
    }

    #[test]
    fn each_write_is_new_once_and_half_a_line_is_none() {
        let folder = streamhub_testkit::Folder::new().unwrap();
        let log = folder.path().join("audit.jsonl");
        let line = event("create", "pods", "").to_string();
        std::fs::write(&log, format!("{line}\n{line}")).unwrap();
        let mut audit = Audit {
            log: log.clone(),
            from: 0,
        };
        assert_eq!(audit.new_writes_by("operator").unwrap().len(), 1);
        assert_eq!(audit.new_writes_by("operator").unwrap().len(), 0);
        std::fs::write(&log, format!("{line}\n{line}\n{line}\n")).unwrap();
        assert_eq!(audit.new_writes_by("operator").unwrap().len(), 2);
    }

    #[test]
    fn only_the_writes_of_this_user_count() {
        let status = write(&event("patch", "cameras", "status"), "operator").unwrap();
        assert_eq!(
            (status.resource.as_str(), status.object.as_str()),
            ("cameras/status", "shop/door")
        );
        assert_eq!(
            write(&event("patch", "cameras", "status"), "somebody"),
            None
        );
        assert_eq!(write(&event("update", "leases", ""), "operator"), None);
        assert_eq!(write(&event("watch", "pods", ""), "operator"), None);
    }
}
