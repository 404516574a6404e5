//! Two operators at once: one of them works, the other takes over, and nothing is written twice.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use streamhub_e2e::{Audit, Cluster, Faults, Installation, Namespace, Operator, SYSTEM};
use streamhub_testkit::eventually;

/// A Lease lasts 15 seconds.
const TAKEOVER: Duration = Duration::from_secs(40);

fn camera(name: &str, fps: u32) -> String {
    format!(
        "{{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {{name: {name}}}, spec: {{\
         source: {{test: {{width: 320, height: 240, fps: 5}}}}, frames: [{{name: main, fps: {fps}}}]}}}}\n---\n"
    )
}

fn leader(cluster: &Cluster) -> Result<String> {
    let holder = "-o=jsonpath={.spec.holderIdentity}";
    cluster.kubectl(&["get", "lease", "streamhub-operator", "-n", SYSTEM, holder])
}

fn wait_for_another(cluster: &Cluster, old: &str) -> Result<String> {
    eventually(TAKEOVER, "another operator to lead", || {
        let now = leader(cluster).ok()?;
        (!now.is_empty() && now != old).then_some(now)
    })
}

fn ready(cluster: &Cluster, namespace: &str) -> Result<()> {
    let wait = ["wait", "-n", namespace, "--for=condition=Ready", "camera"];
    cluster
        .kubectl(&[&wait[..], &["--all", "--timeout=60s"]].concat())
        .map(drop)
}

/// The pods of the cameras, by uid.
fn pods(cluster: &Cluster, namespace: &str) -> Result<BTreeSet<String>> {
    let names = "-o=jsonpath={range .items[*]}{.metadata.name}={.metadata.uid} {end}";
    let listed = cluster.kubectl(&["get", "pods", "-n", namespace, names])?;
    Ok(listed.split_whitespace().map(str::to_owned).collect())
}

/// A change of a camera that runs and a new camera, both taken up.
fn works(cluster: &Cluster, namespace: &str, old: &str, fps: u32, new: &str) -> Result<()> {
    let before = pods(cluster, namespace)?;
    cluster.apply(namespace, &(camera(old, fps) + &camera(new, 5)))?;
    let document = "-o=jsonpath={.metadata.annotations.streamhub\\.dev/camera}";
    let pod = format!("cam-{old}");
    eventually(TAKEOVER, "the change to be taken up", || {
        let carried = cluster
            .kubectl(&["get", "pod", &pod, "-n", namespace, document])
            .ok()?;
        carried.contains(&format!("\"fps\":{fps}")).then_some(())
    })?;
    eventually(TAKEOVER, "the new camera's pod", || {
        let now = pods(cluster, namespace).ok()?;
        (now.len() == before.len() + 1).then_some(())
    })?;
    ready(cluster, namespace)?;
    ensure!(
        pods(cluster, namespace)?.is_superset(&before),
        "a camera that ran has another pod"
    );
    Ok(())
}

/// The process of an operator's pod on this machine.
fn process_of(pod: &str) -> Result<String> {
    let is_it = |folder: &fs::DirEntry| {
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap_or_default();
        let variable = format!("POD_NAME={pod}");
        let mut variables = read("environ")
            .split(|byte| *byte == 0)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>()
            .into_iter();
        variables.any(|found| found == variable.as_bytes())
    };
    let found = fs::read_dir("/proc")?.flatten().find(is_it);
    let found = found.with_context(|| format!("no process of pod {pod}"))?;
    Ok(found.file_name().to_string_lossy().into_owned())
}

fn signal(signal: &str, process: &str) -> Result<()> {
    let sent = Command::new("kill").args([signal, process]).status()?;
    ensure!(sent.success(), "process {process} takes no {signal}");
    Ok(())
}

#[test]
fn the_other_takes_over_and_nothing_is_written_twice() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &["operator.replicas=2"])?;
    // One of the test before may still be cleaning up behind that.
    eventually(TAKEOVER, "no operators but these two", || {
        let operator = "-l=app.kubernetes.io/component=operator";
        let pods = cluster.kubectl(&["get", "pods", "-n", SYSTEM, operator, "-o=name"]);
        (pods.ok()?.lines().count() == 2).then_some(())
    })?;
    let begin = Audit::from_now()?;
    let namespace = Namespace::create(&cluster, "two")?;
    let name = namespace.name();
    cluster.apply(name, &["a", "b", "c"].map(|name| camera(name, 5)).concat())?;
    ready(&cluster, name)?;
    let mut leaders = vec![leader(&cluster)?];

    let first = leaders.join("");
    let kill = ["delete", "pod", &first, "-n", SYSTEM, "--force"];
    cluster.kubectl(&[&kill[..], &["--grace-period=0"]].concat())?;
    works(&cluster, name, "a", 4, "after-kill")?;
    leaders.push(wait_for_another(&cluster, &first)?);

    if Faults::are_possible() {
        // It stops in the middle of whatever it does, and goes on when another one leads.
        let second = leader(&cluster)?;
        let process = process_of(&second)?;
        signal("-STOP", &process)?;
        let third = wait_for_another(&cluster, &second);
        let worked = third
            .as_ref()
            .map(|_| works(&cluster, name, "b", 4, "after-freeze"));
        signal("-CONT", &process)?;
        worked.ok().transpose()?;
        leaders.push(third?);
        works(&cluster, name, "c", 4, "after-thaw")?;
    }

    let Some(begin) = begin else {
        return Ok(());
    };
    let written: Vec<_> = begin
        .writes_by(Operator::USER)?
        .into_iter()
        .filter(|write| (200..300).contains(&write.code))
        .collect();
    let mut writers: Vec<&str> = written.iter().map(|write| write.pod.as_str()).collect();
    writers.dedup();
    ensure!(
        writers == leaders,
        "leaders were {leaders:?}, and those who wrote, in this order, {writers:?}"
    );
    let made: Vec<&str> = written
        .iter()
        .filter(|write| write.resource == "pods" && write.verb == "create")
        .map(|write| write.object.as_str())
        .collect();
    let once: BTreeSet<&str> = made.iter().copied().collect();
    ensure!(made.len() == once.len(), "made twice: {made:?}");
    Ok(())
}
