//! A cluster in which all is well, and what may go wrong in it.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use streamhub_wire::status::{CameraState, CameraStatus};

use crate::cluster::objects::{CameraObject, Key};
use crate::doctor::facts::{Definition, Facts, Found, NatsFact, Probe};
use crate::doctor::scope::Scope;

pub const NOW: &str = "2026-03-01T12:00:00Z";
pub const LONG_AGO: &str = "2026-03-01T10:00:00Z";
pub const BEFORE: &str = "2026-03-01T11:49:00Z";
pub const EARLIER: &str = "2026-03-01T11:50:00Z";
pub const JUST_NOW: &str = "2026-03-01T11:59:55Z";

pub fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub fn key(name: &str) -> Key {
    Key {
        namespace: "site".into(),
        name: name.into(),
    }
}

/// `{}` merged into an object.
pub fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).unwrap() = value;
    object
}

pub fn camera(status: Value) -> CameraObject {
    let object = json!({
        "apiVersion": "streamhub.dev/v1alpha1",
        "kind": "Camera",
        "metadata": {
            "name": "door", "namespace": "site", "generation": 2, "creationTimestamp": LONG_AGO,
        },
        "spec": {"source": {"test": {}}, "hubRef": {"name": "default"}},
        "status": null,
    });
    CameraObject::read(read(with(object, "/status", status)))
}

/// What the operator writes about a camera that does not run.
pub fn refused(reason: &str, message: &str) -> CameraObject {
    let condition = json!({
        "type": "Accepted", "status": "False", "reason": reason, "message": message,
        "lastTransitionTime": LONG_AGO,
    });
    camera(json!({
        "observedGeneration": 2, "state": "Refused", "reason": reason, "message": message,
        "since": LONG_AGO, "conditions": [condition],
    }))
}

pub fn pending(reason: &str, message: &str) -> CameraObject {
    camera(json!({
        "observedGeneration": 2, "state": "Pending", "reason": reason, "message": message, "since": LONG_AGO,
    }))
}

pub fn streaming() -> CameraObject {
    camera(json!({
        "observedGeneration": 2, "state": "Streaming", "since": LONG_AGO, "pod": "cam-door", "node": "n1",
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Streaming", "message": "", "lastTransitionTime": LONG_AGO,
        }],
    }))
}

pub fn pod() -> Value {
    json!({
        "metadata": {"name": "cam-door", "namespace": "site", "creationTimestamp": LONG_AGO},
        "spec": {"nodeName": "n1", "containers": [{"name": "ingest"}]},
        "status": {"phase": "Running", "conditions": [], "containerStatuses": [{
            "name": "ingest", "image": "streamhub/ingest:1", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {}}, "lastState": {},
        }]},
    })
}

pub fn waiting(reason: &str) -> Value {
    let state = json!({"waiting": {"reason": reason, "message": "words of the kubelet"}});
    with(pod(), "/status/containerStatuses/0/state", state)
}

pub fn ended(reason: &str, at: &str) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": 137, "finishedAt": at}})
}

pub fn operator() -> Value {
    json!({
        "metadata": {"name": "streamhub-operator", "namespace": "system"},
        "spec": {"replicas": 1, "selector": {}, "template": {"spec": {"containers": [
            {"name": "operator", "env": [{"name": "STREAMHUB_NAMESPACES", "value": ""}]}
        ]}}},
        "status": {"availableReplicas": 1},
    })
}

pub fn lease(holder: &str, renewed: &str) -> Value {
    json!({"metadata": {}, "spec": {
        "holderIdentity": holder, "renewTime": format!("{}.000000Z", renewed.trim_end_matches('Z')),
        "leaseDurationSeconds": 15,
    }})
}

pub fn node(ready: &str) -> Value {
    json!({"metadata": {"name": "n1"}, "status": {"conditions": [
        {"type": "Ready", "status": ready, "message": "kubelet stopped", "lastTransitionTime": LONG_AGO}
    ]}})
}

pub fn said(state: CameraState, reason: &str) -> CameraStatus {
    CameraStatus {
        state,
        reason: reason.into(),
        message: format!("message of {reason}"),
        remedy: format!("remedy of {reason}"),
        ready: state == CameraState::Streaming,
        ..CameraStatus::default()
    }
}

pub fn definition(found: Found) -> Definition {
    Definition {
        name: "cameras.streamhub.dev".into(),
        found: Ok(found),
    }
}

/// A cluster in which all is well.
pub fn well() -> Facts {
    let whole = Found::Whole {
        established: true,
        lacking: Vec::new(),
    };
    Facts {
        scope: Scope::All,
        context: "lab".into(),
        namespace: Some("site".into()),
        now: NOW.parse::<Timestamp>().unwrap(),
        server: Ok("v1.33.0".into()),
        definitions: vec![definition(whole)],
        operators: Ok(vec![read(operator())]),
        leases: vec![Ok(Some(read(lease("op-1", JUST_NOW))))],
        system_pods: Ok(Vec::new()),
        cameras: Ok(vec![streaming()]),
        hubs: Ok(Vec::new()),
        pods: Ok(vec![read(pod())]),
        nodes: Ok(vec![read(node("True"))]),
        events: Ok(Vec::new()),
        statuses: BTreeMap::from([(key("door"), Ok(said(CameraState::Streaming, "")))]),
        nats: vec![NatsFact {
            url: Some("nats://n.system.svc:4222".into()),
            hubs: vec![key("default")],
            probe: Probe::Answered {
                version: "2.15.1".into(),
            },
        }],
    }
}

pub type Change = Box<dyn Fn(&mut Facts)>;

pub fn change(change: impl Fn(&mut Facts) + 'static) -> Change {
    Box::new(change)
}

pub fn has_pod(value: Value) -> Change {
    change(move |facts| facts.pods = Ok(vec![read(value.clone())]))
}

pub fn has_camera(camera: CameraObject) -> Change {
    change(move |facts| {
        facts.cameras = Ok(vec![camera.clone()]);
        facts.pods = Ok(Vec::new());
        facts.statuses.clear();
    })
}

pub fn says(said: CameraStatus) -> Change {
    change(move |facts| {
        facts.statuses.insert(key("door"), Ok(said.clone()));
    })
}

pub fn operates(pointer: &'static str, value: Value) -> Change {
    change(move |facts| {
        facts.operators = Ok(vec![read(with(operator(), pointer, value.clone()))]);
    })
}

pub fn leased(lease: Option<Value>) -> Change {
    change(move |facts| facts.leases = vec![Ok(lease.clone().map(read))])
}

pub fn nats(probe: Probe) -> Change {
    change(move |facts| facts.nats[0].probe = probe.clone())
}
