//! Nodes die, and are cut off with a camera pod that goes on.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use streamhub_e2e::{Camera, Cluster, Cordoned, Faults, Namespace, Recording};

use crate::support::{SOON, Streaming, install};

/// A power cut. Kubernetes alone would leave the pod where it was for five minutes and longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_nodes_camera_is_made_anew_elsewhere() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "power-cut")?;
    let door = Streaming::begin_on_n2(&cluster, namespace.name()).await?;

    let dead = faults.kill("n2")?;
    let message = door.camera.says("Unknown", "NodeNotReady", SOON)?;
    ensure!(message.contains("node n2 is not ready"), "{message}");
    let pod = door.goes_on_in_another_pod().await?;
    ensure!(pod.node == "n1", "{pod:?}");
    door.camera.has_event_within(SOON, "NodeLost")?;

    dead.mend()?;
    cluster.node_is_within(SOON, "n2", true)?;
    door.goes_on().await?;
    ensure!(door.camera.pod()? == pod, "the pod was replaced again");
    Ok(())
}

/// For Kubernetes this node is dead as well; but its container runs on, and reaches NATS all the time.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute; of the same kind as the partition"]
async fn a_camera_whose_kubelet_died_is_fenced_by_its_successor() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "kubelet")?;
    let door = Streaming::begin_on_n2(&cluster, namespace.name()).await?;

    let dead = faults.kill("n2/kubelet")?;
    door.camera.says("Unknown", "NodeNotReady", SOON)?;
    door.goes_on().await?;
    let pod = door.goes_on_in_another_pod().await?;
    ensure!(pod.node == "n1", "{pod:?}");
    door.recording
        .is_fenced_within(door.pod.incarnation, SOON)
        .await?;

    dead.mend()?;
    cluster.node_is_within(SOON, "n2", true)?;
    door.goes_on().await?;
    ensure!(door.camera.pod()? == pod, "the pod was replaced again");
    Ok(())
}

/// A short one replaces nothing. After a long one the old pod comes back with its kubelet still away: nothing but the
/// fence stops it.
#[tokio::test(flavor = "multi_thread")]
async fn a_camera_behind_a_partition_is_fenced_when_it_comes_back() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "partition")?;
    let door = Streaming::begin_on_n2(&cluster, namespace.name()).await?;

    let cut = faults.cut("n2")?;
    sleep(Duration::from_secs(5));
    cut.mend()?;
    door.goes_on().await?;
    ensure!(door.camera.pod()? == door.pod, "the pod was replaced");

    let cut = faults.cut("n2")?;
    let kubelet = faults.kill("n2/kubelet")?;
    door.camera.says("Unknown", "NodeNotReady", SOON)?;
    let pod = door.goes_on_in_another_pod().await?;
    ensure!(pod.node == "n1", "{pod:?}");

    cut.mend()?;
    door.recording
        .is_fenced_within(door.pod.incarnation, SOON)
        .await?;
    door.goes_on().await?;

    kubelet.mend()?;
    cluster.node_is_within(SOON, "n2", true)?;
    door.goes_on().await?;
    ensure!(door.camera.pod()? == pod, "the pod was replaced again");
    Ok(())
}

/// So little that no picture is made in time. Restarting what is slow only makes it slower.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "three minutes"]
async fn an_overloaded_node_restarts_none_of_its_cameras() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    let namespace = Namespace::create(&cluster, "overload")?;
    let door = Streaming::begin_on_n2(&cluster, namespace.name()).await?;
    let _elsewhere = Cordoned::node(&cluster, "n1")?;
    let heavy =
        "source: {test: {width: 1920, height: 1080, fps: 30}}, frames: [{name: main, fps: 30}]";
    let mut others = Vec::new();
    for number in 0..3 {
        let name = format!("heavy{number}");
        let camera = Camera::apply(&cluster, namespace.name(), &name, heavy)?;
        let pod = camera.is_ready_within(SOON)?;
        // Nothing is made of pictures that nobody wants.
        let consumer = Recording::begin(&cluster, &camera).await?;
        others.push((camera, pod, consumer));
    }

    let overload = faults.throttle("n2")?;
    // Longer than any probe is patient.
    sleep(Duration::from_mins(2));
    overload.mend()?;
    door.goes_on().await?;
    ensure!(
        door.camera.is_ready_within(SOON)? == door.pod,
        "it was restarted"
    );
    for (camera, pod, _consumer) in others {
        ensure!(
            camera.is_ready_within(SOON)? == pod,
            "{camera} was restarted"
        );
    }
    Ok(())
}
