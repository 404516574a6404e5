//! The path of somebody who has a cluster and never saw Stream Hub: install, five lines, frames.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use streamhub_e2e::{Cluster, Faults, Films, Frames, Installation, Namespace, PlainInstallation};
use streamhub_testkit::{cache_dir, repository};

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

/// The samples of a hub with feedback and of a module in a pod, which is the example of `clients/examples`.
// Frames come in while kubectl is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn people_that_a_module_in_a_pod_finds_are_in_the_frames_that_follow() -> Result<()> {
    // The film and the module's image are on this machine.
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    faults.load_image(&cache_dir()?.join("cluster/images/examples/detect-people.tar"))?;
    let _installation = Installation::share(&cluster, &[])?;
    let mall = Namespace::create(&cluster, "mall")?;
    let _films = Films::claim(&mall)?;
    let hub = sample("hub-with-feedback.yaml")?;
    let camera = "rtsp: {url: rtsp://10.0.0.7/stream1}";
    ensure!(hub.contains(camera), "the sample has another camera");
    let film = "file: {uri: footage/vtest.avi, claimName: films}";
    cluster.apply(mall.name(), &hub.replace(camera, film))?;
    is_ready(&cluster, mall.name(), "entrance")?;

    let subject = "streamhub.mall.lobby.frames.entrance.main";
    let mut frames = Frames::subscribe(&cluster, subject).await?;
    let before = frames.next(Duration::from_secs(10)).await?.metadata;
    let nothing = json!({"analytics": {}, "perception": {}, "ui": {}});
    ensure!(before["events"] == nothing, "{before}");

    let begin = Instant::now();
    cluster.apply(mall.name(), &sample("detect-people.yaml")?)?;
    let mut ids = HashSet::from([before["frame_id"].as_u64()]);
    let (frame, found) = loop {
        let frame = frames.next(Duration::from_secs(10)).await?.metadata;
        let found = frame["events"]["perception"]["spatial_object"].clone();
        if found["objects"] != json!([]) && !found.is_null() {
            break (frame, found);
        }
        ids.insert(frame["frame_id"].as_u64());
        ensure!(
            begin.elapsed() < Duration::from_mins(2),
            "nobody was found; the last frame has {}: {}",
            frame["events"],
            cluster.kubectl(&[
                "describe",
                "pods",
                "-n",
                mall.name(),
                "-l=app.kubernetes.io/name=detect-people"
            ])?
        );
    };
    println!("after {:?}: {found}", begin.elapsed());
    ensure!(ids.contains(&found["frame_id"].as_u64()), "{found}");
    ensure!(found["frame_id"].as_u64() < frame["frame_id"].as_u64());
    for object in found["objects"].as_array().context("no objects")? {
        ensure!(object["label"] == "person", "{object}");
        let sides: Vec<f64> = serde_json::from_value(object["box"].clone())?;
        let [x, y, width, height] = sides[..] else {
            bail!("a box has four sides: {object}");
        };
        // A box may reach over the picture's edge; the person in its middle may not.
        let inside = |middle: f64, side: &str| {
            middle > 0.0 && found[side].as_f64().is_some_and(|side| middle < side)
        };
        ensure!(
            inside(x + width / 2.0, "width") && inside(y + height / 2.0, "height"),
            "{object} is not in {found}"
        );
    }

    // What it said last holds for a second; then it is gone.
    let delete = ["delete", "deployment", "detect-people", "-n", mall.name()];
    cluster.kubectl(&[&delete[..], &["--cascade=foreground", "--timeout=60s"]].concat())?;
    let end = Instant::now() + Duration::from_mins(1);
    while frames.next(Duration::from_secs(10)).await?.metadata["events"] != nothing {
        ensure!(
            Instant::now() < end,
            "what a module said outlives it for long"
        );
    }
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

fn sample(name: &str) -> Result<String> {
    let path = repository().join("manifests/cluster").join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn is_ready(cluster: &Cluster, namespace: &str, camera: &str) -> Result<()> {
    let camera = format!("camera/{camera}");
    let wait = ["wait", "-n", namespace, "--for=condition=Ready", &camera];
    cluster
        .kubectl(&[&wait[..], &["--timeout=60s"]].concat())
        .map(drop)
}
