use serde_json::json;

use crate::samples::{camera, key, on_node, pod_of, recipe, running, with_status};
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
    rollout.ask(&key(name), world, &recipe("new").hash(), |_, _| false)
}

/// The pod of the new release is there, and as it is.
fn arrive(
    world: &mut World,
    name: &str,
    change: impl FnOnce(k8s_openapi::api::core::v1::Pod) -> k8s_openapi::api::core::v1::Pod,
) {
    let mut pod = on_node(pod_of(world, name, "new"), "n1");
    pod.metadata.uid = Some(format!("new-{name}"));
    world.set_pod(change(pod), Told::Watch);
}

#[test]
fn a_tenth_goes_at_a_time_and_one_of_few() {
    let world = fleet(25);
    let mut rollout = Rollout::default();
    let open = (0..25)
        .filter(|n| ask(&mut rollout, &world, &format!("cam{n}")) == Gate::Open)
        .count();
    assert_eq!(open, 2);
    assert_eq!(
        ask(&mut rollout, &world, "cam0"),
        Gate::Open,
        "it has its turn already"
    );
    assert_eq!(ask(&mut Rollout::default(), &fleet(3), "cam1"), Gate::Open);
}

#[test]
fn the_next_goes_when_one_has_arrived() {
    let mut world = fleet(3);
    let mut rollout = Rollout::default();
    assert_eq!(ask(&mut rollout, &world, "cam0"), Gate::Open);
    assert_eq!(ask(&mut rollout, &world, "cam1"), Gate::Full);
    world.remove_pod(&key("cam0"), None);
    assert_eq!(ask(&mut rollout, &world, "cam1"), Gate::Full);
    arrive(&mut world, "cam0", |pod| running(pod, false));
    assert_eq!(
        ask(&mut rollout, &world, "cam1"),
        Gate::Full,
        "it has not answered yet"
    );
    assert_eq!(rollout.next(&world, &recipe("new").hash()).len(), 1);
    arrive(&mut world, "cam0", |pod| running(pod, true));
    assert_eq!(ask(&mut rollout, &world, "cam1"), Gate::Open);
}

#[test]
fn a_camera_that_is_down_but_whose_pod_answers_holds_nobody_up() {
    let mut world = fleet(3);
    let mut rollout = Rollout::default();
    ask(&mut rollout, &world, "cam0");
    arrive(&mut world, "cam0", |pod| running(pod, false));
    let gate = rollout.ask(&key("cam1"), &world, &recipe("new").hash(), |_, uid| {
        uid == "new-cam0"
    });
    assert_eq!(gate, Gate::Open);
}

#[test]
fn the_first_that_can_t_start_stops_it() {
    let mut world = fleet(30);
    let mut rollout = Rollout::default();
    ask(&mut rollout, &world, "cam0");
    let status = json!({"phase": "Pending", "containerStatuses": [{
        "name": "ingest", "image": "", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ImagePullBackOff"}},
    }]});
    arrive(&mut world, "cam0", |pod| with_status(pod, status));
    let stopped = |news| Gate::Stopped {
        by: key("cam0"),
        news,
    };
    assert_eq!(ask(&mut rollout, &world, "cam1"), stopped(true));
    assert_eq!(ask(&mut rollout, &world, "cam2"), stopped(false));
}

#[test]
fn an_operator_that_starts_anew_knows_who_is_on_the_way() {
    let mut world = fleet(3);
    arrive(&mut world, "cam0", |pod| running(pod, false));
    assert_eq!(ask(&mut Rollout::default(), &world, "cam1"), Gate::Full);
}
