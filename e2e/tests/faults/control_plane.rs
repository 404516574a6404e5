//! NATS, the operator, and what Kubernetes is made of are away for a while: cameras go on.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use streamhub_e2e::{Camera, Cluster, Faults, Namespace, Operator, SYSTEM, until};

use crate::support::{SOON, Streaming, TEST_PICTURE, install};

const NATS: &str = "deployment/streamhub-nats";
const OPERATOR: &str = "deployment/streamhub-operator";
/// Shorter than nodes may be silent.
const AWAY: Duration = Duration::from_secs(6);

fn scale(cluster: &Cluster, what: &str, replicas: &str) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    cluster.kubectl(&["scale", what, "-n", SYSTEM, &replicas])?;
    cluster
        .kubectl(&["rollout", "status", what, "-n", SYSTEM, "--timeout=60s"])
        .map(drop)
}

/// Its container ends in the middle of a message, and is started again in its pod.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_nats_server_was_killed_frames_flow_again_from_the_same_pod() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "killed")?;
    let door = Streaming::begin(&cluster, namespace.name()).await?;
    let of_server = |path: &str| {
        let (label, path) = (
            "-l=app.kubernetes.io/component=nats",
            format!("-o=jsonpath={path}"),
        );
        cluster.kubectl(&["get", "pods", "-n", SYSTEM, label, &path])
    };
    let restarts = "{.items[0].status.containerStatuses[0].restartCount}";
    let (node, before) = (
        of_server("{.items[0].spec.nodeName}")?,
        of_server(restarts)?,
    );

    faults.kill_process(&node, "nats-server")?;
    until(SOON, || {
        ensure!(of_server(restarts)? != before, "it was not started again");
        Ok(())
    })?;
    door.camera.says("Streaming", "", SOON)?;
    let again = Streaming::begin(&cluster, namespace.name()).await?;
    ensure!(again.pod == door.pod, "the pod was replaced");
    door.recording.has_one_publisher_at_a_time()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_server_that_is_away_is_named_and_comes_back_at_another_address() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "nats")?;
    let before = Streaming::begin(&cluster, namespace.name()).await?;

    scale(&cluster, NATS, "0")?;
    let said = before.camera.says("Streaming", "NatsUnavailable", SOON);
    scale(&cluster, NATS, "1")?;
    let message = said?;
    ensure!(message.contains("streamhub-nats"), "{message}");
    ensure!(
        before.camera.is_ready_within(SOON)? == before.pod,
        "the pod was replaced"
    );
    // The server's pod has another address.
    Streaming::begin(&cluster, namespace.name()).await?;
    before.recording.has_one_publisher_at_a_time()
}

/// A camera that is made meanwhile waits; one that runs notices nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_runs_stops_without_an_operator() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "alone")?;
    let door = Streaming::begin(&cluster, namespace.name()).await?;

    scale(&cluster, OPERATOR, "0")?;
    let made = Camera::apply(&cluster, namespace.name(), "gate", TEST_PICTURE);
    let gone_on = door.goes_on().await;
    let lonely = made.as_ref().is_ok_and(|gate| gate.pod().is_err());
    scale(&cluster, OPERATOR, "1")?;
    gone_on?;
    ensure!(lonely, "who made the pod?");
    made?.is_ready_within(SOON)?;
    ensure!(
        door.camera.is_ready_within(SOON)? == door.pod,
        "the pod was replaced"
    );
    Ok(())
}

/// Killed, the API server ends all watches; frozen, it or its store answers late or not at all. What the operator makes of
/// each single answer is in `answers`.
#[tokio::test(flavor = "multi_thread")]
async fn frames_flow_while_the_api_server_and_etcd_are_away() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "headless")?;
    let door = Streaming::begin(&cluster, namespace.name()).await?;

    let operator = Operator::of(&cluster);
    let watches_failed = || operator.metric("streamhub_operator_watch_errors_total", "");
    let failed_before = watches_failed()?;
    let harms = [
        ("apiserver", Faults::kill as fn(&Faults, &str) -> _),
        ("apiserver", Faults::freeze),
        ("etcd", Faults::kill),
        ("etcd", Faults::freeze),
    ];
    for (rate, (part, harm)) in (6..).zip(harms) {
        let harm = harm(&faults, part)?;
        let before = door.recording.frames();
        sleep(AWAY);
        ensure!(
            door.recording.frames() > before + 10,
            "frames wait for the control plane"
        );
        harm.mend()?;
        // The operator finds its way back: what is changed now is taken over, in place.
        let spec =
            format!("source: {{test: {{}}}}, frames: [{{name: main, fps: {rate}, width: 320}}]");
        until(SOON, || door.camera.change(&spec))?;
        door.camera.is_ready_within(SOON)?;
        door.goes_on().await?;
        ensure!(door.camera.pod()? == door.pod, "the pod was replaced");
    }
    let failed = watches_failed()?;
    ensure!(failed > failed_before, "no watch of the operator failed");
    Ok(())
}

/// The API server's own fairness, with no room at all for what the operator writes.
const JAIL: &str = "
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: jail}
spec:
  type: Limited
  limited: {nominalConcurrencyShares: 0, lendablePercent: 0, borrowingLimitPercent: 0, limitResponse: {type: Reject}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: jail}
spec:
  priorityLevelConfiguration: {name: jail}
  matchingPrecedence: 2
  rules:
    - subjects:
        - {kind: ServiceAccount, serviceAccount: {name: streamhub-operator, namespace: streamhub-system}}
      resourceRules:
        - {verbs: [create, patch, delete], apiGroups: ['', streamhub.dev], resources: ['*'], namespaces: ['*']}
";

/// Ends with this value.
struct Jail(Cluster);

impl Drop for Jail {
    fn drop(&mut self) {
        let what = "flowschema/jail,prioritylevelconfiguration/jail";
        let what: Vec<&str> = what.split(',').collect();
        if let Err(error) = self.0.kubectl(&[&["delete"], &what[..]].concat()) {
            eprintln!("{error:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_throttled_waits_and_goes_on() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "throttled")?;
    let door = Streaming::begin(&cluster, namespace.name()).await?;
    let operator = Operator::of(&cluster);
    let throttled = || operator.metric("streamhub_operator_reconcile_errors_total", "throttled");

    let before = throttled()?;
    let jail = Jail(cluster.clone());
    cluster.apply("default", JAIL)?;
    // A lane without room still lets a single request pass while no other is there: several cameras at once ask for more.
    let mut cameras = Vec::new();
    until(SOON, || {
        let mut documents = String::new();
        for _ in 0..8 {
            let name = format!("gate{}", cameras.len());
            writeln!(
                documents,
                "---\n{{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {{name: {name}}}, \
                 spec: {{{TEST_PICTURE}, enabled: false}}}}"
            )?;
            cameras.push(Camera::of(&cluster, namespace.name(), &name));
        }
        cluster.apply(namespace.name(), &documents)?;
        sleep(Duration::from_secs(1));
        ensure!(throttled()? > before, "nothing was refused");
        Ok(())
    })?;
    door.goes_on().await?;
    drop(jail);
    for camera in &cameras {
        camera.says("Disabled", "Disabled", SOON)?;
    }
    let first = cameras.first().context("no camera")?;
    first.change(TEST_PICTURE)?;
    first.is_ready_within(SOON)?;
    ensure!(
        door.camera.is_ready_within(SOON)? == door.pod,
        "the pod was replaced"
    );
    Ok(())
}
