//! Objects as an API server would give them, for tests.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use streamhub_crds::{NatsServer, PodSettings};
use streamhub_plan::{CameraKey, Run};
use streamhub_wire::status::CameraStatus as Said;

use crate::camera::decide::Now;
use crate::camera::dereference::{Known, Scope};
use crate::camera::memory::{Memory, Reading};
use crate::camera::verdict::Verdict;
use crate::camera::{Observed, build};
use crate::settings::PodRecipe;
use crate::world::{Told, World};

pub const NAMESPACE: &str = "default";
/// A moment in 2026, UNIX milliseconds.
pub const MILLIS: u64 = 1_795_000_000_000;

pub fn now() -> Now {
    Now {
        instant: Instant::now(),
        millis: MILLIS,
    }
}

pub fn key(name: &str) -> CameraKey {
    CameraKey {
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
    }
}

/// A Camera by its name and its specification in YAML.
pub fn camera(name: &str, spec: &str) -> DynamicObject {
    camera_at(name, spec, 1, 1)
}

/// The same, of a generation and a version.
pub fn camera_at(name: &str, spec: &str, generation: i64, version: u64) -> DynamicObject {
    custom("Camera", name, spec, generation, version)
}

pub fn hub(name: &str, spec: &str) -> DynamicObject {
    custom("StreamHub", name, spec, 1, 1)
}

fn custom(kind: &str, name: &str, spec: &str, generation: i64, version: u64) -> DynamicObject {
    let file = std::path::Path::new("sample");
    let text = format!(
        "{{apiVersion: streamhub.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}"
    );
    // The loader completes what an API server would.
    let documents = streamhub_crds::parse(&text, file).into_result().unwrap();
    let object = match (documents.cameras.first(), documents.hubs.first()) {
        (Some(camera), _) => serde_json::to_value(&camera.object).unwrap(),
        (_, Some(hub)) => serde_json::to_value(&hub.object).unwrap(),
        _ => panic!("neither a Camera nor a StreamHub"),
    };
    raw(object, generation, version)
}

/// An object with what an API server adds to it.
pub fn raw(mut object: Value, generation: i64, version: u64) -> DynamicObject {
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    object["metadata"] = json!({
        "name": name,
        "namespace": NAMESPACE,
        "uid": format!("uid-{name}"),
        "generation": generation,
        "resourceVersion": version.to_string(),
        "creationTimestamp": "2026-11-21T00:00:00Z",
    });
    serde_json::from_value(object).unwrap()
}

pub fn recipe(release: &str) -> PodRecipe {
    PodRecipe {
        release: release.to_owned(),
        image: format!("ingest:{release}"),
        pull_policy: "IfNotPresent",
        pull_secrets: Vec::new(),
        defaults: PodSettings::default(),
        listen: "0.0.0.0",
    }
}

pub fn nats() -> NatsServer {
    NatsServer {
        url: Some("nats://nats.streamhub.svc:4222".parse().unwrap()),
        ..NatsServer::default()
    }
}

pub fn observe(world: &World, name: &str) -> Observed {
    let scope = Scope {
        nats: Some(&nats()),
        pods: &PodSettings::default(),
        nodes: Known::All,
        devices: Known::All,
    };
    Observed::of(world, &key(name), &scope).unwrap()
}

pub fn run_of(observed: &Observed) -> &Run {
    match &observed.verdict {
        Verdict::Run(run) => run,
        Verdict::Refused(refused) => panic!("refused: {refused}"),
    }
}

/// What should run of a camera alone.
pub fn run(spec: &str) -> Run {
    let mut world = World::default();
    world.set_camera(camera("door", spec), Told::Watch);
    run_of(&observe(&world, "door")).clone()
}

/// The pod of a camera as an API server would give it.
pub fn pod_of(world: &World, name: &str, release: &str) -> Pod {
    stored(
        build::pod(run_of(&observe(world, name)), &recipe(release), 1),
        1,
    )
}

/// A pod with what an API server adds to it.
pub fn stored(mut pod: Pod, version: u64) -> Pod {
    let name = pod.metadata.name.clone().unwrap();
    pod.metadata.uid = Some(format!("uid-{name}"));
    pod.metadata.resource_version = Some(version.to_string());
    pod
}

/// A pod with a status.
pub fn with_status(mut pod: Pod, status: Value) -> Pod {
    pod.status = Some(serde_json::from_value(status).unwrap());
    pod
}

pub fn running(pod: Pod, ready: bool) -> Pod {
    let ready = if ready { "True" } else { "False" };
    let status = json!({
        "phase": "Running",
        "podIP": "10.1.1.1",
        "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-21T00:00:00Z"}],
        "containerStatuses": [{
            "name": "ingest", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-11-21T00:00:00Z"}},
        }],
    });
    with_status(pod, status)
}

pub fn on_node(mut pod: Pod, node: &str) -> Pod {
    pod.spec.as_mut().unwrap().node_name = Some(node.to_owned());
    pod
}

/// What a pod said when it was asked just now, or how often it was asked in vain.
pub fn reading(uid: &str, said: Result<Said, u32>) -> Reading {
    let failed = said.as_ref().err().copied().unwrap_or_default();
    Reading {
        uid: uid.to_owned(),
        asked: Instant::now(),
        said: said.ok().map(Arc::new),
        failed,
        slow: false,
        error: String::new(),
        ready: None,
        asked_since_flip: 1,
    }
}

/// What is remembered of the camera `door`, whose pod said so.
pub fn heard(said: Result<Said, u32>) -> Memory {
    Memory {
        reading: Some(reading("uid-cam-door", said)),
        ..Memory::default()
    }
}

/// A camera that means the device with this serial number.
pub const V4L2: &str = "source: {v4l2: {deviceSelector: {serial: A1B2}}}";

/// A device of a node with a serial number, as its agent reports it, with changes of its status.
pub fn device(node: &str, serial: &str, changes: Value) -> DynamicObject {
    let id = serial.to_lowercase();
    let name = format!("{node}-{id}");
    let mut status = json!({
        "node": node, "bootID": "boot-1", "state": "Free", "resource": format!("streamhub.dev/cam-{id}"),
        "devicePath": "/dev/video0", "card": "Webcam", "driver": "uvcvideo", "gid": 44,
        "registeredAt": "2026-11-01T00:00:00Z",
        "identity": {"bus": "usb", "vendor": "046d", "product": "0825", "serial": serial, "usbPath": "1-1:1.0",
            "path": "usb-1-1:1.0", "index": 0},
    });
    if let Value::Object(changes) = changes {
        status.as_object_mut().unwrap().extend(changes);
    }
    serde_json::from_value(json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "VideoDevice",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "1"},
        "spec": {}, "status": status,
    }))
    .unwrap()
}

/// A node whose kubelet can give these devices to pods, by their serial numbers.
pub fn node_with(name: &str, serials: &[&str]) -> Node {
    let mut node = node(name, None);
    let status = node.status.as_mut().unwrap();
    status.node_info = Some(k8s_openapi::api::core::v1::NodeSystemInfo {
        boot_id: "boot-1".to_owned(),
        ..Default::default()
    });
    let one = |serial: &&str| {
        let name = format!("streamhub.dev/cam-{}", serial.to_lowercase());
        (name, Quantity("1".to_owned()))
    };
    status.allocatable = Some(serials.iter().map(one).collect());
    node
}

/// A node that is not ready since so many seconds before [`MILLIS`], or ready.
pub fn node(name: &str, not_ready_for: Option<u64>) -> Node {
    let at = k8s_openapi::jiff::Timestamp::from_millisecond(
        (MILLIS - not_ready_for.unwrap_or(0) * 1000) as i64,
    )
    .unwrap();
    let status = if not_ready_for.is_some() {
        "Unknown"
    } else {
        "True"
    };
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": at.to_string()}]},
    }))
    .unwrap()
}
