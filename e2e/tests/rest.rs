//! An operator whose cameras are well and node agents that have nothing to tell write nothing.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use streamhub_e2e::{Audit, Cluster, Installation, Namespace, Operator, WITH_DEVICES};
use streamhub_testkit::eventually;

const NODE_AGENT: &str = "system:serviceaccount:streamhub-system:streamhub-node-agent";
const CAMERAS: &str = "\
{apiVersion: streamhub.dev/v1alpha1, kind: StreamHub, metadata: {name: lobby}, spec: {feedback: {ui: {events: [click], ttl: 5s}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: door}, spec: {source: {test: {}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: till}, spec: {hubRef: {name: lobby}, source: {test: {}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: away}, spec: {source: {rtsp: {url: \"rtsp://192.0.2.1/a\"}}}}
";

/// Nothing but Leases, with two cameras that stream, one of them on a hub, and one that is not to be reached.
fn nothing_is_written_for(rest: Duration) -> Result<()> {
    let cluster = Cluster::here()?;
    let Some(begin) = Audit::from_now()? else {
        return Ok(());
    };
    let _installation = Installation::install(&cluster, &[WITH_DEVICES])?;
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
    for resource in ["pods", "streamhubs/status"] {
        eventually(Duration::from_secs(30), resource, || {
            let written = begin.writes_by(Operator::USER).ok()?;
            let found = written.iter().any(|write| write.resource == resource);
            found.then_some(())
        })?;
    }
    ensure!(
        !begin.requests_by(NODE_AGENT)?.is_empty(),
        "the audit log does not show that node agents look for what they wrote"
    );

    // A status is written at most every ten seconds, the last state always.
    sleep(Duration::from_secs(25));
    let Some(resting) = Audit::from_now()? else {
        return Ok(());
    };
    sleep(rest);
    for user in [Operator::USER, NODE_AGENT] {
        let written = resting.writes_by(user)?;
        ensure!(written.is_empty(), "{user} wrote at rest: {written:#?}");
    }

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
        let written = resting.writes_by(Operator::USER).ok()?;
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
