//! What there is about one camera.

use std::collections::BTreeMap;

use streamhub_crds::{Camera, NatsServer, PodSettings, StreamHub, hub_from_json};
use streamhub_plan::{CameraKey, Device, Facts, Input, Reason, can_do_without, plan};

use super::device::{Found, Trouble, find};
use super::verdict::{Refused, Verdict};
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
    /// Whether any other node would take a pod in its place.
    pub elsewhere: bool,
    /// The device of a camera that means one.
    pub device: Option<Result<Found, Trouble>>,
}

/// What of the cluster is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The NATS server of hubs that name none.
    pub nats: Option<&'a NatsServer>,
    /// What a Camera's `spec.pod` does not say.
    pub pods: &'a PodSettings,
    /// Nodes.
    pub nodes: Known,
    /// Capture devices.
    pub devices: Known,
}

/// How much is known of the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// They are not looked at.
    Never,
    /// They have not been listed yet.
    NotYet,
    /// All there is.
    All,
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
    pub fn of(world: &World, key: &CameraKey, scope: &Scope) -> Option<Self> {
        let camera = world.camera(key)?.clone();
        let pod = world.pod(key).cloned();
        let node = pod.as_ref().and_then(|pod| pod.node.as_deref());
        let node = match node {
            Some(_) if scope.nodes != Known::All => NodeState::Unknown,
            None => NodeState::Unknown,
            Some(node) => match world.node(node).map(|node| node.not_ready_since) {
                None => NodeState::Gone,
                Some(None) => NodeState::Ready,
                Some(Some(since)) => NodeState::NotReadySince(since),
            },
        };
        let (verdict, device) = verdict(world, &camera, scope);
        let elsewhere = pod.as_ref().is_some_and(|pod| match &verdict {
            Verdict::Run(run) => match &run.device {
                Some(device) => pod.node.as_ref() != Some(&device.node),
                None => world.has_room_for(pod),
            },
            // A device is where it is.
            Verdict::Refused(Refused::Device(_)) => false,
            Verdict::Refused(_) => world.has_room_for(pod),
        });
        Some(Self {
            camera,
            verdict,
            pod,
            node,
            elsewhere,
            device,
        })
    }

    /// The device that it has, or could have.
    pub fn found(&self) -> Option<&Found> {
        self.device.as_ref()?.as_ref().ok()
    }

    /// Why a camera that runs all the same does so without the device that it means.
    pub fn without(&self) -> Option<&Trouble> {
        match (&self.verdict, self.device.as_ref()?) {
            (Verdict::Run(run), Err(trouble)) if run.device.is_none() => Some(trouble),
            (Verdict::Run(run), Ok(found)) if run.device.is_none() => found.busy.as_ref(),
            _ => None,
        }
    }

    /// Why no other pod could take the place of the one that runs.
    pub fn doubt(&self) -> Option<&Trouble> {
        self.found()?.doubt.as_ref()
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

/// Whether it may run, and the device that it means, where it means one.
fn verdict(
    world: &World,
    camera: &CameraObject,
    scope: &Scope,
) -> (Verdict, Option<Result<Found, Trouble>>) {
    if let Err(problems) = camera.parsed.as_ref() {
        return (Verdict::Refused(Refused::Invalid(problems.clone())), None);
    }
    let hub_key = camera.hub_key();
    if let Some(Err(problems)) = world.hub(&hub_key).map(|hub| hub.parsed.as_ref()) {
        let problems = problems.clone();
        let refused = Refused::HubInvalid {
            hub: hub_key,
            problems,
        };
        return (Verdict::Refused(refused), None);
    }
    let (mut cameras, mut hubs) = (Vec::<Camera>::new(), BTreeMap::new());
    let (mut facts, mut devices, mut ours) = (BTreeMap::new(), BTreeMap::new(), None);
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
        let device = find(world, rival, parsed, own_pod(world, rival), scope);
        if let Some(Ok(found)) = &device {
            devices.insert(key.clone(), found.device.clone());
        }
        if key == camera.key {
            ours = device;
        }
        cameras.push(parsed.clone());
    }
    let hubs: Vec<StreamHub> = hubs.into_values().collect();
    let decided = |devices: &BTreeMap<CameraKey, Device>| {
        let mut plan = plan(&Input {
            cameras: &cameras,
            hubs: &hubs,
            facts: &facts,
            nats: scope.nats,
            devices: Some(devices),
        });
        let run = plan.runs.remove(&camera.key);
        (run, plan.refused.remove(&camera.key))
    };
    let without = camera.parsed.as_ref().as_ref().is_ok_and(can_do_without);
    let (mut run, mut reason) = decided(&devices);
    // Until whoever has its device lets go of it, it shows what else it has.
    let busy = matches!(&ours, Some(Ok(found)) if found.busy.is_some());
    if without && busy && run.is_some() {
        devices.remove(&camera.key);
        (run, reason) = decided(&devices);
    }
    let verdict = match (run, reason, &ours) {
        (_, Some(Reason::NoDevice), Some(Err(trouble))) => refused_for(trouble),
        (_, Some(reason), _) => Verdict::Refused(Refused::Plan(reason)),
        // Who is older waits until the younger one has let go.
        (Some(run), _, Some(Ok(found))) => match &found.busy {
            Some(busy) if !without => refused_for(busy),
            _ => Verdict::Run(Box::new(run)),
        },
        // Whether the pod that runs has the right device will be known soon.
        (Some(_), _, Some(Err(trouble @ Trouble::NotListed)))
            if own_pod(world, camera).is_some() =>
        {
            refused_for(trouble)
        }
        (Some(run), ..) => Verdict::Run(Box::new(run)),
        // The plan has every camera in one of the two.
        (None, None, _) => Verdict::Refused(Refused::Plan(Reason::Disabled)),
    };
    (verdict, ours)
}

fn refused_for(trouble: &Trouble) -> Verdict {
    Verdict::Refused(Refused::Device(Box::new(trouble.clone())))
}

fn own_pod<'a>(world: &'a World, camera: &CameraObject) -> Option<&'a PodFacts> {
    let pod = world.pod(&camera.key);
    pod.filter(|pod| pod.owner.as_deref() == Some(camera.uid.as_str()))
}

fn facts_of(world: &World, camera: &CameraObject) -> Facts {
    let pod =
        own_pod(world, camera).filter(|pod| !pod.is_finished() && pod.deleting_since.is_none());
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
        devices: Vec::new(),
    }
}
