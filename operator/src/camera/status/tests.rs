use streamhub_wire::status::CameraStatus as Said;

use crate::camera::decide::Step;
use crate::camera::picture::picture;
use crate::samples::{MILLIS, camera, heard, observe, pod_of, running};
use crate::world::{Told, World};

use super::*;

fn observed(status: CameraStatus) -> Observed {
    let mut world = World::default();
    world.set_camera(camera("door", "source: {test: {}}"), Told::Watch);
    let pod = running(pod_of(&world, "door", "1"), true);
    world.set_pod(pod, Told::Watch);
    let mut observed = observe(&world, "door");
    observed.camera.status = status;
    observed
}

fn said(fps: f64) -> Memory {
    let mut said = Said {
        state: streamhub_wire::status::CameraState::Streaming,
        ..Said::default()
    };
    said.source.codec = "H264".to_owned();
    said.source.fps = fps;
    heard(Ok(said))
}

fn next(old: CameraStatus, memory: &Memory, millis: u64) -> CameraStatus {
    let observed = observed(old);
    let picture = picture(&observed, memory, &Step::Keep);
    status(&observed, memory, &picture, true, millis)
}

#[test]
fn the_same_again_writes_nothing_however_late() {
    let first = next(CameraStatus::default(), &said(25.0), MILLIS);
    let kinds: Vec<&str> = first
        .conditions
        .iter()
        .map(|condition| condition.type_.as_str())
        .collect();
    assert_eq!(kinds, ["Accepted", "Ready"]);
    assert_eq!(first.since.as_deref(), Some("2026-11-18T11:06:40Z"));
    assert_eq!(next(first.clone(), &said(25.4), MILLIS + 3_600_000), first);
    // As it comes back from an API server.
    let stored = serde_json::from_value(serde_json::to_value(&first).unwrap()).unwrap();
    assert_eq!(next(stored, &said(25.0), MILLIS + 1), first);
}

#[test]
fn a_rate_is_shown_as_people_say_it() {
    assert_eq!(rate(29.97, None).as_deref(), Some("30"));
    assert_eq!(rate(0.5, None).as_deref(), Some("0.5"));
    assert_eq!(rate(28.0, Some("30")).as_deref(), Some("30"), "near enough");
    assert_eq!(rate(15.0, Some("30")).as_deref(), Some("15"));
    assert_eq!(rate(0.0, Some("30")), None);
}

#[test]
fn an_incarnation_is_never_lost() {
    let old = CameraStatus {
        incarnation: Some(7),
        ..CameraStatus::default()
    };
    assert_eq!(next(old, &Memory::default(), MILLIS).incarnation, Some(7));
}

/// The same Camera, changed; its pod runs what it says, or what it said.
fn changed(
    old: CameraStatus,
    generation: i64,
    runs: bool,
    change: impl FnOnce(&mut Picture),
) -> CameraStatus {
    let mut observed = observed(old);
    observed.camera.generation = generation;
    let memory = said(25.0);
    let mut picture = picture(&observed, &memory, &Step::Keep);
    change(&mut picture);
    status(&observed, &memory, &picture, runs, MILLIS)
}

fn generations(status: &CameraStatus) -> (i64, Vec<(&str, i64)>) {
    let conditions = status.conditions.iter();
    let conditions = conditions.map(|it| (it.type_.as_str(), it.observed_generation.unwrap()));
    (status.observed_generation.unwrap(), conditions.collect())
}

#[test]
fn ready_is_of_the_generation_that_runs_and_accepted_of_the_newest() {
    let first = next(CameraStatus::default(), &said(25.0), MILLIS);
    let before = changed(first.clone(), 3, false, |_| {});
    assert_eq!(
        generations(&before),
        (1, vec![("Accepted", 3), ("Ready", 1)])
    );
    assert!(same_but_for_generations(&first, &before));
    let again = changed(before.clone(), 3, false, |_| {});
    assert_eq!(again, before, "and nothing more is written");
    let stalled = changed(before.clone(), 3, false, |picture| picture.stalled = true);
    assert!(!same_but_for_generations(&before, &stalled));
    assert_eq!(
        generations(&stalled),
        (1, vec![("Accepted", 3), ("Ready", 1), ("Stalled", 1)]),
        "it may be what was changed that mends it"
    );
    let after = changed(before, 3, true, |_| {});
    assert_eq!(
        generations(&after),
        (3, vec![("Accepted", 3), ("Ready", 3)])
    );
}

#[test]
fn who_waits_for_what_is_not_accepted_is_told_so() {
    let first = next(CameraStatus::default(), &said(25.0), MILLIS);
    let refused = changed(first, 2, false, |picture| {
        picture.not_accepted = Some(("Invalid", "why".to_owned()));
    });
    assert_eq!(
        generations(&refused),
        (2, vec![("Accepted", 2), ("Ready", 1)])
    );
    // Mended, it still runs what it ran.
    let mended = changed(refused, 3, false, |_| {});
    assert_eq!(
        generations(&mended),
        (1, vec![("Accepted", 3), ("Ready", 1)])
    );
}

#[test]
fn a_camera_that_was_not_looked_at_yet_shows_no_generation_as_running() {
    let first = changed(CameraStatus::default(), 2, false, |_| {});
    assert_eq!(
        generations(&first),
        (0, vec![("Accepted", 2), ("Ready", 0)])
    );
}
