//! Tables of facts and what is found in them.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use streamhub_wire::status::{CameraState, CameraStatus, RenditionStatus};

use super::all;
use crate::cluster::objects::{CameraObject, HubObject, Key};
use crate::doctor::facts::{Definition, Facts, Found, NatsFact, Probe};
use crate::doctor::finding::{Finding, Severity, report};
use crate::doctor::scope::Scope;

const NOW: &str = "2026-03-01T12:00:00Z";
const LONG_AGO: &str = "2026-03-01T10:00:00Z";
const JUST_NOW: &str = "2026-03-01T11:59:55Z";

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn key(name: &str) -> Key {
    Key {
        namespace: "site".into(),
        name: name.into(),
    }
}

/// `{}` merged into an object.
fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    *object.pointer_mut(pointer).unwrap() = value;
    object
}

fn camera(status: Value) -> CameraObject {
    CameraObject::read(read(json!({
        "apiVersion": "streamhub.dev/v1alpha1",
        "kind": "Camera",
        "metadata": {
            "name": "door", "namespace": "site", "generation": 2, "creationTimestamp": LONG_AGO,
        },
        "spec": {"source": {"test": {}}, "hubRef": {"name": "default"}},
        "status": status,
    })))
}

/// What the operator writes about a camera that does not run.
fn refused(reason: &str, message: &str) -> CameraObject {
    let condition = json!({
        "type": "Accepted", "status": "False", "reason": reason, "message": message,
        "lastTransitionTime": LONG_AGO,
    });
    camera(json!({
        "observedGeneration": 2, "state": "Refused", "reason": reason, "message": message,
        "since": LONG_AGO, "conditions": [condition],
    }))
}

fn pending(reason: &str, message: &str) -> CameraObject {
    camera(json!({
        "observedGeneration": 2, "state": "Pending", "reason": reason, "message": message, "since": LONG_AGO,
    }))
}

fn streaming() -> CameraObject {
    camera(json!({
        "observedGeneration": 2, "state": "Streaming", "since": LONG_AGO, "pod": "cam-door", "node": "n1",
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Streaming", "message": "", "lastTransitionTime": LONG_AGO,
        }],
    }))
}

fn pod() -> Value {
    json!({
        "metadata": {"name": "cam-door", "namespace": "site", "creationTimestamp": LONG_AGO},
        "spec": {"nodeName": "n1", "containers": [{"name": "ingest"}]},
        "status": {"phase": "Running", "conditions": [], "containerStatuses": [{
            "name": "ingest", "image": "streamhub/ingest:1", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {}}, "lastState": {},
        }]},
    })
}

fn waiting(reason: &str) -> Value {
    let state = json!({"waiting": {"reason": reason, "message": "words of the kubelet"}});
    with(pod(), "/status/containerStatuses/0/state", state)
}

fn ended(reason: &str, at: &str) -> Value {
    json!({"terminated": {"reason": reason, "exitCode": 137, "finishedAt": at}})
}

fn operator() -> Value {
    json!({
        "metadata": {"name": "streamhub-operator", "namespace": "system"},
        "spec": {"replicas": 1, "selector": {}, "template": {"spec": {"containers": [
            {"name": "operator", "env": [{"name": "STREAMHUB_NAMESPACES", "value": ""}]}
        ]}}},
        "status": {"availableReplicas": 1},
    })
}

fn lease(holder: &str, renewed: &str) -> Value {
    json!({"metadata": {}, "spec": {
        "holderIdentity": holder, "renewTime": format!("{}.000000Z", renewed.trim_end_matches('Z')),
        "leaseDurationSeconds": 15,
    }})
}

fn node(ready: &str) -> Value {
    json!({"metadata": {"name": "n1"}, "status": {"conditions": [
        {"type": "Ready", "status": ready, "message": "kubelet stopped", "lastTransitionTime": LONG_AGO}
    ]}})
}

fn said(state: CameraState, reason: &str) -> CameraStatus {
    CameraStatus {
        state,
        reason: reason.into(),
        message: format!("message of {reason}"),
        remedy: format!("remedy of {reason}"),
        ready: state == CameraState::Streaming,
        ..CameraStatus::default()
    }
}

fn definition(found: Found) -> Definition {
    Definition {
        name: "cameras.streamhub.dev".into(),
        found: Ok(found),
    }
}

/// A cluster in which all is well.
fn well() -> Facts {
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

type Change = Box<dyn Fn(&mut Facts)>;

fn change(change: impl Fn(&mut Facts) + 'static) -> Change {
    Box::new(change)
}

fn has_pod(value: Value) -> Change {
    change(move |facts| facts.pods = Ok(vec![read(value.clone())]))
}

fn has_camera(camera: CameraObject) -> Change {
    change(move |facts| {
        facts.cameras = Ok(vec![camera.clone()]);
        facts.pods = Ok(Vec::new());
        facts.statuses.clear();
    })
}

fn says(said: CameraStatus) -> Change {
    change(move |facts| {
        facts.statuses.insert(key("door"), Ok(said.clone()));
    })
}

fn operates(pointer: &'static str, value: Value) -> Change {
    change(move |facts| {
        facts.operators = Ok(vec![read(with(operator(), pointer, value.clone()))]);
    })
}

fn leased(lease: Option<Value>) -> Change {
    change(move |facts| facts.leases = vec![Ok(lease.clone().map(read))])
}

fn nats(probe: Probe) -> Change {
    change(move |facts| facts.nats[0].probe = probe.clone())
}

fn found(change: &Change) -> Vec<Finding> {
    let mut facts = well();
    change(&mut facts);
    all(&facts)
}

#[test]
fn where_all_is_well_nothing_is_found() {
    assert_eq!(all(&well()), []);
    for fine in [
        refused("Disabled", "switched off by spec.enabled"),
        camera(json!({"observedGeneration": 2, "state": "Finished", "since": LONG_AGO})),
    ] {
        assert_eq!(found(&has_camera(fine)), []);
    }
}

#[test]
fn what_is_wrong_is_found_once_with_what_to_do() {
    use Severity::{Note, Problem};
    let secret = said(CameraState::Reconnecting, "SecretMissing");
    let mut stuck = said(CameraState::Connecting, "");
    stuck.at = 600_000;
    let mut kept = said(CameraState::Streaming, "");
    kept.config.refused = "spec.frames: no".into();
    let mut dropping = said(CameraState::Streaming, "");
    let rendition = RenditionStatus {
        published: 900,
        drops: [("slow".to_owned(), 100)].into(),
        ..RenditionStatus::default()
    };
    dropping.renditions.insert("main".into(), rendition);
    let unscheduled = json!([{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]);
    let elsewhere =
        json!([{"name": "operator", "env": [{"name": "STREAMHUB_NAMESPACES", "value": "other"}]}]);
    let older = Found::Whole {
        established: true,
        lacking: vec!["spec.pod".into()],
    };
    let table: Vec<(Change, Severity, &str, &str)> = vec![
        // The installation.
        (
            change(|it| it.server = Err("connection refused".into())),
            Problem,
            "Unreachable",
            "cluster-info",
        ),
        (
            change(|it| it.definitions = vec![definition(Found::Missing)]),
            Problem,
            "NotInstalled",
            "helm",
        ),
        (
            change(move |it| it.definitions = vec![definition(older.clone())]),
            Note,
            "Older",
            "helm",
        ),
        (
            change(|it| it.operators = Ok(Vec::new())),
            Problem,
            "NotInstalled",
            "helm",
        ),
        (
            operates("/spec/replicas", json!(0)),
            Problem,
            "ScaledToZero",
            "scale deployment streamhub-operator",
        ),
        (
            operates("/status/availableReplicas", json!(0)),
            Problem,
            "NotAvailable",
            "logs deployment/streamhub-operator",
        ),
        (leased(None), Problem, "NoLeader", "rollout restart"),
        (
            leased(Some(lease("", JUST_NOW))),
            Problem,
            "NoLeader",
            "rollout restart",
        ),
        (
            leased(Some(lease("op-1", LONG_AGO))),
            Problem,
            "NoLeader",
            "rollout restart",
        ),
        (
            change(|it| it.nodes = Ok(vec![read(node("Unknown"))])),
            Problem,
            "NodeNotReady",
            "describe node n1",
        ),
        (
            change(|it| it.nodes = Err("forbidden".into())),
            Note,
            "NotSeen",
            "account",
        ),
        // Hubs.
        (
            nats(Probe::Failed("no pod is ready".into())),
            Problem,
            "NatsUnreachable",
            "get pods",
        ),
        (
            nats(Probe::Elsewhere("an address".into())),
            Note,
            "NatsElsewhere",
            "status --url",
        ),
        (nats(Probe::Unknown), Note, "NatsUnknown", "spec.nats.url"),
        // Cameras without a pod.
        (
            has_camera(refused("HubNotFound", "no hub")),
            Problem,
            "HubNotFound",
            "get streamhubs",
        ),
        (
            has_camera(refused("Conflict", "camera a/b is older")),
            Problem,
            "Conflict",
            "creationTimestamp",
        ),
        (
            has_camera(pending("QuotaExceeded", "exceeded quota")),
            Problem,
            "QuotaExceeded",
            "resourcequota",
        ),
        (
            has_camera(pending("PodSecurity", "violates")),
            Problem,
            "PodSecurity",
            "namespace site",
        ),
        (
            has_camera(pending("NameTaken", "another pod")),
            Problem,
            "NameTaken",
            "get pod cam-door",
        ),
        (
            has_camera(camera(
                json!({"observedGeneration": 2, "state": "Pending", "since": LONG_AGO}),
            )),
            Problem,
            "Pending",
            "describe camera door",
        ),
        (
            has_camera(camera(json!(null))),
            Problem,
            "NotObserved",
            "component=operator",
        ),
        (
            has_camera(camera(
                json!({"observedGeneration": 1, "state": "Streaming"}),
            )),
            Problem,
            "NotObserved",
            "component=operator",
        ),
        // Pods.
        (
            has_pod(waiting("ImagePullBackOff")),
            Problem,
            "ImagePullBackOff",
            "imagePullSecrets",
        ),
        (
            has_pod(waiting("CrashLoopBackOff")),
            Problem,
            "CrashLoopBackOff",
            "--previous",
        ),
        (
            has_pod(waiting("CreateContainerConfigError")),
            Problem,
            "CreateContainerConfigError",
            "describe pod cam-door",
        ),
        (
            has_pod(waiting("ContainerCreating")),
            Problem,
            "ContainerCreating",
            "describe pod cam-door",
        ),
        (
            has_pod(with(
                waiting("CrashLoopBackOff"),
                "/status/containerStatuses/0/lastState",
                ended("OOMKilled", JUST_NOW),
            )),
            Problem,
            "OOMKilled",
            "limits.memory",
        ),
        (
            has_pod(with(pod(), "/status/conditions", unscheduled)),
            Problem,
            "Unschedulable",
            "describe nodes",
        ),
        (
            has_pod(with(
                with(pod(), "/status/phase", json!("Failed")),
                "/status/conditions",
                json!([]),
            )),
            Problem,
            "Failed",
            "describe pod",
        ),
        (
            has_pod(with(
                with(pod(), "/status/containerStatuses/0/restartCount", json!(3)),
                "/status/containerStatuses/0/lastState",
                ended("Error", JUST_NOW),
            )),
            Note,
            "Restarted",
            "--previous",
        ),
        // What processes say.
        (
            says(secret),
            Problem,
            "SecretMissing",
            "create secret generic",
        ),
        (
            says(said(CameraState::Streaming, "Overloaded")),
            Note,
            "Overloaded",
            "remedy of Overloaded",
        ),
        (
            says(said(CameraState::Stalled, "NatsUnauthorized")),
            Problem,
            "NatsUnauthorized",
            "streamhub default",
        ),
        (says(said(CameraState::Fenced, "")), Problem, "Fenced", ""),
        (says(stuck), Problem, "Connecting", ""),
        (says(kept), Problem, "ConfigRefused", "edit camera door"),
        (says(dropping), Note, "Drops", "lower rates"),
        (
            change(|it| {
                it.statuses.insert(key("door"), Err("forbidden".into()));
            }),
            Note,
            "NotAsked",
            "",
        ),
    ];
    for (change, severity, reason, fix) in &table {
        let findings = found(change);
        let [finding] = findings.as_slice() else {
            panic!("{reason}: {findings:#?}");
        };
        assert_eq!(
            (finding.severity, finding.reason.as_str()),
            (*severity, *reason)
        );
        assert!(finding.fix.contains(fix), "{reason}: {}", finding.fix);
        assert!(!finding.what.is_empty(), "{reason}");
    }

    let unwatched = operates("/spec/template/spec/containers", elsewhere);
    let mut facts = well();
    unwatched(&mut facts);
    facts.cameras = Ok(vec![camera(json!(null))]);
    let findings = all(&facts);
    assert!(
        findings[0].fix.contains("add site to `namespaces`"),
        "{findings:?}"
    );
}

#[test]
fn what_was_asked_for_and_is_not_there_is_a_problem() {
    let mut facts = well();
    facts.scope = Scope::Camera("gate".into());
    facts.cameras = Ok(Vec::new());
    assert_eq!(all(&facts)[0].about, "camera site/gate");
    facts.scope = Scope::Hub("roof".into());
    assert_eq!(all(&facts)[0].about, "hub site/roof");
    let stalled = json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "StreamHub", "metadata": {"name": "roof", "namespace": "site"},
        "status": {"conditions": [{
            "type": "Stalled", "status": "True", "reason": "NatsUnknown", "message": "none", "lastTransitionTime": LONG_AGO,
        }], "cameras": {}},
    });
    facts.hubs = Ok(vec![HubObject::read(read(stalled))]);
    assert_eq!(all(&facts)[0].reason, "NatsUnknown");
}

#[test]
fn recent_warnings_stand_beside_what_they_explain() {
    let event = |reason: &str, at: &str| {
        json!({
            "metadata": {}, "type": "Warning", "reason": reason, "message": "no claim", "lastTimestamp": at,
            "involvedObject": {"kind": "Pod", "namespace": "site", "name": "cam-door"},
        })
    };
    let mut facts = well();
    facts.pods = Ok(vec![read(waiting("ContainerCreating"))]);
    facts.events = Ok(vec![
        read(event("Old", LONG_AGO)),
        read(event("FailedMount", JUST_NOW)),
    ]);
    let findings = all(&facts);
    assert_eq!(findings[0].events, ["5 s ago FailedMount: no claim"]);
    let text = report(&facts.summary(), &findings, false).join("\n");
    assert!(
        text.contains("PROBLEM  camera site/door  ContainerCreating"),
        "{text}"
    );
    assert!(text.ends_with("1 problems, 0 notes"), "{text}");
}
