use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use streamhub_wire::status::CameraStatus as Said;

use crate::camera::build;
use crate::samples::{
    self, camera, camera_at, hub, key, now, observe, pod_of, recipe, run_of, running, with_status,
};
use crate::world::{Told, World};

use super::*;

const TEST: &str = "source: {test: {}}";
const FASTER: &str = "source: {test: {fps: 5}}";

/// A camera with a pod that runs.
fn world(change: impl FnOnce(Pod) -> Pod) -> World {
    let mut world = World::default();
    world.set_camera(camera("door", TEST), Told::Watch);
    let pod = pod_of(&world, "door", "1");
    world.set_pod(change(running(pod, true)), Told::Watch);
    world
}

fn hash(world: &World) -> String {
    let pod = world.pod(&key("door")).unwrap();
    pod.annotation(names::CONFIG_HASH).unwrap().to_owned()
}

/// What is remembered where the pod has said so, or nothing so often.
fn heard(said: Result<&str, u32>) -> Memory {
    samples::heard(said.map(|hash| {
        let mut said = Said::default();
        hash.clone_into(&mut said.config.hash);
        said
    }))
}

fn of(world: &World, release: &str, memory: &Memory) -> Uptake {
    let observed = observe(world, "door");
    let wanted = match &observed.verdict {
        Verdict::Run(_) => Some(build::wanted(run_of(&observed), &recipe(release))),
        Verdict::Refused(_) => None,
    };
    uptake(&observed, wanted.as_ref(), memory, false, now().instant)
}

#[test]
fn it_runs_when_the_pod_says_so() {
    let world = world(|pod| pod);
    assert!(of(&world, "1", &heard(Ok(&hash(&world)))).done);
    let quiet = of(&world, "1", &Memory::default());
    assert_eq!(quiet, Uptake::default(), "it was not asked yet");
}

#[test]
fn a_change_runs_once_the_pod_says_so_and_no_sooner() {
    let mut world = world(|pod| pod);
    let before = hash(&world);
    world.set_camera(camera_at("door", FASTER, 2, 2), Told::Watch);
    let quiet = of(&world, "1", &heard(Ok(&before)));
    assert_eq!(quiet, Uptake::default(), "it is given at once");

    let mut pod = running(pod_of(&world, "door", "1"), true);
    pod.metadata.resource_version = Some("2".to_owned());
    world.set_pod(pod, Told::Watch);
    let mut memory = heard(Ok(&before));
    memory.patched = Some(now().instant);
    let soon = of(&world, "1", &memory);
    assert!(!soon.done && soon.why.is_none());
    assert!(
        soon.again.is_some(),
        "it is looked at again when it is late"
    );
    memory.patched = now().instant.checked_sub(PATCHED_FOR);
    let late = of(&world, "1", &memory);
    assert_eq!(late.why.unwrap().0, CONFIG_PENDING);
    assert!(of(&world, "1", &heard(Ok(&hash(&world)))).done);
}

#[test]
fn one_that_can_t_be_asked_keeps_nobody_waiting() {
    let world = world(|pod| pod);
    assert!(!of(&world, "1", &heard(Err(ASKED - 1))).done);
    assert!(of(&world, "1", &heard(Err(ASKED))).done);
}

#[test]
fn what_does_not_run_runs_nothing_else() {
    for status in [json!({"phase": "Failed"}), json!({"phase": "Pending"})] {
        let world = world(|pod| with_status(pod, status));
        assert!(of(&world, "1", &Memory::default()).done);
    }
    let mut world = World::default();
    world.set_camera(camera("door", TEST), Told::Watch);
    assert!(of(&world, "1", &Memory::default()).done, "there is no pod");
}

#[test]
fn a_change_that_waits_for_a_roll_out_is_told_and_a_release_alone_is_not() {
    let mut world = world(|pod| pod);
    let memory = heard(Ok(&hash(&world)));
    assert!(of(&world, "2", &memory).done, "nothing was changed");
    world.set_camera(camera_at("door", FASTER, 2, 2), Told::Watch);
    let (reason, message) = of(&world, "2", &memory).why.unwrap();
    assert_eq!(reason, ROLLOUT_WAITING);
    assert!(
        message.contains("release 2") && !message.contains("stopped"),
        "{message}"
    );
    let observed = observe(&world, "door");
    let wanted = build::wanted(run_of(&observed), &recipe("2"));
    let stopped = uptake(&observed, Some(&wanted), &memory, true, now().instant);
    assert!(stopped.why.unwrap().1.contains("has stopped"));
}

#[test]
fn a_hub_that_was_changed_waits_for_a_roll_out_too() {
    let mut world = World::default();
    world.set_hub(hub("default", ""), Told::Watch);
    world.set_camera(camera("door", TEST), Told::Watch);
    world.set_pod(running(pod_of(&world, "door", "1"), true), Told::Watch);
    let memory = heard(Ok(&hash(&world)));
    assert!(of(&world, "2", &memory).done);
    let mut changed = hub("default", "defaults: {frames: [{name: main, fps: 5}]}");
    changed.metadata.generation = Some(2);
    changed.metadata.resource_version = Some("2".to_owned());
    world.set_hub(changed, Told::Watch);
    assert_eq!(of(&world, "2", &memory).why.unwrap().0, ROLLOUT_WAITING);
}

#[test]
fn what_can_t_be_read_does_not_run() {
    let mut world = world(|pod| pod);
    let mut broken = camera_at("door", TEST, 2, 2);
    broken.data["spec"]["frames"] = json!(7);
    world.set_camera(broken, Told::Watch);
    assert_eq!(of(&world, "1", &Memory::default()), Uptake::default());
}

#[test]
fn worse_news_are_not_written_over() {
    let why = Uptake::because(CONFIG_PENDING, "why");
    let mut picture = Picture::default();
    why.say(&mut picture);
    assert_eq!(
        (picture.reason.as_str(), picture.message.as_str()),
        (CONFIG_PENDING, "why")
    );
    let mut picture = Picture {
        reason: "NodeNotReady".to_owned(),
        ..Picture::default()
    };
    why.say(&mut picture);
    assert_eq!(picture.reason, "NodeNotReady");
}
