//! From a picture to the status of a Camera. A function: the same picture over its own result changes nothing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use streamhub_crds::{CameraStatus, SourceFacts};

use super::dereference::Observed;
use super::memory::{Memory, Reading};
use super::picture::Picture;
use crate::conditions::{Conditions, time};
use crate::names;
use crate::world::CameraObject;

/// The status that a Camera should have; `runs` says whether its pod runs what the Camera says now.
pub fn status(
    observed: &Observed,
    memory: &Memory,
    picture: &Picture,
    runs: bool,
    now_ms: u64,
) -> CameraStatus {
    let camera = &observed.camera;
    let old = &camera.status;
    let pod = observed.own_pod();
    let reason = some(&picture.reason);
    let same = old.state.as_deref() == Some(picture.state) && old.reason == reason;
    let shown = if runs {
        camera.generation
    } else {
        generation_before(camera)
    };
    CameraStatus {
        // What can't be accepted will not run: who waits for it need not.
        observed_generation: Some(if picture.not_accepted.is_some() {
            camera.generation
        } else {
            shown
        }),
        conditions: conditions(observed, picture, shown, now_ms),
        state: Some(picture.state.to_owned()),
        reason,
        message: some(&picture.message),
        since: if same && old.since.is_some() {
            old.since.clone()
        } else {
            Some(time(now_ms).0.to_string())
        },
        node: pod.and_then(|pod| pod.node.clone()),
        pod: pod.map(|_| names::pod(&camera.key.name)),
        incarnation: old.incarnation,
        source: source(observed, memory.reading.as_ref()),
    }
}

/// Whether the same is said of another generation.
pub fn same_but_for_generations(old: &CameraStatus, new: &CameraStatus) -> bool {
    let mut new = new.clone();
    new.observed_generation = old.observed_generation;
    for (new, old) in new.conditions.iter_mut().zip(&old.conditions) {
        new.observed_generation = old.observed_generation;
    }
    new == *old
}

/// The generation that was last known to run.
fn generation_before(camera: &CameraObject) -> i64 {
    let mut conditions = camera.status.conditions.iter();
    let ready = conditions.find(|condition| condition.type_ == "Ready");
    let before = ready.and_then(|ready| ready.observed_generation);
    before
        .or(camera.status.observed_generation)
        .unwrap_or_default()
        .min(camera.generation)
}

/// `shown` is the generation of which the pod shows how it is; `kubectl wait` does not take a condition of an older one for
/// an answer.
fn conditions(observed: &Observed, picture: &Picture, shown: i64, now_ms: u64) -> Vec<Condition> {
    let camera = &observed.camera;
    let mut all = Conditions::after(&camera.status.conditions, camera.generation, now_ms);
    match &picture.not_accepted {
        Some((reason, message)) => all.add("Accepted", false, reason, message),
        None => all.add("Accepted", true, "Accepted", ""),
    }
    if let Some((ready, reason, message)) = &picture.device {
        all.add("DeviceReady", *ready, reason, message);
    }
    all.generation = shown;
    let why = if picture.reason.is_empty() {
        picture.state
    } else {
        picture.reason.as_str()
    };
    all.add("Ready", picture.ready, why, &picture.message);
    if picture.stalled {
        all.add("Stalled", true, why, &picture.message);
    }
    all.all
}

/// What is known of the source; what a pod found out stays until another one finds out something else.
fn source(observed: &Observed, reading: Option<&Reading>) -> SourceFacts {
    let old = &observed.camera.status.source;
    let kind = match observed.camera.parsed.as_ref() {
        Ok(camera) => Some(camera.source_kind().as_str().to_owned()),
        Err(_) => old.kind.clone(),
    };
    let uid = observed.own_pod().map(|pod| pod.uid.as_str());
    let said = reading
        .filter(|reading| Some(reading.uid.as_str()) == uid)
        .and_then(|reading| reading.said.as_ref());
    let Some(said) = said else {
        return if old.kind == kind && uid.is_some() {
            old.clone()
        } else {
            SourceFacts {
                kind,
                ..SourceFacts::default()
            }
        };
    };
    let number = |number: u32| (number > 0).then_some(number);
    SourceFacts {
        kind,
        address: some(&said.source.url),
        codec: some(&said.source.codec),
        width: number(said.source.width),
        height: number(said.source.height),
        fps: rate(said.source.fps, old.fps.as_deref()),
    }
}

/// A measured rate as it is shown; one that was shown stays while it is near enough.
fn rate(measured: f64, shown: Option<&str>) -> Option<String> {
    if measured <= 0.0 {
        return None;
    }
    let near = |shown: &&str| {
        shown
            .parse::<f64>()
            .is_ok_and(|shown| (measured - shown).abs() <= shown * 0.08)
    };
    if let Some(shown) = shown.filter(near) {
        return Some(shown.to_owned());
    }
    Some(if measured >= 9.5 {
        format!("{measured:.0}")
    } else {
        format!("{measured:.1}")
    })
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
