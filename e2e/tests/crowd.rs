//! Among two hundred Cameras with pods some whose stored form is not valid harm none of the others. Three of them stream; the
//! others' pods are such as no node takes.
#![allow(clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use streamhub_e2e::{
    Api, Audit, Camera, CameraPod, Cluster, Faults, Frames, Installation, Namespace, Operator,
    Recording,
};
use streamhub_testkit::eventually_async;

const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/cameras.streamhub.dev";
const CAMERAS: &str = "/apis/streamhub.dev/v1alpha1/namespaces/crowd/cameras";
const HUBS: &str = "/apis/streamhub.dev/v1alpha1/namespaces/crowd/streamhubs";
const PODS: &str = "/api/v1/namespaces/crowd/pods";
const SOON: Duration = Duration::from_mins(1);
/// Pods of this many run; so many as all would be too much for a test machine.
const STREAMING: usize = 3;
const ALL: usize = 200;

fn camera(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "Camera",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// The API server takes no status of this one: the rules about a URL can't be asked about a number.
const WITHOUT_STATUS: &str = "poison-url";

/// What an older definition may have let in, by name.
fn poisoned() -> [(&'static str, Value); 4] {
    let source = json!({"test": {}});
    [
        (WITHOUT_STATUS, json!({"source": {"rtsp": {"url": 7}}})),
        (
            "poison-two",
            json!({"source": {"rtsp": {"url": "rtsp://192.0.2.1/a"}, "test": {}}}),
        ),
        (
            "poison-name-that-is-longer-than-the-name-of-a-pod-may-be-by-far",
            json!({"source": source}),
        ),
        ("poison-list", json!({"source": source, "frames": "none"})),
    ]
}

/// Puts the definition of Cameras back as it was, at the latest when this is dropped.
struct Strict<'a>(&'a Cluster, Value);

impl Strict<'_> {
    fn restore(&self) -> Result<()> {
        let schema = "/spec/versions/0/schema/openAPIV3Schema";
        let patch = json!([{"op": "replace", "path": schema, "value": self.1}]);
        let what = ["patch", "crd", "cameras.streamhub.dev", "--type=json", "-p"];
        let patch = patch.to_string();
        self.0.kubectl(&[&what[..], &[&patch]].concat()).map(drop)
    }
}

impl Drop for Strict<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.restore() {
            eprintln!("{error:#}");
        }
    }
}

/// Puts Cameras into the store that today's definition refuses.
async fn poison(cluster: &Cluster, api: &Api) -> Result<()> {
    let mut loose = api.get(DEFINITION).await?.context("no definition")?;
    let schema = loose
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .context("no schema")?;
    let strict = Strict(cluster, schema.clone());
    *schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    api.replace(DEFINITION, &loose).await?;
    // The API server takes a moment to change its mind.
    for (name, spec) in poisoned() {
        let object = camera(name, &spec);
        eventually_async(SOON, "the API server to take it", async || {
            api.create(CAMERAS, &object).await.ok()
        })
        .await?;
    }
    strict.restore()?;
    drop(strict);
    let refused = camera("poison-after", &json!({"source": {"rtsp": {"url": 7}}}));
    let dry = format!("{CAMERAS}?dryRun=All");
    eventually_async(SOON, "the API server to refuse it", async || {
        api.create(&dry, &refused).await.err()
    })
    .await
    .map(drop)
}

/// What a good one has as its `spec`, with pictures at this rate.
fn good(fps: u32, streams: bool) -> Value {
    let mut spec = json!({
        "source": {"test": {"width": 320, "height": 240, "fps": 5}},
        "frames": [{"name": "main", "fps": fps}],
    });
    if !streams {
        // The pod is there, and waits for a node that never comes.
        spec["pod"] = json!({"nodeSelector": {"streamhub.dev/e2e": "nowhere"}});
    }
    spec
}

/// The good ones, of which those with the lowest numbers stream.
struct Good<'a> {
    api: &'a Api,
    streaming: Vec<(Camera, CameraPod, Recording)>,
    /// What all their pods were.
    pods: BTreeMap<String, String>,
}

impl<'a> Good<'a> {
    /// Makes them, and waits until all have pods.
    async fn make(cluster: &Cluster, api: &'a Api) -> Result<Self> {
        stream::iter(0..ALL)
            .map(|number| async move {
                let object = camera(&format!("good{number}"), &good(5, number < STREAMING));
                api.create(CAMERAS, &object).await
            })
            .buffer_unordered(8)
            .try_collect::<Vec<_>>()
            .await?;
        are_counted(api, 0).await?;
        let mut streaming = Vec::new();
        for number in 0..STREAMING {
            let camera = Camera::of(cluster, "crowd", &format!("good{number}"));
            let pod = camera.is_ready_within(SOON)?;
            let recording = Recording::begin(cluster, &camera).await?;
            streaming.push((camera, pod, recording));
        }
        Ok(Self {
            api,
            streaming,
            pods: pods(api).await?,
        })
    }

    /// Makes sure that each has the pod that it had, and that those which stream go on.
    async fn go_on(&self) -> Result<()> {
        let now = pods(self.api).await?;
        let other = |(name, uid): &(&String, &String)| self.pods.get(*name) != Some(*uid);
        let other: Vec<_> = now.iter().filter(other).collect();
        ensure!(other.is_empty(), "made anew: {other:?}");
        for (camera, pod, recording) in &self.streaming {
            recording.frames_within(5, SOON).await?;
            recording.has_one_publisher_at_a_time()?;
            let now = camera.is_ready_within(SOON)?;
            ensure!(now == *pod, "{camera} has {now:?} and had {pod:?}");
        }
        Ok(())
    }

    /// Changes some that stream and some that wait, and waits until their pods were told.
    async fn take_changes(&self) -> Result<()> {
        for number in [0, STREAMING - 1, STREAMING, ALL / 2, ALL - 1] {
            let name = format!("good{number}");
            let spec = good(4, number < STREAMING);
            let path = format!("{CAMERAS}/{name}");
            self.api.set_spec(&path, &spec).await?.object()?;
            let pod = format!("{PODS}/cam-{name}");
            let what = format!("{name}'s pod to be told of its change");
            eventually_async(SOON, &what, async || {
                let pod = self.api.get(&pod).await.ok()??;
                let told = pod["metadata"]["annotations"]["streamhub.dev/camera"].as_str()?;
                let told: Value = serde_json::from_str(told).ok()?;
                (told["spec"]["frames"][0]["fps"] == 4).then_some(())
            })
            .await?;
        }
        Ok(())
    }
}

/// The uids of all camera pods by their names; an error where one is not the Camera's of its name, and that one's alone.
async fn pods(api: &Api) -> Result<BTreeMap<String, String>> {
    let items = async |list: &str| -> Result<Vec<Value>> {
        let list = api.get(list).await?.context("no list")?;
        Ok(list["items"].as_array().context("no items")?.clone())
    };
    let mut owners = BTreeMap::new();
    for camera in items(CAMERAS).await? {
        let name = format!("cam-{}", camera["metadata"]["name"].as_str().unwrap_or(""));
        owners.insert(name, camera["metadata"]["uid"].clone());
    }
    let mut pods = BTreeMap::new();
    for pod in items(PODS).await? {
        let metadata = &pod["metadata"];
        let name = metadata["name"].as_str().context("no name")?;
        let refs = metadata["ownerReferences"].as_array();
        let is_owned = refs.is_some_and(|refs| {
            let [owner] = &refs[..] else { return false };
            owner["kind"] == "Camera"
                && owner["controller"] == true
                && Some(&owner["uid"]) == owners.get(name)
        });
        ensure!(is_owned, "{name} has owners {refs:?}");
        let uid = metadata["uid"].as_str().context("no uid")?;
        pods.insert(name.to_owned(), uid.to_owned());
    }
    ensure!(pods.len() == ALL, "{} pods", pods.len());
    for number in 0..ALL {
        let name = format!("cam-good{number}");
        ensure!(pods.contains_key(&name), "no pod {name}");
    }
    Ok(pods)
}

/// Waits until the hub counts all good ones and so many that are refused.
async fn are_counted(api: &Api, refused: usize) -> Result<()> {
    let counted = eventually_async(2 * SOON, "all to be counted", async || {
        let hub = api.get(&format!("{HUBS}/default")).await.ok()??;
        let cameras = hub["status"]["cameras"].clone();
        let of = |state: &str| cameras["byState"][state].as_u64().unwrap_or(0) as usize;
        let settled = of("Streaming") == STREAMING
            && of("Pending") == ALL - STREAMING
            && of("Refused") == refused;
        (settled && cameras["ready"] == STREAMING).then_some(cameras)
    })
    .await?;
    println!("{counted}");
    Ok(())
}

/// Waits until it was said of every poisoned one what is wrong with it, one way or the other.
async fn poisoned_ones_are_told(api: &Api) -> Result<()> {
    let events = "/api/v1/namespaces/crowd/events";
    let about = format!("{events}?fieldSelector=involvedObject.name={WITHOUT_STATUS}");
    let about = eventually_async(SOON, "events about the one without a status", async || {
        let events = api.get(&about).await.ok()??["items"].clone();
        let reasons: BTreeMap<_, _> = events
            .as_array()?
            .iter()
            .filter_map(|event| Some((event["reason"].as_str()?, event["message"].clone())))
            .map(|(reason, message)| (reason.to_owned(), message))
            .collect();
        (reasons.contains_key("Invalid") && reasons.contains_key("StatusRefused"))
            .then_some(reasons)
    })
    .await?;
    println!("{WITHOUT_STATUS}: {about:#?}");
    for (name, _) in poisoned() {
        if name == WITHOUT_STATUS {
            continue;
        }
        let what = format!("{name} to be told what is wrong with it");
        let told = eventually_async(SOON, &what, async || {
            let camera = api.get(&format!("{CAMERAS}/{name}")).await.ok()??;
            let conditions = camera["status"]["conditions"].as_array()?.clone();
            let of = |kind: &str| {
                conditions
                    .iter()
                    .find(|found| found["type"] == kind)
                    .cloned()
            };
            let (accepted, stalled) = (of("Accepted")?, of("Stalled")?);
            let invalid = accepted["status"] == "False" && accepted["reason"] == "Invalid";
            (invalid && stalled["status"] == "True").then_some(accepted)
        })
        .await?;
        println!("{name}: {}", told["message"]);
    }
    Ok(())
}

// What is published is recorded while kubectl is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn poisoned_cameras_among_two_hundred_harm_no_other() -> Result<()> {
    // The definition is the whole cluster's: somebody's own is not loosened.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, "crowd")?;
    let api = Api::open(&cluster)?;
    let hub = json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "StreamHub",
        "metadata": {"name": "default"},
    });
    api.create(HUBS, &hub).await?;
    let all = Good::make(&cluster, &api).await?;

    // Nobody writes a status while the definition is loose.
    let operator = Operator::of(&cluster);
    operator.stop()?;
    poison(&cluster, &api).await?;
    operator.start()?;
    are_counted(&api, poisoned().len()).await?;
    poisoned_ones_are_told(&api).await?;

    all.go_on().await?;
    all.take_changes().await?;
    // What is asked of one that streams is seen at once.
    let mut frames =
        Frames::subscribe(&cluster, "streamhub.crowd.default.frames.good1.low").await?;
    let mut spec = good(5, true);
    spec["frames"] = json!([{"name": "main", "fps": 5}, {"name": "low", "fps": 5}]);
    api.set_spec(&format!("{CAMERAS}/good1"), &spec)
        .await?
        .object()?;
    frames.next(Duration::from_secs(10)).await?;
    all.go_on().await?;
    let late = "source: {test: {width: 320, height: 240, fps: 5}}";
    Camera::apply(&cluster, "crowd", "late", late)?.is_ready_within(SOON)?;

    let Some(resting) = Audit::from_now()? else {
        return Ok(());
    };
    tokio::time::sleep(Duration::from_secs(15)).await;
    let Some(rest) = Audit::from_now()? else {
        return Ok(());
    };
    tokio::time::sleep(Duration::from_secs(20)).await;
    let written = rest.writes_by(Operator::USER)?;
    ensure!(written.is_empty(), "written at rest: {written:#?}");
    let failed: Vec<_> = resting
        .writes_by(Operator::USER)?
        .into_iter()
        .filter(|write| write.code >= 400)
        .collect();
    ensure!(failed.is_empty(), "refused: {failed:#?}");
    // So many are a while in going, and whoever counts writes next should not see any of it.
    namespace.delete()
}
