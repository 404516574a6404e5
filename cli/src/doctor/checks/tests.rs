//! Tables of facts and what is found in them.

mod fixtures;

use serde_json::json;
use streamhub_testkit::repository;
use streamhub_wire::status::{CameraState, RenditionStatus};

use self::fixtures::*;
use super::all;
use crate::cluster::objects::HubObject;
use crate::doctor::facts::{Found, Probe};
use crate::doctor::finding::{Finding, Severity, report};
use crate::doctor::scope::Scope;

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
        // It was looked at, and runs what it had before.
        camera(
            json!({"observedGeneration": 1, "state": "Streaming", "since": LONG_AGO, "conditions": [
                {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 2,
                    "lastTransitionTime": LONG_AGO},
            ]}),
        ),
    ] {
        assert_eq!(found(&has_camera(fine)), []);
    }
}

/// What is changed, and what is found then: how bad, in a word, and part of what to do.
type Case = (Change, Severity, &'static str, &'static str);

fn problem(change: Change, reason: &'static str, fix: &'static str) -> Case {
    (change, Severity::Problem, reason, fix)
}

fn note(change: Change, reason: &'static str, fix: &'static str) -> Case {
    (change, Severity::Note, reason, fix)
}

/// One thing is found in each case, and it says what to do.
fn examine(cases: &[Case]) {
    for (change, severity, reason, fix) in cases {
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
}

#[test]
fn what_is_wrong_with_the_installation_is_found_once_with_what_to_do() {
    let older = definition(Found::Whole {
        established: true,
        lacking: vec!["spec.pod".into()],
    });
    let none = definition(Found::Missing);
    let lost = || read(node("Unknown"));
    let silent = Err("connection refused".to_owned());
    let failed = Probe::Failed("no pod is ready".into());
    examine(&[
        problem(
            change(move |it| it.server = silent.clone()),
            "Unreachable",
            "cluster-info",
        ),
        problem(
            change(move |it| it.definitions = vec![none.clone()]),
            "NotInstalled",
            "helm",
        ),
        note(
            change(move |it| it.definitions = vec![older.clone()]),
            "Older",
            "helm",
        ),
        problem(
            change(|it| it.operators = Ok(Vec::new())),
            "NotInstalled",
            "helm",
        ),
        problem(
            operates("/spec/replicas", json!(0)),
            "ScaledToZero",
            "scale deployment streamhub-operator",
        ),
        problem(
            operates("/status/availableReplicas", json!(0)),
            "NotAvailable",
            "logs deployment/",
        ),
        problem(leased(None), "NoLeader", "rollout restart"),
        problem(
            leased(Some(lease("", JUST_NOW))),
            "NoLeader",
            "rollout restart",
        ),
        problem(
            leased(Some(lease("op-1", LONG_AGO))),
            "NoLeader",
            "rollout restart",
        ),
        problem(
            change(move |it| it.nodes = Ok(vec![lost()])),
            "NodeNotReady",
            "describe node n1",
        ),
        note(
            change(|it| it.nodes = Err("forbidden".into())),
            "NotSeen",
            "account",
        ),
        problem(nats(failed), "NatsUnreachable", "get pods"),
        note(
            nats(Probe::Elsewhere("an address".into())),
            "NatsElsewhere",
            "status --url",
        ),
        note(nats(Probe::Unknown), "NatsUnknown", "spec.nats.url"),
    ]);
}

#[test]
fn why_a_camera_has_no_pod_is_found_once_with_what_to_do() {
    let forgotten = json!({"observedGeneration": 2, "state": "Pending", "since": LONG_AGO});
    let unobserved = json!({"observedGeneration": 1, "state": "Streaming"});
    let refused = |reason, message| has_camera(fixtures::refused(reason, message));
    let pending = |reason, message| has_camera(fixtures::pending(reason, message));
    examine(&[
        problem(
            refused("HubNotFound", "no hub"),
            "HubNotFound",
            "get streamhubs",
        ),
        problem(
            refused("Conflict", "camera a/b is older"),
            "Conflict",
            "creationTimestamp",
        ),
        problem(
            pending("QuotaExceeded", "exceeded quota"),
            "QuotaExceeded",
            "resourcequota",
        ),
        problem(
            pending("PodSecurity", "violates"),
            "PodSecurity",
            "namespace site",
        ),
        problem(
            pending("NameTaken", "another pod"),
            "NameTaken",
            "get pod cam-door",
        ),
        problem(
            has_camera(camera(forgotten)),
            "Pending",
            "describe camera door",
        ),
        problem(
            has_camera(camera(json!(null))),
            "NotObserved",
            "component=operator",
        ),
        problem(
            has_camera(camera(unobserved)),
            "NotObserved",
            "component=operator",
        ),
    ]);

    let elsewhere =
        json!([{"name": "operator", "env": [{"name": "STREAMHUB_NAMESPACES", "value": "other"}]}]);
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
fn an_old_camera_is_not_unseen_the_moment_it_is_edited() {
    let edited = |at: &str, subresource: Option<&str>| {
        let mut camera = camera(json!({
            "observedGeneration": 1, "state": "Streaming", "since": LONG_AGO, "pod": "cam-door",
        }));
        camera.object.metadata.managed_fields = Some(read(json!([
            {"manager": "kubectl-create", "operation": "Update", "time": LONG_AGO},
            {"manager": "kubectl-edit", "operation": "Update", "time": at, "subresource": subresource},
        ])));
        found(&change(move |facts| {
            facts.cameras = Ok(vec![camera.clone()]);
        }))
    };
    assert_eq!(edited(JUST_NOW, None), []);
    for findings in [edited(LONG_AGO, None), edited(JUST_NOW, Some("status"))] {
        assert_eq!(findings[0].reason, "NotObserved", "{findings:?}");
    }
}

#[test]
fn a_camera_whose_status_is_refused_is_not_said_to_be_unseen() {
    let event = |reason: &str, at: &str| {
        read(json!({
            "metadata": {}, "type": "Warning", "reason": reason, "message": format!("message of {reason}"),
            "lastTimestamp": at, "involvedObject": {"kind": "Camera", "namespace": "site", "name": "door"},
        }))
    };
    let warned = |events: &[(&str, &str)]| {
        let mut camera = camera(json!({"observedGeneration": 1, "state": "Streaming"}));
        camera.object.metadata.managed_fields = Some(read(json!([
            {"manager": "kubectl-edit", "operation": "Update", "time": EARLIER},
        ])));
        let mut facts = well();
        facts.cameras = Ok(vec![camera]);
        facts.events = Ok(events
            .iter()
            .map(|(reason, at)| event(reason, at))
            .collect());
        let findings = all(&facts);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings[0].clone()
    };
    let invalid = warned(&[("StatusRefused", JUST_NOW), ("Invalid", JUST_NOW)]);
    assert_eq!(
        (invalid.reason.as_str(), invalid.what.as_str()),
        ("Invalid", "message of Invalid")
    );
    assert_eq!(invalid.events.len(), 2, "{invalid:?}");
    let refused = warned(&[("StatusRefused", JUST_NOW)]);
    assert_eq!(refused.reason, "StatusRefused");
    assert!(refused.fix.contains("edit camera door"), "{refused:?}");
    // What was said of it before it was edited is of no use, and the operator may have ended since.
    assert_eq!(warned(&[("Invalid", BEFORE)]).reason, "NotObserved");
    assert_eq!(warned(&[("Unreachable", JUST_NOW)]).events.len(), 1);
}

#[test]
fn what_is_wrong_with_a_pod_is_found_once_with_what_to_do() {
    let last = |pod, ended| with(pod, "/status/containerStatuses/0/lastState", ended);
    let crashed = waiting("CrashLoopBackOff");
    let unscheduled = json!([{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]);
    let restarted = with(pod(), "/status/containerStatuses/0/restartCount", json!(3));
    let failed = with(pod(), "/status/phase", json!("Failed"));
    let describe = "describe pod cam-door";
    let configured = "CreateContainerConfigError";
    examine(&[
        problem(
            has_pod(waiting("ImagePullBackOff")),
            "ImagePullBackOff",
            "imagePullSecrets",
        ),
        problem(has_pod(crashed.clone()), "CrashLoopBackOff", "--previous"),
        problem(
            has_pod(last(crashed, ended("OOMKilled", JUST_NOW))),
            "OOMKilled",
            "limits.memory",
        ),
        problem(has_pod(waiting(configured)), configured, describe),
        problem(
            has_pod(waiting("ContainerCreating")),
            "ContainerCreating",
            describe,
        ),
        problem(
            has_pod(with(pod(), "/status/conditions", unscheduled)),
            "Unschedulable",
            "describe nodes",
        ),
        problem(has_pod(failed), "Failed", describe),
        note(
            has_pod(last(restarted, ended("Error", JUST_NOW))),
            "Restarted",
            "--previous",
        ),
    ]);
}

#[test]
fn what_a_process_says_is_found_once_with_what_to_do() {
    let secret = said(CameraState::Reconnecting, "SecretMissing");
    let denied = said(CameraState::Stalled, "NatsUnauthorized");
    let overloaded = said(CameraState::Streaming, "Overloaded");
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
    let silent = change(|it| {
        it.statuses.insert(key("door"), Err("forbidden".into()));
    });
    examine(&[
        problem(says(secret), "SecretMissing", "create secret generic"),
        note(says(overloaded), "Overloaded", "remedy of Overloaded"),
        problem(says(denied), "NatsUnauthorized", "hub default"),
        problem(says(said(CameraState::Fenced, "")), "Fenced", ""),
        problem(says(stuck), "Connecting", ""),
        problem(says(kept), "ConfigRefused", "edit camera door"),
        note(says(dropping.clone()), "Drops", "lower rates"),
        note(silent, "NotAsked", ""),
    ]);
    let why = &found(&says(dropping))[0].why;
    let page = why
        .split_whitespace()
        .find(|word| word.starts_with("docs/"));
    let page = std::fs::read_to_string(repository().join(page.unwrap())).unwrap();
    assert!(page.contains("| `overtaken` |"), "{why}");
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
