//! From one release to the next and back, with cameras that stream.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use streamhub_e2e::{
    Camera, CameraPod, Cluster, Faults, Installation, Namespace, Recording, until,
};
use streamhub_testkit::{Folder, cache_dir, repository};

const SOON: Duration = Duration::from_mins(2);
const OURS: &str = env!("CARGO_PKG_VERSION");
const NAMES: [&str; 2] = ["door", "gate"];
const SPEC: &str = "source: {test: {}}, frames: [{name: main, fps: 5, width: 320}]";

/// Two cameras, and what they publish: while one is replaced the other waits.
struct Site {
    cluster: Cluster,
    namespace: Namespace,
    cameras: Vec<(Camera, Recording)>,
}

impl Site {
    async fn begin(cluster: &Cluster, namespace: &str) -> Result<Self> {
        let namespace = Namespace::create(cluster, namespace)?;
        let applied = NAMES.map(|name| Camera::apply(cluster, namespace.name(), name, SPEC));
        let mut cameras = Vec::new();
        for camera in applied {
            let camera = camera?;
            camera.is_ready_within(SOON)?;
            let recording = Recording::begin(cluster, &camera).await?;
            cameras.push((camera, recording));
        }
        Ok(Self {
            cluster: cluster.clone(),
            namespace,
            cameras,
        })
    }

    fn pods(&self) -> Result<Vec<CameraPod>> {
        self.cameras
            .iter()
            .map(|(camera, _)| camera.pod())
            .collect()
    }

    /// Waits until every camera is ready in a pod of this release, and makes sure that its numbers went on.
    async fn is_on(&self, release: &str) -> Result<()> {
        until(SOON * 2, || {
            let pods = self.cluster.get(&["pods", "-n", self.namespace.name()])?;
            let pods = pods.get("items").and_then(Value::as_array);
            let version = "/metadata/annotations/streamhub.dev~1release";
            let on = |pod: &&Value| pod.pointer(version).and_then(Value::as_str) == Some(release);
            let arrived = pods.into_iter().flatten().filter(on).count();
            ensure!(arrived == NAMES.len(), "{arrived} pods are of {release}");
            Ok(())
        })?;
        for (camera, recording) in &self.cameras {
            camera.is_ready_within(SOON)?;
            recording.frames_within(5, SOON).await?;
            recording
                .has_one_publisher_at_a_time()
                .with_context(|| camera.name().to_owned())?;
        }
        Ok(())
    }
}

fn tagged(operator: &str, ingest: &str) -> [String; 2] {
    [
        format!("operator.image.tag={operator}"),
        format!("ingest.image.tag={ingest}"),
    ]
}

async fn to_another_release_and_back(namespace: &str, other: &str) -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &[])?;
    let site = Site::begin(&cluster, namespace).await?;
    let [operator, ingest] = tagged(other, other);
    installation.upgrade(&[&operator, &ingest])?;
    site.is_on(other).await?;
    installation.upgrade(&[])?;
    site.is_on(OURS).await
}

/// The same images under another tag: what an upgrade does, less the differences of the two.
#[tokio::test(flavor = "multi_thread")]
async fn cameras_go_on_through_an_upgrade_and_back() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    for image in ["operator", "ingest"] {
        let name = format!("docker.io/streamhub/{image}");
        faults.tag_image(&format!("{name}:{OURS}"), &format!("{name}:next"))?;
    }
    to_another_release_and_back("upgrade", "next").await
}

/// Where a definition describes a field that no rule of it speaks of.
const FIELD: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/enabled";
const DEFINITION: &str = "customresourcedefinition/cameras.streamhub.dev";

/// A copy of the chart as it may have been when Cameras had no such field.
fn earlier_chart(cluster: &Cluster, folder: &Path) -> Result<PathBuf> {
    let chart = folder.join("streamhub");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(repository().join("charts/streamhub"))
        .arg(&chart)
        .status()?;
    ensure!(copied.success(), "can't copy the chart");
    let file = chart.join("files/crds/cameras.yaml");
    let read = ["create", "--dry-run=client", "--output=json", "--filename"];
    let definition = cluster.kubectl(&[&read[..], &[&file.to_string_lossy()]].concat())?;
    let mut definition: Value = serde_json::from_str(&definition)?;
    let (fields, name) = FIELD.rsplit_once('/').context("a path")?;
    let fields = definition
        .pointer_mut(fields)
        .and_then(Value::as_object_mut);
    fields
        .and_then(|fields| fields.remove(name))
        .with_context(|| format!("the definition has no {FIELD}"))?;
    // JSON is YAML too.
    fs::write(&file, definition.to_string())?;
    Ok(chart)
}

/// Helm itself never changes a definition that it finds in a chart's folder `crds`.
#[test]
fn an_upgrade_brings_a_new_field_of_the_definition() -> Result<()> {
    let cluster = Cluster::here()?;
    // The definition is the whole cluster's, and somebody's cameras may need the field.
    if Faults::here().is_none() {
        return Ok(());
    }
    let installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, "field")?;
    let folder = Folder::new()?;
    let earlier = earlier_chart(&cluster, folder.path())?;
    let known = || Ok::<_, anyhow::Error>(cluster.get(&[DEFINITION])?.pointer(FIELD).is_some());
    let camera = json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "Camera", "metadata": {"name": "off"},
        "spec": {"enabled": false, "source": {"test": {}}},
    });
    let camera = camera.to_string();

    installation.upgrade_to(&earlier)?;
    ensure!(!known()?, "the earlier chart has the field");
    until(SOON, || {
        let words = cluster.would_take(namespace.name(), &camera).err();
        let words = words.context("the field was taken")?.to_string();
        ensure!(words.contains("unknown field \"spec.enabled\""), "{words}");
        Ok(())
    })?;
    installation.upgrade(&[])?;
    ensure!(known()?, "the upgrade left the definition as it was");
    until(SOON, || cluster.would_take(namespace.name(), &camera)).map(drop)
}

/// Images of an earlier commit, which `SOURCE=... TAG=earlier e2e/images operator ingest` has built.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds images of an earlier commit first"]
async fn cameras_go_on_through_an_upgrade_from_an_earlier_commit_and_back() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let folder: PathBuf = cache_dir()?.join("cluster/images/earlier");
    for image in ["operator", "ingest"] {
        faults.load_image(&folder.join(format!("{image}.tar")))?;
    }
    to_another_release_and_back("earlier", "earlier").await
}

/// The first one that can't start it is the last one that tries.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "two minutes"]
async fn an_image_that_cannot_start_takes_one_camera_and_no_more() -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &[])?;
    let site = Site::begin(&cluster, "broken").await?;
    let before = site.pods()?;

    let [_, ingest] = tagged(OURS, "there-is-none");
    installation.upgrade(&[&ingest])?;
    let taken = until(SOON, || {
        let table = cluster.kubectl(&["get", "cam", "-n", site.namespace.name()])?;
        let pulls =
            |line: &&str| line.contains("ErrImagePull") || line.contains("ImagePullBackOff");
        ensure!(table.lines().any(|line| pulls(&line)), "{table}");
        Ok(table.lines().filter(pulls).count())
    })?;
    ensure!(taken == 1, "{taken} cameras were taken");
    // Long enough for another one.
    std::thread::sleep(Duration::from_secs(10));
    let after = site.pods()?;
    let replaced = before
        .iter()
        .zip(&after)
        .filter(|(old, new)| old.uid != new.uid);
    ensure!(replaced.count() == 1, "{before:?} {after:?}");

    installation.upgrade(&[])?;
    site.is_on(OURS).await
}
