//! The operator dies after each of its writes while a node is lost: also after it has deleted a pod by force.

use std::time::Instant;

use anyhow::{Result, ensure};
use streamhub_e2e::{Camera, Cluster, Cordoned, Faults, MadePods, Recording};

use crate::mortal::{Deaths, MOST};
use crate::{HUB, SOON, STEPS, Stage, settled};

/// A short patience for dead nodes, and n2 has nothing that the others need.
const VALUES: [&str; 3] = [
    "operator.nodeLostAfter=10s",
    r"operator.nodeSelector.kubernetes\.io/hostname=n1",
    r"nats.nodeSelector.kubernetes\.io/hostname=n1",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_dies_after_a_deletion_by_force_gets_there_all_the_same() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let stage = Stage::set(&Cluster::here()?, &VALUES)?;
    let begin = Instant::now();
    let (cluster, namespace) = (stage.namespace.cluster(), stage.namespace.name());
    let mut pods = MadePods::watch(cluster, namespace)?;
    let mortal = stage.program.run(Deaths::AfterEach)?;
    cluster.apply(namespace, HUB)?;
    let [spec, ..] = STEPS;
    let elsewhere = Cordoned::node(cluster, "n1")?;
    let camera = Camera::apply(cluster, namespace, "door", spec)?;
    let recording = Recording::begin(cluster, &camera).await?;
    let before = settled(cluster, &camera, &recording).await?;
    let old = camera.pod()?;
    ensure!(old.node == "n2", "{old:?}");
    drop(elsewhere);

    // With its kubelet dead the old pod publishes on, and its name gets free by force alone.
    let dead = faults.kill("n2/kubelet")?;
    let new = camera.is_ready_in_another_pod_within(SOON, &old)?;
    ensure!(new.node == "n1", "{new:?}");
    recording.is_fenced_within(old.incarnation, SOON).await?;
    let after = settled(cluster, &camera, &recording).await?;
    ensure!(before == after, "{after:#}\ninstead of {before:#}");

    dead.mend()?;
    cluster.node_is_within(SOON, "n2", true)?;
    let at_last = settled(cluster, &camera, &recording).await?;
    ensure!(before == at_last, "{at_last:#}\ninstead of {before:#}");
    ensure!(camera.pod()? == new, "the pod was replaced again");
    recording.has_one_publisher_at_a_time()?;
    let made = pods.up_to(&new.uid)?;
    let record = mortal.end()?;
    println!(
        "{} writes, {} deaths, {:.0?}",
        record.writes.len(),
        record.deaths,
        begin.elapsed()
    );
    // As when nothing dies but the node.
    ensure!(made.len() == 2, "{made:?}: {:#?}", record.writes);
    record.did("create", "pods", 2)?;
    record.did("delete", "pods", 1)?;
    ensure!(
        record.died_of("delete", "pods") && record.deaths < MOST,
        "it died of {:#?}",
        record.fatal
    );
    Ok(())
}
