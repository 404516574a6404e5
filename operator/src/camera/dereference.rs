//! What there is about one camera.

use std::collections::BTreeMap;

use streamhub_crds::{Camera, NatsServer, StreamHub, hub_from_json};
use streamhub_plan::{CameraKey, Facts, Input, Reason, plan};

use super::verdict::{Refused, Verdict, device};
use crate::names;
use crate::world::{CameraObject, PodFacts, World};

/// What there is about one camera.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The Camera.
    pub camera: CameraObject,
    /// Whether it may run.
    pub verdict: Verdict,
    /// What has its pod's name and our labels.
    pub pod: Option<PodFacts>,
    /// How it is with the node of that pod.
    pub node: NodeState,
    /// Whether any node would take a pod in its place.
    pub elsewhere: bool,
}

/// How it is with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// Nothing is known of it, or there is none.
    Unknown,
    /// It is there and ready.
    Ready,
    /// It is not ready since then, UNIX milliseconds.
    NotReadySince(u64),
    /// It is no more.
    Gone,
}

impl Observed {
    /// Gathers it; `None` where there is no such Camera.
    pub fn of(
        world: &World,
        key: &CameraKey,
        nats: Option<&NatsServer>,
        nodes_known: bool,
    ) -> Option<Self> {
        let camera = world.camera(key)?.clone();
        let pod = world.pod(key).cloned();
        let node = pod.as_ref().and_then(|pod| pod.node.as_deref());
        let node = match node {
            Some(_) if !nodes_known => NodeState::Unknown,
            None => NodeState::Unknown,
            Some(node) => match world.node(node).map(|node| node.not_ready_since) {
                None => NodeState::Gone,
                Some(None) => NodeState::Ready,
                Some(Some(since)) => NodeState::NotReadySince(since),
            },
        };
        let verdict = verdict(world, &camera, nats);
        Some(Self {
            camera,
            verdict,
            elsewhere: pod.as_ref().is_some_and(|pod| world.has_room_for(pod)),
            pod,
            node,
        })
    }

    /// The pod where it belongs to this very Camera.
    pub fn own_pod(&self) -> Option<&PodFacts> {
        self.pod
            .as_ref()
            .filter(|pod| pod.owner.as_deref() == Some(self.camera.uid.as_str()))
    }

    /// The pod where it does not.
    pub fn foreign_pod(&self) -> Option<&PodFacts> {
        self.pod
            .as_ref()
            .filter(|pod| pod.owner.as_deref() != Some(self.camera.uid.as_str()))
    }
}

fn verdict(world: &World, camera: &CameraObject, nats: Option<&NatsServer>) -> Verdict {
    if let Err(problems) = camera.parsed.as_ref() {
        return Verdict::Refused(Refused::Invalid(problems.clone()));
    }
    let hub_key = camera.hub_key();
    if let Some(Err(problems)) = world.hub(&hub_key).map(|hub| hub.parsed.as_ref()) {
        let problems = problems.clone();
        return Verdict::Refused(Refused::HubInvalid {
            hub: hub_key,
            problems,
        });
    }
    let (mut cameras, mut hubs, mut facts) =
        (Vec::<Camera>::new(), BTreeMap::new(), BTreeMap::new());
    for key in world.rivals(&camera.key) {
        let Some(rival) = world.camera(&key) else {
            continue;
        };
        let Ok(parsed) = rival.parsed.as_ref() else {
            continue;
        };
        let hub_key = rival.hub_key();
        if let Some(Ok(hub)) = world.hub(&hub_key).map(|hub| hub.parsed.as_ref()) {
            hubs.entry(hub_key).or_insert_with(|| hub.clone());
        }
        facts.insert(key.clone(), facts_of(world, rival));
        cameras.push(parsed.clone());
    }
    let hubs: Vec<StreamHub> = hubs.into_values().collect();
    let mut plan = plan(&Input {
        cameras: &cameras,
        hubs: &hubs,
        facts: &facts,
        nats,
    });
    match (
        plan.runs.remove(&camera.key),
        plan.refused.remove(&camera.key),
    ) {
        (Some(run), _) => match device(&run) {
            Some(path) => Verdict::Refused(Refused::DeviceMissing {
                path: path.to_owned(),
            }),
            None => Verdict::Run(Box::new(run)),
        },
        (None, Some(reason)) => Verdict::Refused(Refused::Plan(reason)),
        // The plan has every camera in one of the two.
        (None, None) => Verdict::Refused(Refused::Plan(Reason::Disabled)),
    }
}

fn facts_of(world: &World, camera: &CameraObject) -> Facts {
    let pod = world.pod(&camera.key).filter(|pod| {
        pod.owner.as_deref() == Some(camera.uid.as_str())
            && !pod.is_finished()
            && pod.deleting_since.is_none()
    });
    // What the pod was told of its hub, for the case that the hub is gone.
    let hub = || {
        pod?.annotation(names::HUB)
            .and_then(|text| serde_json::from_str(text).ok())
    };
    let running = if world.hub(&camera.hub_key()).is_some() {
        None
    } else {
        hub().and_then(|hub| hub_from_json(hub).ok())
    };
    Facts {
        uid: camera.uid.clone(),
        created: camera.created,
        generation: camera.generation,
        running,
    }
}
