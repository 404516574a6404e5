//! The path of somebody who has a cluster and never saw Stream Hub: install, five lines, frames.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use streamhub_e2e::{Cluster, Frames, Installation, Namespace};

const CAMERA: &str = "\
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {name: door}
spec: {source: {test: {}}}
";

#[tokio::test]
async fn helm_install_and_five_lines_in_another_namespace_give_frames() -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install_anew(&cluster, &[])?;
    let shop = Namespace::create(&cluster, "shop")?;

    cluster.apply(shop.name(), CAMERA)?;
    cluster.kubectl(&[
        "wait",
        "-n",
        shop.name(),
        "--for=condition=Ready",
        "camera/door",
        "--timeout=60s",
    ])?;

    let mut frames = Frames::subscribe(&cluster, "streamhub.shop.default.frames.door.main").await?;
    let mut last = 0;
    for _ in 0..10 {
        let frame = frames.next(Duration::from_secs(10)).await?;
        ensure!(frame.metadata["stream_id"] == "door", "{}", frame.metadata);
        let id = frame.metadata["frame_id"].as_u64().context("no frame_id")?;
        ensure!(id > last, "frame {id} came after {last}");
        last = id;
    }

    let table = cluster.kubectl(&["get", "cam", "-n", shop.name()])?;
    println!("{table}");
    for column in ["NAME", "HUB", "SOURCE", "STATE", "REASON", "NODE", "SINCE"] {
        ensure!(table.contains(column), "no column {column}:\n{table}");
    }
    println!("{}", installation.test()?);
    Ok(())
}

#[tokio::test]
async fn an_uninstall_leaves_cameras_and_pods_and_a_reinstall_adopts_them() -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &[])?;
    let yard = Namespace::create(&cluster, "yard")?;
    cluster.apply(yard.name(), CAMERA)?;
    let ready = [
        "wait",
        "-n",
        yard.name(),
        "--for=condition=Ready",
        "camera/door",
        "--timeout=60s",
    ];
    cluster.kubectl(&ready)?;
    let pod = |cluster: &Cluster| {
        cluster.kubectl(&[
            "get",
            "pod",
            "cam-door",
            "-n",
            yard.name(),
            "-o=jsonpath={.metadata.uid}",
        ])
    };
    let before = pod(&cluster)?;

    installation.uninstall()?;
    ensure!(
        pod(&cluster)? == before,
        "the camera's pod went with the chart"
    );
    cluster.kubectl(&["get", "camera", "door", "-n", yard.name()])?;

    installation.upgrade(&[])?;
    cluster.kubectl(&ready)?;
    ensure!(pod(&cluster)? == before, "the camera's pod was replaced");
    let mut frames = Frames::subscribe(&cluster, "streamhub.yard.default.frames.door.main").await?;
    frames.next(Duration::from_secs(20)).await?;
    Ok(())
}
