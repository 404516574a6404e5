//! Whatever happened before, a camera ends with the pod that a fresh one would have.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use serde_json::json;

use super::build;
use super::decide::{Step, decide};
use super::memory::Memory;
use super::verdict::Verdict;
use crate::names;
use crate::samples::{camera_at, hub, key, now, observe, recipe, stored, with_status};
use crate::world::{Told, World};

const SOURCES: [&str; 8] = [
    "test: {}",
    "test: {fps: 5}",
    "rtsp: {url: 'rtsp://h/1'}",
    "rtsp: {url: 'rtsp://h/2', credentialsSecretRef: {name: a}}",
    "rtsp: {urlSecretRef: {name: a, key: url}}",
    "file: {uri: a.mp4, claimName: media}",
    "file: {uri: a.mp4}",
    "test: {}, fallbacks: [{file: {uri: b.mp4, claimName: media}}]",
];
const REST: [&str; 7] = [
    "",
    ", enabled: false",
    ", hubRef: {name: lobby}",
    ", hubRef: {name: gone}",
    ", frames: [{name: low, fps: 5, width: 640}]",
    ", pod: {nodeSelector: {room: a}, priorityClassName: high}",
    ", pod: {resources: {limits: {memory: 1Gi}}}",
];
const LOBBY: [&str; 3] = [
    "",
    "nats: {url: 'nats://lobby:4222', credentialsSecretRef: {name: login}}",
    "defaults: {frames: [{name: main, fps: 5}]}",
];

/// What happens to a cluster.
#[derive(Debug, Clone)]
enum Event {
    Camera(usize, usize),
    Lobby(usize),
    /// The pod ends by itself.
    PodEnds,
    /// Somebody deletes the pod.
    PodGoes,
    /// Somebody writes over an annotation.
    Meddling(usize),
    /// Another operator takes over, which remembers nothing; in the middle of what was under way.
    Takeover,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..SOURCES.len(), 0..REST.len()).prop_map(|(source, rest)| Event::Camera(source, rest)),
        2 => (0..LOBBY.len()).prop_map(Event::Lobby),
        1 => Just(Event::PodEnds),
        1 => Just(Event::PodGoes),
        1 => (0_usize..4).prop_map(Event::Meddling),
        1 => Just(Event::Takeover),
    ];
    prop::collection::vec(event, 1..12)
}

/// A cluster with one camera, and its operator.
struct Model {
    world: World,
    memory: Memory,
    version: u64,
    generation: i64,
    pods_made: u64,
    pod: Option<Pod>,
}

impl Model {
    fn new() -> Self {
        Self {
            world: World::default(),
            memory: Memory::default(),
            version: 1,
            generation: 0,
            pods_made: 0,
            pod: None,
        }
    }

    fn set_camera(&mut self, source: usize, rest: usize) {
        self.generation += 1;
        self.version += 1;
        let spec = format!("source: {{{}}}{}", SOURCES[source], REST[rest]);
        let camera = camera_at("door", &spec, self.generation, self.version);
        self.world.set_camera(camera, Told::Watch);
    }

    fn set_lobby(&mut self, spec: usize) {
        self.version += 1;
        let mut lobby = hub("lobby", LOBBY[spec]);
        lobby.metadata.generation = Some(self.version as i64);
        self.world.set_hub(lobby, Told::List);
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Camera(source, rest) => self.set_camera(source, rest),
            Event::Lobby(spec) => self.set_lobby(spec),
            Event::PodEnds => {
                if let Some(pod) = self.pod.clone() {
                    self.put(Some(with_status(
                        pod,
                        json!({"phase": "Failed", "reason": "Evicted"}),
                    )));
                }
            }
            Event::PodGoes => self.put(None),
            Event::Meddling(which) => {
                if let Some(mut pod) = self.pod.clone() {
                    let name = [
                        names::CAMERA,
                        names::HUB,
                        names::CONFIG_HASH,
                        names::POD_HASH,
                    ][which];
                    pod.metadata
                        .annotations
                        .as_mut()
                        .unwrap()
                        .insert(name.to_owned(), "x".to_owned());
                    self.put(Some(pod));
                }
            }
            Event::Takeover => self.memory = Memory::default(),
        }
    }

    fn put(&mut self, pod: Option<Pod>) {
        self.version += 1;
        self.pod = pod.map(|mut pod| {
            pod.metadata.resource_version = Some(self.version.to_string());
            pod
        });
        match &self.pod {
            Some(pod) => drop(self.world.set_pod(pod.clone(), Told::Watch)),
            None => drop(self.world.remove_pod(&key("door"), None)),
        }
    }

    /// One step of the operator; whether there was one.
    fn step(&mut self) -> bool {
        let observed = observe(&self.world, "door");
        let run = match &observed.verdict {
            Verdict::Run(run) => Some(run),
            Verdict::Refused(_) => None,
        };
        let wanted = run.map(|run| build::wanted(run, &recipe("1")));
        match (
            decide(
                &observed,
                wanted.as_ref(),
                &self.memory,
                Duration::from_mins(1),
                now(),
            ),
            run,
        ) {
            (Step::Create, Some(run)) => {
                self.pods_made += 1;
                let mut pod = stored(build::pod(run, &recipe("1"), self.pods_made), self.version);
                pod.metadata.uid = Some(format!("pod-{}", self.pods_made));
                self.put(Some(pod));
            }
            (Step::Patch, _) => {
                let (mut pod, wanted) = (self.pod.clone().unwrap(), wanted.unwrap());
                let merge = |old: &mut Option<BTreeMap<String, String>>,
                             new: &BTreeMap<String, String>| {
                    old.get_or_insert_default().extend(new.clone());
                };
                merge(&mut pod.metadata.labels, &wanted.labels);
                merge(&mut pod.metadata.annotations, &wanted.annotations);
                self.put(Some(pod));
            }
            (Step::Delete(_) | Step::Replace | Step::ForceDelete { .. }, _) => self.put(None),
            (Step::Keep | Step::Wait(_) | Step::Create, _) => return false,
        }
        true
    }

    fn settle(&mut self) {
        let steps = (0..10).take_while(|_| self.step()).count();
        assert!(steps < 10, "it does not come to rest");
    }

    /// The pod without what tells one pod from the next.
    fn shape(&self) -> Option<serde_json::Value> {
        let pod = self.pod.as_ref()?;
        let mut json = serde_json::to_value(pod).unwrap();
        for key in ["uid", "resourceVersion"] {
            json["metadata"][key].take();
        }
        json["metadata"]["annotations"][names::INCARNATION].take();
        let args = json["spec"]["containers"][0]["args"]
            .as_array_mut()
            .unwrap();
        args.retain(|arg| !arg.as_str().unwrap().starts_with("--incarnation="));
        // How often it was changed on its way is in the document.
        for document in [names::CAMERA, names::HUB] {
            let text = json["metadata"]["annotations"][document]
                .as_str()
                .unwrap()
                .to_owned();
            let mut read: serde_json::Value = serde_json::from_str(&text).unwrap();
            read["metadata"]["generation"].take();
            json["metadata"]["annotations"][document] = read;
        }
        json.as_object_mut().unwrap().remove("status");
        Some(json)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_way_does_not_matter(events in events(), busy in prop::collection::vec(0_usize..3, 12), source in 0..SOURCES.len(), rest in 0..REST.len(), lobby in 0..LOBBY.len()) {
        let mut long = Model::new();
        long.set_camera(0, 0);
        long.set_lobby(0);
        for (event, steps) in events.iter().zip(busy) {
            // Much happens while the operator is still busy with what was before.
            for _ in 0..steps {
                long.step();
            }
            long.happen(event);
        }
        long.set_lobby(lobby);
        long.set_camera(source, rest);
        long.settle();
        let mut fresh = Model::new();
        fresh.set_lobby(lobby);
        fresh.set_camera(source, rest);
        fresh.settle();
        // Without its hub, what ran goes on; a fresh one has nothing.
        if REST[rest].contains("gone") && long.pod.is_some() {
            return Ok(());
        }
        prop_assert_eq!(long.shape(), fresh.shape());
    }
}
