use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::camera::build;
use crate::samples::{
    camera, camera_at, hub, node, now, observe, on_node, pod_of, recipe, running, with_status,
};
use crate::world::{Told, World};

use super::*;

const LOST_AFTER: Duration = Duration::from_mins(1);
const TEST: &str = "source: {test: {}}";

fn step(world: &World, name: &str, release: &str, memory: &Memory) -> Step {
    let observed = observe(world, name);
    let wanted = match &observed.verdict {
        Verdict::Run(run) => Some(build::wanted(run, &recipe(release))),
        Verdict::Refused(_) => None,
    };
    decide(&observed, wanted.as_ref(), memory, LOST_AFTER, now())
}

fn plain(world: &World) -> Step {
    step(world, "door", "1", &Memory::default())
}

fn with_pod(change: impl FnOnce(Pod) -> Pod) -> World {
    let mut world = World::default();
    world.set_camera(camera("door", TEST), Told::Watch);
    let pod = change(pod_of(&world, "door", "1"));
    world.set_pod(pod, Told::Watch);
    world
}

#[test]
fn a_camera_without_a_pod_gets_one_and_one_that_has_it_keeps_it() {
    let mut world = World::default();
    world.set_camera(camera("door", TEST), Told::Watch);
    assert_eq!(plain(&world), Step::Create);
    assert_eq!(plain(&with_pod(|pod| running(pod, true))), Step::Keep);
}

#[test]
fn after_a_pod_has_ended_the_next_one_waits() {
    let world = with_pod(|pod| with_status(pod, json!({"phase": "Failed", "reason": "Evicted"})));
    assert_eq!(
        plain(&world),
        Step::Delete(Why::Ended("Failed: Evicted".to_owned()))
    );
    let mut world = World::default();
    world.set_camera(camera("door", TEST), Told::Watch);
    let memory = Memory {
        not_before: Some(now().instant + Duration::from_secs(30)),
        ..Memory::default()
    };
    assert!(
        matches!(step(&world, "door", "1", &memory), Step::Wait(wait) if wait > Duration::from_secs(29))
    );
}

#[test]
fn a_change_is_given_to_the_pod_or_needs_another() {
    let mut world = with_pod(|pod| running(pod, true));
    world.set_camera(
        camera_at("door", "source: {test: {fps: 5}}", 2, 2),
        Told::Watch,
    );
    assert_eq!(plain(&world), Step::Patch);
    world.set_camera(
        camera_at("door", "source: {file: {uri: /a.mp4}}", 3, 3),
        Told::Watch,
    );
    assert_eq!(plain(&world), Step::Delete(Why::Changed));
}

#[test]
fn what_somebody_changed_on_the_pod_is_put_right() {
    for name in [
        crate::names::CAMERA,
        crate::names::HUB,
        crate::names::CONFIG_HASH,
    ] {
        let world = with_pod(|mut pod| {
            pod.metadata
                .annotations
                .as_mut()
                .unwrap()
                .insert(name.to_owned(), "x".to_owned());
            running(pod, true)
        });
        assert_eq!(plain(&world), Step::Patch, "{name}");
    }
}

#[test]
fn a_pod_of_another_release_is_not_patched_but_waits_for_its_turn() {
    let mut world = with_pod(|pod| running(pod, true));
    world.set_camera(
        camera_at("door", "source: {test: {fps: 5}}", 2, 2),
        Told::Watch,
    );
    assert_eq!(step(&world, "door", "2", &Memory::default()), Step::Replace);
}

#[test]
fn a_pod_that_is_not_this_cameras_is_never_touched() {
    let world = with_pod(|mut pod| {
        pod.metadata.owner_references = None;
        with_status(pod, json!({"phase": "Failed"}))
    });
    assert_eq!(plain(&world), Step::Keep);
}

#[test]
fn a_pod_of_a_lost_node_is_given_up_after_a_while() {
    let mut world = with_pod(|pod| on_node(running(pod, true), "n1"));
    world.set_node(&node("n1", None));
    assert_eq!(plain(&world), Step::Keep);
    world.set_node(&node("n1", Some(90)));
    assert_eq!(
        plain(&world),
        Step::Wait(NOWHERE_AGAIN),
        "there is no other node to go to"
    );
    world.set_node(&node("n2", None));
    world.set_node(&node("n1", Some(20)));
    assert_eq!(plain(&world), Step::Wait(Duration::from_secs(40)));
    world.set_node(&node("n1", Some(60)));
    assert_eq!(
        plain(&world),
        Step::ForceDelete {
            node: "n1".to_owned()
        }
    );
    world.remove_node("n1");
    assert_eq!(
        plain(&world),
        Step::ForceDelete {
            node: "n1".to_owned()
        }
    );
}

#[test]
fn a_hub_that_goes_away_leaves_what_runs_and_nothing_is_made_anew() {
    let mut world = World::default();
    world.set_hub(
        hub("lobby", "nats: {url: 'nats://lobby:4222'}"),
        Told::Watch,
    );
    world.set_camera(
        camera("door", "source: {test: {}}, hubRef: {name: lobby}"),
        Told::Watch,
    );
    let pod = running(pod_of(&world, "door", "1"), true);
    world.set_pod(pod.clone(), Told::Watch);
    let key = world
        .camera(&crate::samples::key("door"))
        .unwrap()
        .hub_key();
    world.remove_hub(&key, None);
    assert_eq!(plain(&world), Step::Keep);
    assert_eq!(
        step(&world, "door", "2", &Memory::default()),
        Step::Keep,
        "not even for a new release"
    );
    // What can be taken over in place still is.
    world.set_camera(
        camera_at(
            "door",
            "source: {test: {fps: 5}}, hubRef: {name: lobby}",
            2,
            2,
        ),
        Told::Watch,
    );
    assert_eq!(plain(&world), Step::Patch);
    let ended = with_status(pod, json!({"phase": "Failed"}));
    world.set_pod(ended, Told::List);
    assert!(matches!(plain(&world), Step::Delete(Why::Ended(_))));
    world.remove_pod(&crate::samples::key("door"), None);
    assert_eq!(plain(&world), Step::Keep);
}

#[test]
fn a_camera_that_is_switched_off_or_loses_its_source_to_an_older_one_has_no_pod() {
    let mut world = with_pod(|pod| running(pod, true));
    world.set_camera(
        camera_at("door", "enabled: false, source: {test: {}}", 2, 2),
        Told::Watch,
    );
    assert_eq!(plain(&world), Step::Delete(Why::Refused("Disabled")));

    let url = "source: {rtsp: {url: 'rtsp://h/1'}}";
    let mut world = with_pod(|pod| running(pod, true));
    world.set_camera(camera("attic", url), Told::Watch);
    world.set_camera(camera_at("door", url, 2, 2), Told::Watch);
    assert_eq!(plain(&world), Step::Delete(Why::Refused("Conflict")));
}

#[test]
fn a_camera_that_is_not_valid_any_more_keeps_the_pod_it_has() {
    let mut world = with_pod(|pod| running(pod, true));
    let mut broken = camera_at("door", TEST, 2, 2);
    broken.data["spec"]["frames"] = json!(7);
    world.set_camera(broken, Told::Watch);
    assert_eq!(plain(&world), Step::Keep);
}

#[test]
fn a_camera_that_is_being_deleted_is_left_to_kubernetes() {
    let mut leaving = camera("door", TEST);
    leaving.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-11-21T00:00:00Z")).unwrap();
    let mut world = World::default();
    world.set_camera(leaving, Told::Watch);
    assert_eq!(plain(&world), Step::Keep);
}
