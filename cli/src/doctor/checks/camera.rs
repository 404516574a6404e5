//! One camera after the other.

use streamhub_wire::status::{CameraState, CameraStatus};

use super::{advice, pod};
use crate::cluster::objects::{CameraObject, Key};
use crate::cluster::{names, setting};
use crate::doctor::facts::{Facts, length};
use crate::doctor::finding::{Finding, Severity};

/// The operator looks at a new Camera in this time.
const NOTICED: i64 = 30;
/// A camera that is well delivers in this time.
const DELIVERS: i64 = 120;
/// What the operator warns of where the API server takes no status of a Camera; the first says more.
const UNWRITTEN: [&str; 2] = ["Invalid", "StatusRefused"];

/// Looks at them.
pub fn check(facts: &Facts) -> Vec<Finding> {
    let Ok(cameras) = &facts.cameras else {
        return Vec::new();
    };
    if let (Some(name), []) = (facts.scope.camera(), cameras.as_slice()) {
        let namespace = facts.namespace.as_deref().unwrap_or_default();
        let about = format!("camera {namespace}/{name}");
        return vec![
            Finding::problem(about, "NotFound", "there is no such Camera")
                .fix("kubectl get cameras -A"),
        ];
    }
    cameras
        .iter()
        .flat_map(|camera| one(facts, camera))
        .collect()
}

fn one(facts: &Facts, camera: &CameraObject) -> Vec<Finding> {
    let key = &camera.key;
    let about = format!("camera {key}");
    if let Some(mut finding) = unattended(facts, camera, &about) {
        finding.events = facts.warnings("Camera", key);
        return vec![finding];
    }
    let written = camera.status.clone().unwrap_or_default();
    let reason = written.reason.as_deref().unwrap_or_default();
    if reason == "Disabled" {
        return Vec::new();
    }
    let pod_key = Key {
        namespace: key.namespace.clone(),
        name: names::pod(&key.name),
    };
    // Another's pod of that name is none of this camera's troubles but one.
    let own = facts.pod(&pod_key).filter(|_| reason != "NameTaken");
    let mut findings =
        Vec::from_iter(own.and_then(|pod| pod::findings(pod, &pod_key, &about, facts)));
    let refused = camera
        .condition("Accepted")
        .is_some_and(|it| it.status == "False");
    let pod_is_ill = findings.iter().any(|it| it.severity == Severity::Problem);
    let said = facts.statuses.get(key);
    match said {
        Some(Ok(said)) if !refused && !pod_is_ill => {
            findings.extend(of_process(&about, said, |reason| {
                advice::of(reason, key, &camera.hub)
            }));
        }
        _ if pod_is_ill => {}
        _ => findings.extend(of_operator(facts, camera, &about)),
    }
    if let (Some(Err(why)), false) = (said, pod_is_ill) {
        findings.push(Finding::note(&about, "NotAsked", why).because(
            "its pod could not be asked from here, so this is what the operator says of it",
        ));
    }
    for finding in &mut findings {
        let camera_events = facts.warnings("Camera", key);
        let room = 3_usize.saturating_sub(finding.events.len());
        finding.events.extend(camera_events.into_iter().take(room));
    }
    findings
}

/// The operator has not looked at it.
fn unattended(facts: &Facts, camera: &CameraObject, about: &str) -> Option<Finding> {
    let metadata = &camera.object.metadata;
    let namespace = &camera.key.namespace;
    // What was looked at may not run yet: some of it is older then.
    let observed = camera.status.as_ref().and_then(|status| {
        let conditions = status.conditions.iter();
        let conditions = conditions.filter_map(|condition| condition.observed_generation);
        conditions.chain(status.observed_generation).max()
    });
    if let Some(deleted) = &metadata.deletion_timestamp {
        let late = facts.age(deleted.0);
        let holders = metadata.finalizers.clone().unwrap_or_default().join(", ");
        return (late > NOTICED).then(|| {
            Finding::problem(about, "Terminating", format!("deleted {} ago, and held by {holders}", length(late)))
                .because("Stream Hub puts no finalizers on Cameras; another controller must take its own away")
                .fix(format!("kubectl -n {namespace} get camera {} -o yaml", camera.key.name))
        });
    }
    // A write of the status is no change that the operator would have to look at.
    let fields = metadata.managed_fields.iter().flatten();
    let written = fields.filter(|it| it.subresource.is_none());
    let newest = written.filter_map(|it| it.time.as_ref()).max();
    let age = newest
        .or(metadata.creation_timestamp.as_ref())
        .map_or(0, |written| facts.age(written.0));
    let what = match observed {
        None if age > NOTICED => {
            format!("made {} ago, and no operator has looked at it", length(age))
        }
        Some(observed)
            if metadata.generation.is_some_and(|newest| newest > observed) && age > NOTICED =>
        {
            "its newest change has not been looked at by the operator".to_owned()
        }
        _ => return None,
    };
    let elsewhere = facts.operators.as_ref().is_ok_and(|operators| {
        let watched = operators
            .iter()
            .map(|it| setting(it, "STREAMHUB_NAMESPACES"));
        let mut watched = watched.map(|listed| {
            listed.is_none_or(|listed| listed.split(',').any(|name| name.trim() == namespace))
        });
        !operators.is_empty() && !watched.any(|watched| watched)
    });
    // It was looked at, and what the operator has to say finds no place in a status that the API server refuses.
    let since = newest.or(metadata.creation_timestamp.as_ref());
    let told = facts.warned(
        "Camera",
        &camera.key,
        since.map(|since| since.0),
        &UNWRITTEN,
    );
    if let Some((reason, message)) = told {
        let advice = advice::of(reason, &camera.key, &camera.hub);
        return Some(
            Finding::problem(about, reason, message)
                .because(advice.why)
                .fix(advice.fix),
        );
    }
    let finding = Finding::problem(about, "NotObserved", what);
    Some(if elsewhere {
        finding
            .because(format!(
                "the operator looks after other namespaces than {namespace}"
            ))
            .fix(format!("add {namespace} to `namespaces` of the chart"))
    } else {
        finding
            .because("the operator does not run, has no rights here, or is far behind")
            .fix("kubectl get pods,leases -A -l app.kubernetes.io/component=operator")
    })
}

/// What the operator says of it.
fn of_operator(facts: &Facts, camera: &CameraObject, about: &str) -> Option<Finding> {
    let status = camera.status.as_ref()?;
    let state = status.state.as_deref().unwrap_or("Pending");
    let reason = status.reason.as_deref().unwrap_or_default();
    let message = status.message.as_deref().unwrap_or_default();
    let describe = format!(
        "kubectl -n {} describe camera {}",
        camera.key.namespace, camera.key.name
    );
    if reason.is_empty() {
        let since = status.since.as_ref().and_then(|since| since.parse().ok());
        let age = since.map_or(0, |since| facts.age(since));
        let waits = matches!(
            state,
            "Pending" | "Starting" | "Connecting" | "Reconnecting" | "Unknown"
        );
        return (waits && age > DELIVERS).then(|| {
            Finding::problem(about, state, format!("it is {state} for {}", length(age)))
                .fix(describe)
        });
    }
    let advice = advice::of(reason, &camera.key, &camera.hub);
    let ready = camera
        .condition("Ready")
        .is_some_and(|it| it.status == "True");
    let finding = if ready || is_fine(state) {
        Finding::note(about, reason, message)
    } else {
        Finding::problem(about, reason, message)
    };
    let fix = if advice.fix.is_empty() {
        describe
    } else {
        advice.fix
    };
    Some(finding.because(advice.why).fix(fix))
}

/// What its process says of it.
pub fn of_process(
    about: &str,
    said: &CameraStatus,
    advice: impl Fn(&str) -> advice::Advice,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !said.reason.is_empty() {
        let finding = if said.ready || is_fine(said.state.as_str()) {
            Finding::note(about, &said.reason, &said.message)
        } else {
            Finding::problem(about, &said.reason, &said.message)
        };
        let advice = advice(&said.reason);
        let fixes = [said.remedy.as_str(), advice.fix.as_str()];
        let fixes: Vec<&str> = fixes.into_iter().filter(|fix| !fix.is_empty()).collect();
        findings.push(finding.because(advice.why).fix(fixes.join("; ")));
    } else if matches!(said.state, CameraState::Fenced | CameraState::SubjectInUse) {
        let state = said.state.as_str();
        let advice = advice(state);
        findings.push(
            Finding::problem(about, state, &said.message)
                .because(advice.why)
                .fix(advice.fix),
        );
    } else if !said.ready && !is_fine(said.state.as_str()) {
        let age = said.at.saturating_sub(said.since) as i64 / 1000;
        if age > DELIVERS {
            let what = format!("it is {} for {}", said.state, length(age));
            findings.push(Finding::problem(about, said.state.as_str(), what));
        }
    }
    if !said.config.refused.is_empty() && said.reason != "ConfigRefused" {
        let advice = advice("ConfigRefused");
        findings.push(
            Finding::problem(about, "ConfigRefused", &said.config.refused)
                .because(advice.why)
                .fix(advice.fix),
        );
    }
    findings.extend(drops(about, said));
    findings
}

fn drops(about: &str, said: &CameraStatus) -> Vec<Finding> {
    let renditions = said.renditions.iter().filter_map(|(name, rendition)| {
        let dropped: u64 = rendition.drops.values().sum();
        let due = rendition.published + dropped;
        // A twentieth of what was due, once there is enough to tell.
        if due < 200 || dropped * 20 < due {
            return None;
        }
        let (reason, most) = rendition.drops.iter().max_by_key(|(_, number)| **number)?;
        let what = format!("rendition {name}: {dropped} of {due} frames were dropped, {most} of them for `{reason}`");
        Some(
            Finding::note(about, "Drops", what)
                .because("counted since its process started; docs/reference/nats.md says what each reason means")
                .fix("lower rates or sizes, more CPU, or a faster network to NATS"),
        )
    });
    renditions.collect()
}

fn is_fine(state: &str) -> bool {
    matches!(state, "Disabled" | "Finished" | "Stopped")
}
