//! A Prometheus scrapes operator and cameras: every panel has something to show, and alerts fire and cease.
#![allow(clippy::indexing_slicing, reason = "tests")]

mod far;
mod server;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use far::Far;
use server::{Pace, Prometheus};
use streamhub_e2e::{Cluster, Doorway, Faults, Forward, Installation, Namespace, SYSTEM, until};
use streamhub_testkit::{Testcam, eventually, eventually_async};
use tokio::task::JoinHandle;

const NAMESPACE: &str = "monitored";

/// A hub that listens to a module; a camera that will die, one that has failed over, one that is refused.
const OBJECTS: &str = r#"
{apiVersion: streamhub.dev/v1alpha1, kind: StreamHub, metadata: {name: default}, spec: {feedback: {ui: {events: [click]}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: door}, spec: {source: {rtsp: {url: "URL"}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: till}, spec: {source: {test: {width: 320, height: 240, fps: 10}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: yard}, spec: {source: {
  rtsp: {url: "rtsp://10.99.0.1:1/a"}, fallbacks: [{test: {width: 320, height: 240, fps: 10}}]}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: twin}, spec: {source: {rtsp: {url: "URL"}}}}
"#;

/// Those that stay.
const CAMERAS: [&str; 3] = ["camera/door", "camera/till", "camera/yard"];

/// A camera of ten frames a second whose server is far away.
const FAR: &str = r#"
{apiVersion: streamhub.dev/v1alpha1, kind: StreamHub, metadata: {name: far}, spec: {nats: {url: "nats://ADDRESS"}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: gate}, spec: {
  hubRef: {name: far}, source: {test: {width: 320, height: 240, fps: 10}}}}
"#;

/// Of the frames that are due meanwhile, two may be under way.
const LATE: Duration = Duration::from_millis(500);

/// Reads all frames of the hub and sends feedback, for as long as there is a server; ends when dropped.
struct Consumer {
    task: JoinHandle<()>,
    _forward: Forward,
}

impl Consumer {
    async fn start(cluster: &Cluster) -> Result<Self> {
        let forward = cluster.forward(SYSTEM, "service/streamhub-nats", 4222)?;
        let client = async_nats::connect(format!("nats://127.0.0.1:{}", forward.port())).await?;
        let prefix = format!("streamhub.{NAMESPACE}.default");
        let mut frames = client.subscribe(format!("{prefix}.frames.>")).await?;
        let task = tokio::spawn(async move {
            use futures::StreamExt as _;
            let mut beat = tokio::time::interval(Duration::from_millis(500));
            loop {
                tokio::select! {
                    frame = frames.next() => if frame.is_none() { return },
                    _ = beat.tick() => for event in ["click", "unknown"] {
                        let subject = format!("{prefix}.feedback.ui.{event}");
                        // Where there is no server the next beat comes all the same.
                        let _ = client.publish(subject, "{}".into()).await;
                    },
                }
            }
        });
        Ok(Self {
            task,
            _forward: forward,
        })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Scene {
    cluster: Cluster,
    prometheus: Prometheus,
    pace: Pace,
}

impl Scene {
    async fn fires(&self, alert: &str, whom: &str, minutes: u64) -> Result<()> {
        self.wait(alert, whom, minutes, true).await
    }

    async fn ceases(&self, alert: &str, whom: &str) -> Result<()> {
        self.ceases_within(alert, whom, 1).await
    }

    async fn ceases_within(&self, alert: &str, whom: &str, minutes: u64) -> Result<()> {
        self.wait(alert, whom, minutes, false).await
    }

    async fn wait(&self, alert: &str, whom: &str, minutes: u64, fires: bool) -> Result<()> {
        let verb = if fires { "fire" } else { "cease" };
        let what = format!("{alert} to {verb} for {whom}");
        eventually_async(self.pace.minutes(minutes), &what, async || {
            let firing = self.prometheus.firing().await.ok()?;
            let found = firing
                .iter()
                .any(|found| found.0 == alert && found.1 == whom);
            (found == fires).then_some(())
        })
        .await
    }

    fn scale(&self, deployment: &str, replicas: u32) -> Result<()> {
        let deployment = format!("deployment/streamhub-{deployment}");
        let replicas = format!("--replicas={replicas}");
        self.kubectl(&["scale", "-n", SYSTEM, &deployment, &replicas])?;
        let status = ["rollout", "status", "-n", SYSTEM, &deployment];
        self.kubectl(&[&status[..], &["--timeout=60s"]].concat())
    }

    fn place(&self, camera: &str, spec: &str) -> Result<()> {
        let patch = format!("{{\"spec\": {{\"pod\": {spec}}}}}");
        let what = ["patch", "camera", camera, "-n", NAMESPACE, "--type=merge"];
        self.kubectl(&[&what[..], &["-p", &patch]].concat())
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<()> {
        self.cluster.kubectl(arguments).map(drop)
    }

    async fn refused_camera(&self) -> Result<()> {
        self.fires("StreamHubCamerasNotRunning", "Refused", 10)
            .await?;
        self.kubectl(&["delete", "camera", "twin", "-n", NAMESPACE])?;
        self.ceases("StreamHubCamerasNotRunning", "Refused").await
    }

    async fn dead_camera(&self, camera: &mut Testcam) -> Result<()> {
        camera.stop()?;
        self.fires("StreamHubCameraStale", "door", 3).await?;
        camera.restart()?;
        self.ceases("StreamHubCameraStale", "door").await
    }

    async fn pod_without_a_node(&self) -> Result<()> {
        self.place("till", r#"{"nodeSelector": {"room": "none"}}"#)?;
        let limit = Duration::from_secs(30);
        eventually(limit, "the old pod to go", || {
            let pod = [
                "get",
                "pod",
                "cam-till",
                "-n",
                NAMESPACE,
                "-o=jsonpath={.status.podIP}",
            ];
            self.cluster.kubectl(&pod).ok()?.is_empty().then_some(())
        })?;
        self.prometheus.discover(&self.cluster).await?;
        self.fires("StreamHubCameraAbsent", "till", 4).await?;
        self.place("till", "null")?;
        self.ready(&CAMERAS)?;
        self.prometheus.discover(&self.cluster).await?;
        self.ceases("StreamHubCameraAbsent", "till").await
    }

    async fn far_server(&self) -> Result<()> {
        let subject = format!("streamhub.{NAMESPACE}.far.frames.>");
        let far = Far::start(&self.cluster, subject).await?;
        let objects = FAR.replace("ADDRESS", &far.address().to_string());
        self.cluster.apply(NAMESPACE, &objects)?;
        self.ready(&["camera/gate"])?;
        self.prometheus.discover(&self.cluster).await?;
        far.answers_after(LATE);
        self.fires("StreamHubFramesDropped", "gate", 6).await?;
        far.answers_after(Duration::ZERO);
        self.ceases_within("StreamHubFramesDropped", "gate", 6)
            .await?;
        self.kubectl(&["delete", "camera/gate", "streamhub/far", "-n", NAMESPACE])?;
        eventually(Duration::from_secs(30), "the pod to go", || {
            let selector = "streamhub.dev/camera=gate";
            let pods = ["get", "pods", "-n", NAMESPACE, "-l", selector, "-o=name"];
            self.cluster.kubectl(&pods).ok()?.is_empty().then_some(())
        })?;
        self.prometheus.discover(&self.cluster).await
    }

    async fn server_away(&self) -> Result<()> {
        self.scale("nats", 0)?;
        self.fires("StreamHubNatsAway", NAMESPACE, 2).await?;
        self.scale("nats", 1)?;
        self.ceases("StreamHubNatsAway", NAMESPACE).await
    }

    async fn operator_without_rights(&self, installation: &Installation) -> Result<()> {
        self.kubectl(&["delete", "clusterrolebinding", "streamhub-operator"])?;
        let change = r#"{"spec": {"frames": [{"name": "main", "fps": 5}]}}"#;
        let patch = ["patch", "camera", "till", "-n", NAMESPACE, "--type=merge"];
        self.kubectl(&[&patch[..], &["-p", change]].concat())?;
        self.fires("StreamHubOperatorFailing", SYSTEM, 15).await?;
        installation.upgrade(&[])?;
        self.ceases_within("StreamHubOperatorFailing", SYSTEM, 15)
            .await
    }

    async fn operator_away(&self) -> Result<()> {
        self.scale("operator", 0)?;
        eventually(Duration::from_secs(30), "the operator to go", || {
            let selector = "app.kubernetes.io/component=operator";
            let pods = ["get", "pods", "-n", SYSTEM, "-l", selector, "-o=name"];
            self.cluster.kubectl(&pods).ok()?.is_empty().then_some(())
        })?;
        self.prometheus.discover(&self.cluster).await?;
        self.fires("StreamHubOperatorDown", "", 5).await?;
        self.scale("operator", 1)?;
        self.prometheus.discover(&self.cluster).await?;
        self.ceases("StreamHubOperatorDown", "").await
    }

    fn ready(&self, cameras: &[&str]) -> Result<()> {
        let ready = [
            "wait",
            "-n",
            NAMESPACE,
            "--for=condition=Ready",
            "--timeout=60s",
        ];
        self.kubectl(&[&ready[..], cameras].concat())
    }
}

async fn alerts_and_queries(pace: Pace) -> Result<()> {
    // Pods have addresses that only the network of our own cluster knows.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, NAMESPACE)?;
    let mut camera = Testcam::options()
        .test_picture("/door", "h264:640x360@25")
        .start()?;
    let doorway = Doorway::to(camera.port()).await?;
    let url = format!("rtsp://{}/door", doorway.address());
    cluster.apply(namespace.name(), &OBJECTS.replace("URL", &url))?;
    let scene = Scene {
        prometheus: Prometheus::start(pace)?,
        cluster,
        pace,
    };
    scene.ready(&CAMERAS)?;
    let consumer = Consumer::start(&scene.cluster).await?;
    scene.prometheus.discover(&scene.cluster).await?;

    scene.refused_camera().await?;
    scene.dead_camera(&mut camera).await?;
    scene.far_server().await?;
    scene.server_away().await?;
    scene.operator_away().await?;
    // After it: the errors are counted by the one who made them.
    scene.operator_without_rights(&installation).await?;
    scene.pod_without_a_node().await?;

    drop(consumer);
    scene.ready(&CAMERAS)?;
    let _consumer = Consumer::start(&scene.cluster).await?;
    // Rates are made of several scrapes.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let table = until(Duration::from_mins(1), || scene.prometheus.table());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prometheus.md");
    let text = match &table {
        Ok(table) => table.clone(),
        Err(error) => format!("{error:#}"),
    };
    fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))?;
    println!("the table is in {}", file.display());
    // A busy machine makes the cameras drop a frame now and then.
    let limit = Duration::from_mins(1);
    let well = eventually_async(limit, "all alerts to cease", async || {
        let firing = scene.prometheus.firing().await.ok()?;
        firing.is_empty().then_some(())
    });
    if well.await.is_err() {
        let firing = scene.prometheus.firing().await?;
        anyhow::bail!("fires though all is well: {firing:?}");
    }
    table.map(drop)
}

// Doorway and consumer work while kubectl is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn every_query_finds_something_and_alerts_fire_and_cease() -> Result<()> {
    alerts_and_queries(Pace::Hurried).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "fifty minutes"]
async fn alerts_as_they_are_shipped_fire_and_cease() -> Result<()> {
    alerts_and_queries(Pace::Shipped).await
}
