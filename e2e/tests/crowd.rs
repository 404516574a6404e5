//! Among two hundred Cameras some whose stored form is not valid harm none of the others.
#![allow(clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use streamhub_e2e::{Api, Audit, Cluster, Faults, Frames, Installation, Namespace, Operator};
use streamhub_testkit::eventually_async;

const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/cameras.streamhub.dev";
const SOON: Duration = Duration::from_mins(1);
/// Pods of this many are real; so many would be too much for a test machine.
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
async fn poison(cluster: &Cluster, api: &Api, list: &str) -> Result<()> {
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
            api.create(list, &object).await.ok()
        })
        .await?;
    }
    strict.restore()?;
    drop(strict);
    let refused = camera("poison-after", &json!({"source": {"rtsp": {"url": 7}}}));
    let dry = format!("{list}?dryRun=All");
    eventually_async(SOON, "the API server to refuse it", async || {
        api.create(&dry, &refused).await.err()
    })
    .await
    .map(drop)
}

#[tokio::test]
async fn poisoned_cameras_among_two_hundred_harm_no_other() -> Result<()> {
    // The definition is the whole cluster's: somebody's own is not loosened.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let _namespace = Namespace::create(&cluster, "crowd")?;
    let api = Api::open(&cluster)?;
    let list = "/apis/streamhub.dev/v1alpha1/namespaces/crowd/cameras";
    // Nobody writes a status while the definition is loose.
    let operator = Operator::of(&cluster);
    operator.stop()?;
    poison(&cluster, &api, list).await?;
    operator.start()?;

    let hub = json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "StreamHub",
        "metadata": {"name": "default"},
    });
    let hubs = "/apis/streamhub.dev/v1alpha1/namespaces/crowd/streamhubs";
    api.create(hubs, &hub).await?;
    let calm = json!({"test": {"width": 320, "height": 240, "fps": 5}});
    stream::iter(0..ALL)
        .map(|number| {
            let spec = json!({"source": calm, "enabled": number < STREAMING});
            let object = camera(&format!("good{number}"), &spec);
            let api = &api;
            async move { api.create(list, &object).await }
        })
        .buffer_unordered(8)
        .try_collect::<Vec<_>>()
        .await?;

    let counted = eventually_async(SOON, "all to be counted", async || {
        let hub = api.get(&format!("{hubs}/default")).await.ok()??;
        let cameras = hub["status"]["cameras"].clone();
        let of = |state: &str| cameras["byState"][state].as_u64().unwrap_or(0) as usize;
        let settled = of("Disabled") == ALL - STREAMING && of("Refused") == poisoned().len();
        (settled && cameras["ready"] == STREAMING).then_some(cameras)
    })
    .await?;
    println!("{counted}");
    let events = "/api/v1/namespaces/crowd/events?limit=500";
    let about = eventually_async(SOON, "events about the one without a status", async || {
        let events = api.get(events).await.ok()??["items"].clone();
        let of_it = |event: &&Value| event["involvedObject"]["name"] == WITHOUT_STATUS;
        let reasons = events.as_array()?.iter().filter(of_it);
        let reasons: BTreeMap<_, _> = reasons
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
            let camera = api.get(&format!("{list}/{name}")).await.ok()??;
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

    // Others go on, and what is asked of them happens at once.
    let mut frames =
        Frames::subscribe(&cluster, "streamhub.crowd.default.frames.good0.low").await?;
    let spec = json!({"source": calm, "frames": [{"name": "low", "fps": 5}]});
    api.set_spec(&format!("{list}/good0"), &spec)
        .await?
        .object()?;
    frames.next(Duration::from_secs(10)).await?;

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
    Ok(())
}
