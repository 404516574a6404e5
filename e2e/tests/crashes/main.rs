//! The operator dies after each of its writes, and all ends as if it had lived: the same pods, the same status, and never
//! two that publish.

mod lost_node;
mod mortal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use streamhub_e2e::{
    Camera, Cluster, Faults, Installation, MadePods, Namespace, Operator, Recording, Write, until,
};

use crate::mortal::{Deaths, MOST, Program, Record};

const SOON: Duration = Duration::from_mins(2);
/// The hub of that camera, whose status counts it.
const HUB: &str =
    "{apiVersion: streamhub.dev/v1alpha1, kind: StreamHub, metadata: {name: default}, spec: {}}";
/// What a user asks for, one after the other: a camera, a change that its pod takes in, and one that takes another pod.
/// Then it is deleted.
const STEPS: [&str; 3] = [
    "source: {test: {width: 320, height: 240, fps: 5}}, frames: [{name: main, fps: 5}]",
    "source: {test: {width: 320, height: 240, fps: 5}}, frames: [{name: main, fps: 4}]",
    "source: {test: {width: 320, height: 240, fps: 5}}, frames: [{name: main, fps: 4}], \
     pod: {resources: {requests: {memory: 50Mi}}}",
];

/// What came of a Camera's life.
struct Life {
    /// What was there after each step.
    seen: Vec<Value>,
    /// How many pods were made.
    pods: usize,
    /// What the operator did.
    record: Record,
}

/// The chart with its operator stopped; it is started again when this is dropped.
struct Stage {
    program: Arc<Program>,
    namespace: Namespace,
    operator: Operator,
    _installation: Installation,
}

impl Stage {
    fn set(cluster: &Cluster, values: &[&str]) -> Result<Self> {
        let installation = Installation::install(cluster, values)?;
        let operator = Operator::of(cluster);
        let namespace = Namespace::create(cluster, "mortal")?;
        operator.stop()?;
        Ok(Self {
            program: Arc::new(Program::of(&namespace)?),
            namespace,
            operator,
            _installation: installation,
        })
    }

    /// The whole life of a Camera.
    async fn live(&self, deaths: Deaths) -> Result<Life> {
        let begin = Instant::now();
        let (cluster, namespace) = (self.namespace.cluster(), self.namespace.name());
        let mortal = self.program.run(deaths)?;
        let mut pods = MadePods::watch(cluster, namespace)?;
        let mut seen = Vec::new();
        let [first, changes @ ..] = STEPS;
        cluster.apply(namespace, HUB)?;
        let camera = Camera::apply(cluster, namespace, "door", first)?;
        let recording = Recording::begin(cluster, &camera).await?;
        seen.push(settled(cluster, &camera, &recording).await?);
        for change in changes {
            camera.change(change)?;
            seen.push(settled(cluster, &camera, &recording).await?);
        }
        let pods = pods.up_to(&camera.pod()?.uid)?.len();
        for object in ["camera/door", "streamhub/default"] {
            cluster.kubectl(&["delete", object, "-n", namespace])?;
        }
        until(SOON, || {
            let left = cluster.kubectl(&[
                "get",
                "pods,cameras,streamhubs.streamhub.dev",
                "-n",
                namespace,
                "-o=name",
            ])?;
            ensure!(left.is_empty(), "left: {left}");
            Ok(())
        })?;
        recording.has_one_publisher_at_a_time()?;
        let record = mortal.end()?;
        println!(
            "{deaths:?}: {} writes, {} deaths, {pods} pods, {:.0?}",
            record.writes.len(),
            record.deaths,
            begin.elapsed()
        );
        Ok(Life { seen, pods, record })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.operator.start() {
            eprintln!("{error:#}");
        }
    }
}

/// Waits until a Camera is as it should be and publishes; its pod and its status, without what is different each time.
async fn settled(cluster: &Cluster, camera: &Camera, recording: &Recording) -> Result<Value> {
    let pod = camera.is_ready_within(SOON)?;
    recording.frames_within(2, SOON).await?;
    let get = |kind: &str, name: &str| cluster.get(&[kind, name, "-n", camera.namespace()]);
    let object = get("camera", camera.name())?;
    let mut made = get("pod", &camera.pod_name())?;
    let part = |object: &Value, pointer: &str| object.pointer(pointer).cloned();
    if let Some(spec) = made.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.remove("nodeName");
    }
    // A digest of what follows, in which the Camera's uid is.
    if let Some(all) = made.pointer_mut("/metadata/annotations") {
        all.as_object_mut()
            .and_then(|all| all.remove("streamhub.dev/pod-hash"));
    }
    let hub = until(SOON, || {
        let hub = get("streamhubs.streamhub.dev", "default")?;
        let cameras = part(&hub, "/status/cameras");
        let right = json!({"total": 1, "ready": 1, "byState": {"Streaming": 1}});
        ensure!(cameras == Some(right), "{hub:#}");
        Ok(hub)
    })?;
    let conditions = |object: &Value| -> Vec<_> {
        let all = part(object, "/status/conditions").unwrap_or_default();
        let all = all.as_array().into_iter().flatten();
        all.map(|condition| {
            ["type", "status", "reason", "observedGeneration"]
                .map(|field| condition.get(field).cloned())
        })
        .collect()
    };
    let all = json!({
        "labels": part(&made, "/metadata/labels"),
        "annotations": part(&made, "/metadata/annotations"),
        "owners": part(&made, "/metadata/ownerReferences"),
        "pod": part(&made, "/spec"),
        "state": part(&object, "/status/state"),
        "reason": part(&object, "/status/reason"),
        "conditions": conditions(&object),
        "hub": conditions(&hub),
    });
    let uid = |object| -> Result<_> {
        let uid = part(object, "/metadata/uid").context("no uid")?;
        Ok(uid.as_str().context("no uid")?.to_owned())
    };
    let text = all
        .to_string()
        .replace(&uid(&object)?, "UID")
        .replace(&uid(&hub)?, "HUB")
        .replace(&pod.incarnation.to_string(), "INCARNATION");
    Ok(serde_json::from_str(&text)?)
}

fn same(undisturbed: &Life, now: &Life) -> Result<()> {
    for (step, (before, after)) in undisturbed.seen.iter().zip(&now.seen).enumerate() {
        ensure!(
            before == after,
            "after step {step}: {after:#}\ninstead of {before:#}"
        );
    }
    ensure!(
        undisturbed.pods == now.pods,
        "{} pods instead of {}: {:#?}",
        now.pods,
        undisturbed.pods,
        now.record.writes
    );
    now.record.did("create", "pods", undisturbed.pods)?;
    let deleted = undisturbed.record.count("delete", "pods");
    now.record.did("delete", "pods", deleted)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_dies_after_each_write_gets_there_all_the_same() -> Result<()> {
    // The process is in the network of our own cluster.
    if Faults::here().is_none() {
        return Ok(());
    }
    let stage = Stage::set(&Cluster::here()?, &[])?;
    let undisturbed = stage.live(Deaths::Never).await?;
    ensure!(
        undisturbed.record.count("patch", "streamhubs/status") > 0,
        "{:#?}",
        undisturbed.record.writes
    );
    let disturbed = stage.live(Deaths::AfterEach).await?;
    // After each death it looks at everything anew, so it has more to die of than an undisturbed one.
    // Events apart: who has just begun has none to repeat.
    let writes = undisturbed.record.writes.iter();
    let writes: Vec<&Write> = writes.filter(|write| write.resource != "events").collect();
    let deaths = disturbed.record.deaths;
    ensure!(
        (writes.len()..MOST).contains(&deaths),
        "it died {deaths} times, of {} writes: {writes:#?}",
        writes.len()
    );
    for Write { verb, resource, .. } in writes {
        ensure!(
            disturbed.record.died_of(verb, resource),
            "it did not die of {verb} {resource}: {:#?}",
            disturbed.record.writes
        );
    }
    same(&undisturbed, &disturbed)
}

/// One death in each life, after its first write, its second and so on, until there are no more.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "five minutes"]
async fn one_death_after_any_write_changes_nothing() -> Result<()> {
    if Faults::here().is_none() {
        return Ok(());
    }
    let stage = Stage::set(&Cluster::here()?, &[])?;
    let undisturbed = stage.live(Deaths::Never).await?;
    for number in 1.. {
        let disturbed = stage.live(Deaths::After(number)).await?;
        same(&undisturbed, &disturbed).with_context(|| format!("a death after write {number}"))?;
        if disturbed.record.deaths == 0 {
            break;
        }
    }
    Ok(())
}
