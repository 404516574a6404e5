//! The operator dies at, or is troubled by, each of its writes, and ends where it would have ended without.

mod edits;
mod pods;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::core::DynamicObject;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::controller::Cameras;
use super::memory::{Memories, lock};
use super::rollout::Rollout;
use crate::budget::Budget;
use crate::client::Clients;
use crate::context::Context;
use crate::events::Events;
use crate::fake_api::{FakeApi, Fault, place};
use crate::hub::Budgets;
use crate::metrics::{Metrics, QueueMetrics};
use crate::names;
use crate::queue::{Queue, Work as _};
use crate::samples::{NAMESPACE, camera, key, nats, recipe};
use crate::settings::Settings;
use crate::world::{Told, World};

/// What a user does, one after the other; each time the operator comes to rest.
const LIFE: [&str; 6] = [
    "source: {test: {}}",
    "source: {test: {fps: 5}}",
    "source: {file: {uri: /a.mp4}}",
    "enabled: false, source: {file: {uri: /a.mp4}}",
    "source: {file: {uri: /a.mp4}}",
    "source: {file: {uri: /b.mp4}}, frames: [{name: low, width: 640}]",
];

struct Cluster {
    api: FakeApi,
    operator: Arc<Context>,
    /// Whether one operator lives through all that goes wrong, or another takes over each time.
    one: bool,
}

impl Cluster {
    fn new(fault: Option<(usize, Fault)>) -> Self {
        let api = FakeApi::default();
        api.with(|store| store.fault = fault);
        let operator = operator(&api);
        Self {
            api,
            operator,
            one: false,
        }
    }

    /// A user applies a specification.
    fn apply(&self, spec: &str) {
        self.apply_raw(camera("door", spec).data["spec"].clone());
    }

    /// As stored under an older definition, perhaps.
    fn apply_raw(&self, spec: Value) {
        let place = place("cameras", NAMESPACE, "door");
        self.api.with(|store| {
            if let Some(mut known) = store.objects.get(&place).cloned() {
                let generation = known["metadata"]["generation"].as_i64().unwrap();
                known["metadata"]["generation"] = (generation + 1).into();
                known["spec"] = spec;
                store.replace(place, known);
            } else {
                let object = json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "Camera",
                    "metadata": {"name": "door"}, "spec": spec});
                store.put(place, object);
            }
        });
    }

    /// The kubelet runs what is there and removes what has to go; whether it had to do anything.
    fn kubelet(&self) -> bool {
        let place = place("pods", NAMESPACE, "cam-door");
        self.api.with(|store| {
            let Some(mut pod) = store.objects.get(&place).cloned() else {
                return false;
            };
            if !pod["metadata"]["deletionTimestamp"].is_null() {
                store.objects.remove(&place);
                return true;
            }
            if !pod["status"].is_null() {
                return false;
            }
            pod["status"] = json!({"phase": "Running", "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T00:00:00Z"}]});
            store.replace(place, pod);
            true
        })
    }

    /// The watches tell what there is.
    fn tell(&self) {
        self.tell_of(&["cameras", "pods"]);
    }

    /// Some of them do.
    fn tell_of(&self, kinds: &[&str]) {
        let mut objects = self.api.with(|store| store.objects.clone());
        objects.retain(|place, _| kinds.contains(&place.0));
        let mut world = lock(&self.operator.world);
        let mut has_pod = false;
        for (place, object) in objects {
            if place.0 == "pods" {
                has_pod = true;
                let pod: Pod = serde_json::from_value(object).unwrap();
                world.set_pod(pod, Told::List);
            } else {
                let object: DynamicObject = serde_json::from_value(object).unwrap();
                world.set_camera(object, Told::List);
            }
        }
        if !has_pod && kinds.contains(&"pods") {
            world.remove_pod(&key("door"), None);
        }
    }

    /// Until nothing is left to do; an operator that died is started again.
    async fn settle(&mut self) {
        for _ in 0..40 {
            self.tell();
            let before = self.api.with(|store| store.writes.len());
            let next = Cameras(Arc::clone(&self.operator)).work(key("door")).await;
            let crashed = self.api.with(|store| std::mem::take(&mut store.crashed));
            let busy = self.kubelet();
            if !crashed && next.is_some() && self.one {
                self.time_goes_by();
                continue;
            }
            if crashed || next.is_some() {
                // A new one has all of its patience yet, and waits for nothing that went wrong before.
                self.operator = operator(&self.api);
                continue;
            }
            if !busy && self.api.with(|store| store.writes.len()) == before {
                return;
            }
        }
        panic!(
            "it does not come to rest: {:?}",
            self.api.with(|store| store.writes.clone())
        );
    }

    /// So long that nothing has to be waited for any more.
    fn time_goes_by(&self) {
        let memory = self.operator.memories.of(&key("door"));
        let mut memory = lock(&memory);
        memory.not_before = None;
        memory.budget = Budget::default();
    }

    /// Somebody takes the pod away.
    async fn lose_the_pod(&mut self) {
        let place = place("pods", NAMESPACE, "cam-door");
        self.api.with(|store| store.objects.remove(&place)).unwrap();
        self.settle().await;
    }

    async fn live(&mut self) {
        for spec in LIFE {
            self.apply(spec);
            self.settle().await;
        }
    }

    /// Where it ended, without times and numbers of starts.
    fn end(&self) -> Value {
        let (camera, pod) = self.api.with(|store| {
            let get = |kind, name| {
                store
                    .objects
                    .get(&place(kind, NAMESPACE, name))
                    .cloned()
                    .unwrap_or_default()
            };
            (get("cameras", "door"), get("pods", "cam-door"))
        });
        let mut status = camera["status"].clone();
        for field in ["since", "incarnation"] {
            status[field].take();
        }
        for condition in status["conditions"].as_array_mut().unwrap() {
            condition["lastTransitionTime"].take();
        }
        let mut annotations = pod["metadata"]["annotations"].clone();
        annotations[names::INCARNATION].take();
        let mut spec = pod["spec"].clone();
        let args = spec.pointer_mut("/containers/0/args");
        if let Some(args) = args.and_then(Value::as_array_mut) {
            args.retain(|arg| !arg.as_str().unwrap().starts_with("--incarnation="));
        }
        json!({"status": status, "annotations": annotations, "labels": pod["metadata"]["labels"], "spec": spec})
    }
}

pub(crate) fn operator(api: &FakeApi) -> Arc<Context> {
    let client = api.client();
    let (events, _) = Events::new(client.clone(), "me");
    let queue = || Queue::new(1, QueueMetrics::default()).asker();
    Arc::new(Context {
        clients: Clients {
            requests: client.clone(),
            watches: client.clone(),
            lease: client,
        },
        settings: Settings {
            namespaces: Vec::new(),
            pods: recipe("1"),
            nats: Some(nats()),
            node_lost_after: Duration::from_mins(1),
            watch_nodes: false,
            watch_devices: true,
            listen: ([127, 0, 0, 1], 0).into(),
            identity: "me".to_owned(),
            lease: ("lease".to_owned(), None),
        },
        world: Mutex::new(World::default()),
        memories: Memories::default(),
        hub_budgets: Budgets::default(),
        rollout: Mutex::new(Rollout::default()),
        metrics: Arc::new(Metrics::default()),
        events,
        cameras: queue(),
        hubs: Queue::new(1, QueueMetrics::default()).asker(),
        readings: queue(),
        retries: queue(),
        nodes_known: AtomicBool::new(false),
        devices_known: AtomicBool::new(true),
    })
}

#[tokio::test]
async fn whatever_happens_to_a_write_the_end_is_the_same() {
    let mut clean = Cluster::new(None);
    clean.live().await;
    let writes = clean.api.with(|store| store.writes.len());
    assert!(
        writes > 12,
        "it does little: {:?}",
        clean.api.with(|store| store.writes.clone())
    );
    // With each, whether one operator lives through it.
    let faults = [
        (Fault::CrashAfter, false),
        (Fault::CrashBefore, false),
        (Fault::NoAnswer, false),
        (Fault::NoAnswer, true),
        (Fault::Answered(409), true),
        (Fault::Taken, true),
        (Fault::Answered(429), false),
        (Fault::Answered(500), true),
    ];
    for (fault, one) in faults {
        for at in 0..writes {
            let mut cluster = Cluster::new(Some((at, fault)));
            cluster.one = one;
            cluster.live().await;
            cluster.lose_the_pod().await;
            assert_eq!(cluster.end(), clean.end(), "{fault:?} at write {at}");
            let incarnations = cluster.api.with(|store| store.incarnations.clone());
            assert!(
                incarnations.is_sorted_by(|a, b| a < b),
                "{fault:?} at write {at}: {incarnations:?}"
            );
        }
    }
}

#[tokio::test]
async fn two_operators_at_once_end_where_one_does() {
    let mut clean = Cluster::new(None);
    clean.live().await;
    for seed in 0..48 {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut cluster = Cluster::new(None);
        for spec in LIFE {
            cluster.apply(spec);
            let other = operator(&cluster.api);
            for _ in 0..dice.random_range(0..6) {
                // What one knows may be older than what the other has done.
                cluster.tell();
                if dice.random_bool(0.5) {
                    std::mem::swap(
                        &mut *lock(&other.world),
                        &mut *lock(&cluster.operator.world),
                    );
                }
                let ours = Cameras(Arc::clone(&cluster.operator)).work(key("door"));
                let theirs = Cameras(Arc::clone(&other)).work(key("door"));
                tokio::join!(ours, theirs);
                if dice.random_bool(0.5) {
                    cluster.kubelet();
                }
            }
        }
        cluster.settle().await;
        assert_eq!(cluster.end(), clean.end(), "seed {seed}");
        let incarnations = cluster.api.with(|store| store.incarnations.clone());
        assert!(
            incarnations.is_sorted_by(|a, b| a < b),
            "seed {seed}: {incarnations:?}"
        );
    }
}

#[tokio::test]
async fn at_rest_nothing_is_written_by_old_and_new_operators() {
    let mut cluster = Cluster::new(None);
    cluster.live().await;
    let before = cluster.api.with(|store| store.writes.clone());
    for _ in 0..3 {
        cluster.operator = operator(&cluster.api);
        cluster.settle().await;
    }
    assert_eq!(cluster.api.with(|store| store.writes.clone()), before);
}

#[tokio::test]
async fn what_only_a_rule_refuses_is_named_and_never_made() {
    let spec = json!({"source": {"file": {"uri": "https://h/a.mp4", "claimName": "media"}}});
    let mut cluster = Cluster::new(None);
    cluster.apply_raw(spec.clone());
    cluster.settle().await;
    let status = cluster.end()["status"].clone();
    assert_eq!(status["state"], "Refused");
    let message = status["message"].as_str().unwrap();
    assert!(
        message.starts_with("spec.source.file.claimName: "),
        "{message}"
    );
    assert!(
        cluster.api.with(|store| store.incarnations.is_empty()),
        "no pod was made"
    );

    let mut cluster = Cluster::new(None);
    cluster.apply("source: {test: {}}");
    cluster.settle().await;
    let pod = cluster.end()["annotations"].clone();
    cluster.apply_raw(spec);
    cluster.settle().await;
    assert_eq!(
        cluster.end()["annotations"],
        pod,
        "what runs goes on as it was"
    );
    assert_eq!(cluster.end()["status"]["reason"], "Invalid");
}

#[tokio::test]
async fn a_status_that_is_refused_is_asked_for_once() {
    let mut cluster = Cluster::new(None);
    cluster.apply_raw(json!({"source": {"rtsp": {"url": 7}}}));
    cluster.api.with(|store| store.no_statuses = Some((422, 0)));
    for _ in 0..5 {
        cluster.tell();
        let work = Cameras(Arc::clone(&cluster.operator)).work(key("door"));
        let next = work.await.expect("it is tried again");
        assert!(next > Duration::from_mins(10), "{next:?}");
    }
    let asked = cluster.api.with(|store| store.no_statuses.take());
    assert_eq!(asked, Some((422, 1)));
    cluster.apply("source: {test: {}}");
    cluster.settle().await;
    assert_eq!(cluster.end()["status"]["reason"], Value::Null, "mended");
}

#[tokio::test]
async fn who_mends_a_camera_need_not_wait_for_the_pod_that_was_refused() {
    let cluster = Cluster::new(Some((1, Fault::Answered(403))));
    let look = || Cameras(Arc::clone(&cluster.operator)).work(key("door"));
    let pods = || cluster.api.with(|store| store.incarnations.len());
    cluster.apply("source: {test: {}}, pod: {priorityClassName: none}");
    cluster.tell();
    assert!(look().await.is_some(), "it is tried again");
    for _ in 0..3 {
        cluster.tell();
        look().await;
    }
    assert_eq!(pods(), 0, "not at once");
    cluster.apply("source: {test: {}}");
    cluster.tell();
    look().await;
    assert_eq!(pods(), 1);
}

#[tokio::test]
async fn a_server_that_makes_no_pods_is_told_of_and_not_written_to_without_end() {
    let mut cluster = Cluster::new(None);
    cluster.api.with(|store| store.no_pods = Some(500));
    cluster.apply("source: {test: {}}");
    for _ in 0..12 {
        cluster.tell();
        let work = Cameras(Arc::clone(&cluster.operator)).work(key("door"));
        assert!(work.await.is_some(), "it is tried again");
    }
    let (status, writes) = (
        cluster.end()["status"].clone(),
        cluster.api.with(|store| store.writes.len()),
    );
    assert_eq!(status["reason"], "ApiServerError", "{status}");
    let message = status["message"].as_str().unwrap();
    assert!(message.starts_with("make the pod: "), "{message}");
    assert!(writes <= 3, "{writes}");
    cluster.api.with(|store| store.no_pods = None);
    cluster.operator = operator(&cluster.api);
    cluster.settle().await;
    assert_eq!(cluster.end()["status"]["reason"], Value::Null);
}
