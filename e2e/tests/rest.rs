//! An operator whose cameras are well writes nothing.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use streamhub_e2e::{Audit, Cluster, Installation, Namespace};
use streamhub_testkit::eventually;

const OPERATOR: &str = "system:serviceaccount:streamhub-system:streamhub-operator";
const CAMERAS: &str = "\
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: door}, spec: {source: {test: {}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: till}, spec: {source: {test: {}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: away}, spec: {source: {rtsp: {url: \"rtsp://192.0.2.1/a\"}}}}
";

/// Nothing but Leases, with two cameras that stream and one that is not to be reached.
fn nothing_is_written_for(rest: Duration) -> Result<()> {
    let cluster = Cluster::here()?;
    let Some(begin) = Audit::from_now()? else {
        return Ok(());
    };
    let _installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, "rest")?;
    cluster.apply(namespace.name(), CAMERAS)?;
    let ready = [
        "wait",
        "-n",
        namespace.name(),
        "--for=condition=Ready",
        "camera/door",
        "camera/till",
        "--timeout=60s",
    ];
    cluster.kubectl(&ready)?;
    ensure!(
        !begin.writes_by(OPERATOR)?.is_empty(),
        "the audit log does not show how the pods were made"
    );

    // A status is written at most every ten seconds, the last state always.
    sleep(Duration::from_secs(25));
    let Some(resting) = Audit::from_now()? else {
        return Ok(());
    };
    sleep(rest);
    let written = resting.writes_by(OPERATOR)?;
    ensure!(written.is_empty(), "written at rest: {written:#?}");

    let patch = r#"{"spec": {"frames": [{"name": "main", "fps": 5}]}}"#;
    cluster.kubectl(&[
        "patch",
        "camera",
        "door",
        "-n",
        namespace.name(),
        "--type=merge",
        "-p",
        patch,
    ])?;
    eventually(Duration::from_secs(20), "a write after a change", || {
        let written = resting.writes_by(OPERATOR).ok()?;
        written
            .iter()
            .any(|write| write.resource == "pods" && write.verb == "patch")
            .then_some(())
    })
}

#[test]
fn nothing_is_written_at_rest() -> Result<()> {
    nothing_is_written_for(Duration::from_mins(2))
}

#[test]
#[ignore = "ten minutes"]
fn nothing_is_written_in_ten_minutes_of_rest() -> Result<()> {
    nothing_is_written_for(Duration::from_mins(10))
}
