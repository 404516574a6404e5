use serde_json::json;

use crate::samples::{V4L2, camera, camera_at, key, on_node, pod_of, recipe, running, with_status};
use crate::world::Told;

use super::*;

fn fleet(number: usize) -> World {
    let mut world = World::default();
    for n in 0..number {
        let name = format!("cam{n}");
        world.set_camera(camera(&name, "source: {test: {}}"), Told::Watch);
        let pod = running(pod_of(&world, &name, "old"), true);
        world.set_pod(on_node(pod, "n1"), Told::Watch);
    }
    world
}

fn ask(rollout: &mut Rollout, world: &World, name: &str) -> Gate {
    ask_where(rollout, world, name, |_, _| Some(false))
}

fn ask_where(
    rollout: &mut Rollout,
    world: &World,
    name: &str,
    answers: impl Fn(&CameraKey, &str) -> Option<bool>,
) -> Gate {
    rollout.ask(&key(name), world, &recipe("new").hash(), answers, |_| false)
}

const OPEN: Gate = Gate::Open { answered: true };

/// The pod of the new release is there, and as it is.
fn arrive(
    world: &mut World,
    name: &str,
    change: impl FnOnce(k8s_openapi::api::core::v1::Pod) -> k8s_openapi::api::core::v1::Pod,
) {
    let mut pod = on_node(pod_of(world, name, "new"), "n1");
    pod.metadata.uid = Some(format!("new-{name}"));
    let annotations = pod.metadata.annotations.as_mut().unwrap();
    annotations.insert(names::MOVED.to_owned(), "true".to_owned());
    world.set_pod(change(pod), Told::Watch);
}

#[test]
fn a_tenth_goes_at_a_time_and_one_of_few() {
    let world = fleet(25);
    let mut rollout = Rollout::default();
    let open = (0..25)
        .filter(|n| ask(&mut rollout, &world, &format!("cam{n}")) == OPEN)
        .count();
    assert_eq!(open, 2);
    assert_eq!(
        ask(&mut rollout, &world, "cam0"),
        OPEN,
        "it has its turn already"
    );
    assert_eq!(ask(&mut Rollout::default(), &fleet(3), "cam1"), OPEN);
}

#[test]
fn the_next_goes_when_one_has_arrived() {
    let mut world = fleet(3);
    let mut rollout = Rollout::default();
    assert_eq!(ask(&mut rollout, &world, "cam0"), OPEN);
    assert_eq!(ask(&mut rollout, &world, "cam1"), Gate::Full);
    world.remove_pod(&key("cam0"), None);
    assert_eq!(ask(&mut rollout, &world, "cam1"), Gate::Full);
    arrive(&mut world, "cam0", |pod| running(pod, false));
    assert_eq!(
        ask(&mut rollout, &world, "cam1"),
        Gate::Full,
        "it has not answered yet"
    );
    assert_eq!(rollout.next(&world), [key("cam1")]);
    arrive(&mut world, "cam0", |pod| running(pod, true));
    assert_eq!(ask(&mut rollout, &world, "cam1"), OPEN);
}

#[test]
fn a_camera_that_is_down_but_whose_pod_answers_holds_nobody_up() {
    let mut world = fleet(3);
    let mut rollout = Rollout::default();
    ask(&mut rollout, &world, "cam0");
    arrive(&mut world, "cam0", |pod| running(pod, false));
    let gate = ask_where(&mut rollout, &world, "cam1", |_, uid| {
        Some(uid == "new-cam0")
    });
    assert_eq!(gate, OPEN);
}

fn stopped(news: bool) -> Gate {
    Gate::Stopped {
        by: key("cam0"),
        news,
    }
}

#[test]
fn the_first_that_can_t_start_stops_it() {
    for reason in [
        "ImagePullBackOff",
        "ImageInspectError",
        "CreateContainerConfigError",
    ] {
        let mut world = fleet(30);
        let mut rollout = Rollout::default();
        ask(&mut rollout, &world, "cam0");
        let status = json!({"phase": "Pending", "containerStatuses": [{
            "name": "ingest", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason}},
        }]});
        arrive(&mut world, "cam0", |pod| with_status(pod, status));
        assert_eq!(ask(&mut rollout, &world, "cam1"), stopped(true), "{reason}");
        assert_eq!(ask(&mut rollout, &world, "cam2"), stopped(false));
    }
}

#[test]
fn the_first_that_the_api_server_refuses_stops_it_until_it_is_made() {
    let mut world = fleet(30);
    let mut rollout = Rollout::default();
    let mut ask_when = |world: &World, name: &str, refused: &[CameraKey]| {
        let release = recipe("new").hash();
        let refused = |key: &CameraKey| refused.contains(key);
        rollout.ask(&key(name), world, &release, |_, _| Some(false), refused)
    };
    assert_eq!(ask_when(&world, "cam0", &[]), OPEN);
    world.remove_pod(&key("cam0"), None);
    // Nobody asked for another pod of cam5 for this release's sake.
    world.remove_pod(&key("cam5"), None);
    let refused = [key("cam0"), key("cam5")];
    assert_eq!(ask_when(&world, "cam1", &refused), stopped(true));
    assert_eq!(ask_when(&world, "cam2", &refused), stopped(false));
    arrive(&mut world, "cam0", |pod| running(pod, true));
    assert_eq!(ask_when(&world, "cam1", &refused), OPEN);
}

#[test]
fn an_operator_that_starts_anew_knows_who_is_on_the_way() {
    let mut world = fleet(3);
    arrive(&mut world, "cam0", |pod| running(pod, false));
    assert_eq!(ask(&mut Rollout::default(), &world, "cam1"), Gate::Full);
}

#[test]
fn a_camera_that_never_ran_neither_counts_nor_waits() {
    let mut world = fleet(3);
    let mut rollout = Rollout::default();
    let never = running(pod_of(&world, "cam2", "old"), false);
    world.set_pod(on_node(never, "n1"), Told::Watch);
    assert_eq!(ask(&mut rollout, &world, "cam0"), OPEN);
    let gate = ask(&mut rollout, &world, "cam2");
    assert_eq!(gate, Gate::Open { answered: false });
    // It can't start with the new release either, and the others go on.
    arrive(&mut world, "cam0", |pod| running(pod, true));
    arrive(&mut world, "cam2", |mut pod| {
        pod.metadata
            .annotations
            .as_mut()
            .unwrap()
            .remove(names::MOVED);
        with_status(pod, json!({"phase": "Pending"}))
    });
    assert_eq!(ask(&mut rollout, &world, "cam1"), OPEN);
}

#[test]
fn one_of_which_nothing_is_known_yet_is_asked_first() {
    let mut world = fleet(3);
    let starting = running(pod_of(&world, "cam1", "old"), false);
    world.set_pod(on_node(starting, "n1"), Told::Watch);
    let mut rollout = Rollout::default();
    let gate = ask_where(&mut rollout, &world, "cam1", |_, _| None);
    assert_eq!(gate, Gate::Full);
}

#[test]
fn who_was_told_to_wait_is_woken_each_in_turn() {
    let world = fleet(4);
    let mut rollout = Rollout::default();
    for name in ["cam0", "cam2", "cam3"] {
        ask(&mut rollout, &world, name);
    }
    assert_eq!(rollout.next(&world), [key("cam2")]);
    assert_eq!(rollout.next(&world), [key("cam3")]);
    assert!(rollout.next(&world).is_empty());
}

/// Its device cannot be had any more.
fn pull_out(world: &mut World, name: &str, spec: &str) {
    let mut camera = camera_at(name, spec, 2, 2);
    camera.data["status"] = json!({"state": "Pending", "conditions": [{"type": "DeviceReady", "status": "False",
        "reason": "DeviceMissing", "message": "", "lastTransitionTime": "2026-11-21T00:00:00Z"}]});
    world.set_camera(camera, Told::Watch);
}

#[test]
fn a_camera_whose_device_was_pulled_out_holds_nobody_up() {
    let mut world = fleet(3);
    let mut rollout = Rollout::default();
    assert_eq!(ask(&mut rollout, &world, "cam0"), OPEN);
    world.remove_pod(&key("cam0"), None);
    assert_eq!(ask(&mut rollout, &world, "cam1"), Gate::Full);
    pull_out(&mut world, "cam0", V4L2);
    assert_eq!(ask(&mut rollout, &world, "cam1"), OPEN);
    // Nor does a pod that is left of it.
    let mut world = fleet(3);
    arrive(&mut world, "cam0", |pod| running(pod, false));
    assert_eq!(ask(&mut Rollout::default(), &world, "cam1"), Gate::Full);
    pull_out(&mut world, "cam0", V4L2);
    assert_eq!(ask(&mut Rollout::default(), &world, "cam1"), OPEN);
}

#[test]
fn a_camera_that_runs_on_another_source_than_its_device_counts_as_any_other() {
    let spec = "source: {v4l2: {deviceSelector: {serial: A1B2}}, fallbacks: [{test: {}}]}";
    let mut world = fleet(3);
    let mut rollout = Rollout::default();
    pull_out(&mut world, "cam0", spec);
    assert_eq!(ask(&mut rollout, &world, "cam0"), OPEN);
    assert_eq!(ask(&mut rollout, &world, "cam1"), Gate::Full);
    world.remove_pod(&key("cam0"), None);
    assert_eq!(ask(&mut rollout, &world, "cam1"), Gate::Full);
    arrive(&mut world, "cam0", |pod| running(pod, true));
    assert_eq!(ask(&mut rollout, &world, "cam1"), OPEN);
}
