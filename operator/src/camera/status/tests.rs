use std::sync::Arc;
use std::time::Instant;

use streamhub_wire::status::CameraStatus as Said;

use crate::camera::decide::Step;
use crate::camera::picture::picture;
use crate::samples::{MILLIS, camera, observe, pod_of, running};
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
    Memory {
        reading: Some(Reading {
            uid: "uid-cam-door".to_owned(),
            asked: Instant::now(),
            said: Some(Arc::new(said)),
            failed: 0,
            slow: false,
            error: String::new(),
            ready: None,
            asked_since_flip: 1,
        }),
        ..Memory::default()
    }
}

fn next(old: CameraStatus, memory: &Memory, millis: u64) -> CameraStatus {
    let observed = observed(old);
    let picture = picture(&observed, memory, &Step::Keep);
    status(&observed, memory, &picture, millis)
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
