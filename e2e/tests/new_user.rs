//! The path of somebody who has a cluster and never saw Stream Hub: install, five lines, frames.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use streamhub_e2e::{Cluster, Faults, Frames, Installation, Namespace, PlainInstallation};
use streamhub_testkit::repository;

const CAMERA: &str = "\
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {name: door}
spec: {source: {test: {}}}
";

/// A module that says once what it sees. Its image is the camera's, which has our command line.
const MODULE: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: perception}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: module
          image: IMAGE
          command: [streamhub, feedback, send, perception, spatial_object, '{"objects": [{"id": 3, "label": "person"}]}']
          args:
            - --camera=entrance
            - --prefix=streamhub.NAMESPACE.lobby
            - --url=nats://streamhub-nats.streamhub-system:4222
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
"#;

#[tokio::test]
async fn helm_install_and_five_lines_in_another_namespace_give_frames() -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install_anew(&cluster, &[])?;
    let shop = Namespace::create(&cluster, "shop")?;

    cluster.apply(shop.name(), CAMERA)?;
    is_ready(&cluster, shop.name(), "door")?;

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
    is_ready(&cluster, yard.name(), "door")?;
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
    is_ready(&cluster, yard.name(), "door")?;
    ensure!(pod(&cluster)? == before, "the camera's pod was replaced");
    let mut frames = Frames::subscribe(&cluster, "streamhub.yard.default.frames.door.main").await?;
    frames.next(Duration::from_secs(20)).await?;
    Ok(())
}

/// The sample of a hub with feedback, and a module in a pod beside its camera.
#[tokio::test]
async fn what_a_module_in_a_pod_says_is_in_the_frames_that_follow() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::share(&cluster, &[])?;
    let mall = Namespace::create(&cluster, "mall")?;
    let sample = fs::read_to_string(repository().join("manifests/cluster/hub-with-feedback.yaml"))?;
    let camera = "rtsp: {url: rtsp://10.0.0.7/stream1}";
    ensure!(sample.contains(camera), "the sample has another camera");
    cluster.apply(mall.name(), &sample.replace(camera, "test: {}"))?;
    is_ready(&cluster, mall.name(), "entrance")?;

    let subject = "streamhub.mall.lobby.frames.entrance.main";
    let mut frames = Frames::subscribe(&cluster, subject).await?;
    let before = frames.next(Duration::from_secs(10)).await?;
    let nothing = serde_json::json!({"analytics": {}, "perception": {}, "ui": {}});
    ensure!(before.metadata["events"] == nothing, "{}", before.metadata);

    let image = "-o=jsonpath={.spec.containers[0].image}";
    let image = cluster.kubectl(&["get", "pod", "cam-entrance", "-n", mall.name(), image])?;
    let module = MODULE
        .replace("IMAGE", &image)
        .replace("NAMESPACE", mall.name());
    cluster.apply(mall.name(), &module)?;
    // It holds for a second, fifteen frames; then it is gone again.
    let end = Instant::now() + Duration::from_mins(1);
    let mut said = None;
    loop {
        let frame = frames.next(Duration::from_secs(10)).await?;
        let found = &frame.metadata["events"]["perception"]["spatial_object"];
        match (&said, found.is_null()) {
            (None, false) => said = Some(found.clone()),
            (Some(_), true) => break,
            _ => {}
        }
        ensure!(
            Instant::now() < end,
            "the module was heard as {said:?}: {}",
            cluster.kubectl(&[
                "describe",
                "pods",
                "-n",
                mall.name(),
                "-l=job-name=perception"
            ])?
        );
    }
    let said = said.unwrap_or_default();
    println!("perception.spatial_object: {said}");
    ensure!(said["objects"][0]["label"] == "person", "{said}");
    Ok(())
}

/// `kubectl apply`, without helm; and all of it is gone with `kubectl delete`.
#[tokio::test]
async fn the_plain_manifest_gives_frames_too() -> Result<()> {
    // It takes the definitions away in the end, and with them somebody's cameras.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let plain = PlainInstallation::apply(&cluster)?;
    let kiosk = Namespace::create(&cluster, "kiosk")?;
    cluster.apply(kiosk.name(), CAMERA)?;
    is_ready(&cluster, kiosk.name(), "door")?;
    let mut frames =
        Frames::subscribe(&cluster, "streamhub.kiosk.default.frames.door.main").await?;
    frames.next(Duration::from_secs(20)).await?;
    drop(frames);
    plain.delete()
}

fn is_ready(cluster: &Cluster, namespace: &str, camera: &str) -> Result<()> {
    let camera = format!("camera/{camera}");
    let wait = ["wait", "-n", namespace, "--for=condition=Ready", &camera];
    cluster
        .kubectl(&[&wait[..], &["--timeout=60s"]].concat())
        .map(drop)
}
