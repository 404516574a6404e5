use crate::samples::{camera, camera_at, device, hub, key, observe, on_node, pod_of, raw, running};
use serde_json::json;

use super::*;

const RTSP: &str = "source: {rtsp: {url: 'rtsp://10.0.0.7/1'}}";

fn names(touched: &Touched) -> Vec<&str> {
    touched
        .cameras
        .iter()
        .map(|key| key.name.as_str())
        .collect()
}

#[test]
fn who_claims_the_same_is_looked_at_together() {
    let mut world = World::default();
    world.set_camera(camera("a", RTSP), Told::Watch);
    world.set_camera(camera("other", "source: {test: {}}"), Told::Watch);
    let touched = world.set_camera(camera("b", RTSP), Told::Watch);
    assert_eq!(names(&touched), ["a", "b"]);
    let mut written = camera_at("b", RTSP, 1, 2);
    written.data["status"] = json!({"state": "Refused"});
    let touched = world.set_camera(written, Told::Answer);
    assert_eq!(names(&touched), ["b"], "its status is nothing to others");
    let touched = world.remove_camera(&key("a"), None);
    assert_eq!(names(&touched), ["a", "b"]);
    assert_eq!(
        names(&world.remove_camera(&key("a"), None)),
        Vec::<&str>::new()
    );
}

#[test]
fn pods_beside_each_other_share_what_they_want_of_a_node() {
    let mut world = World::default();
    for name in ["a", "b", "c"] {
        world.set_camera(camera(name, "source: {test: {}}"), Told::Watch);
        let mut pod = pod_of(&world, name, "1");
        let room = if name == "c" { "hall" } else { "yard" };
        let wanted = [("room".to_owned(), room.to_owned())].into();
        pod.spec.as_mut().unwrap().node_selector = Some(wanted);
        world.set_pod(pod, Told::Watch);
    }
    let wishes = |name| &world.pod(&key(name)).unwrap().wishes;
    assert!(Arc::ptr_eq(wishes("a"), wishes("b")));
    assert_ne!(wishes("b"), wishes("c"));
}

#[test]
fn a_camera_that_moves_to_another_hub_touches_both() {
    let mut world = World::default();
    world.set_camera(camera_at("a", "source: {test: {}}", 1, 1), Told::Watch);
    let touched = world.set_camera(
        camera_at("a", "source: {test: {}}, hubRef: {name: lobby}", 2, 2),
        Told::Watch,
    );
    let hubs: Vec<&str> = touched.hubs.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(hubs, ["default", "lobby"]);
    let touched = world.set_hub(hub("lobby", ""), Told::Watch);
    assert_eq!(names(&touched), ["a"]);
}

#[test]
fn an_old_version_and_a_late_answer_about_what_is_gone_change_nothing() {
    let mut world = World::default();
    world.set_camera(camera_at("a", "source: {test: {}}", 2, 20), Told::Watch);
    let touched = world.set_camera(camera_at("a", RTSP, 1, 9), Told::Watch);
    assert_eq!(touched, Touched::default());
    assert_eq!(world.camera(&key("a")).unwrap().generation, 2);

    let pod = pod_of(&world, "a", "1");
    world.set_pod(pod.clone(), Told::Watch);
    for told in [Told::List, Told::Watch] {
        world.remove_pod(&key("a"), Some("uid-cam-a"));
        world.set_pod(pod.clone(), Told::Answer);
        assert!(world.pod(&key("a")).is_none(), "it is gone");
        // As when somebody took its labels away, and they were put back.
        world.set_pod(pod.clone(), told);
        assert!(world.pod(&key("a")).is_some(), "{told:?}");
    }
}

#[test]
fn a_deletion_is_of_one_object_and_not_of_its_successor() {
    let mut world = World::default();
    world.set_camera(camera("a", "source: {test: {}}"), Told::Watch);
    world.remove_camera(&key("a"), Some("an-earlier-one"));
    assert!(world.camera(&key("a")).is_some());
}

#[test]
fn a_heartbeat_touches_nobody_and_a_node_that_falls_silent_those_on_it() {
    let mut world = World::default();
    world.set_camera(camera("a", "source: {test: {}}"), Told::Watch);
    world.set_camera(camera("b", "source: {test: {}}"), Told::Watch);
    let pod = running(pod_of(&world, "a", "1"), true);
    world.set_pod(on_node(pod.clone(), "n1"), Told::Watch);
    world.set_pod(running(pod_of(&world, "b", "1"), true), Told::Watch);
    world.set_node(&crate::samples::node("n1", None));
    assert_eq!(
        world.set_node(&crate::samples::node("n1", None)),
        Touched::default()
    );
    assert_eq!(
        names(&world.set_node(&crate::samples::node("n1", Some(5)))),
        ["a"]
    );
    // The kubelet writes the same again.
    let mut again = on_node(pod, "n1");
    again.metadata.resource_version = Some("7".to_owned());
    assert_eq!(world.set_pod(again, Told::Watch), Touched::default());
}

#[test]
fn one_that_is_not_valid_harms_no_other() {
    let mut world = World::default();
    let poison = json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "Camera", "metadata": {"name": "poison"},
        "spec": {"source": {"rtsp": {"url": "http://no"}}, "frames": 7}});
    world.set_camera(raw(poison, 1, 1), Told::Watch);
    world.set_camera(camera("a", RTSP), Told::Watch);
    let fields: Vec<String> = match world.camera(&key("poison")).unwrap().parsed.as_ref() {
        Ok(_) => panic!("it is not valid"),
        Err(problems) => problems
            .iter()
            .map(|problem| problem.field.clone())
            .collect(),
    };
    assert!(fields.contains(&"spec.frames".to_owned()), "{fields:?}");
    let observed = observe(&world, "a");
    assert!(matches!(
        observed.verdict,
        crate::camera::verdict::Verdict::Run(_)
    ));
}

#[test]
fn a_device_touches_whom_it_fits_and_the_first_and_last_touch_all_who_want_one() {
    let by = |selector: &str| format!("source: {{v4l2: {{deviceSelector: {{{selector}}}}}}}");
    let mut world = World::default();
    world.set_camera(camera("other", "source: {test: {}}"), Told::Watch);
    world.set_camera(camera("a", &by("serial: A1")), Told::Watch);
    world.set_camera(camera("b", &by("serial: B2")), Told::Watch);
    let plain = |serial: &str| device("n1", serial, json!({}));
    let touched = world.set_device(plain("A1"), Told::Watch);
    assert_eq!(names(&touched), ["a", "b"], "the first");
    assert_eq!(names(&world.set_device(plain("B2"), Told::Watch)), ["b"]);
    assert_eq!(
        world.set_device(plain("B2"), Told::List),
        Touched::default()
    );
    // What it offers is nothing to anybody here.
    let formats = json!({"formats": [{"fourcc": "MJPG"}]});
    let touched = world.set_device(device("n1", "B2", formats), Told::List);
    assert_eq!(touched, Touched::default());
    // Another camera that it fits, and so the one that it is taken from.
    let touched = world.set_camera(camera("c", &by("vendor: 046d")), Told::Watch);
    assert_eq!(names(&touched), ["a", "b", "c"]);
    let touched = world.set_device(device("n1", "B2", json!({"state": "Absent"})), Told::List);
    assert_eq!(names(&touched), ["a", "b", "c"]);
    world.remove_camera(&key("c"), None);
    // It became another one.
    let identity = json!({"identity": {"bus": "usb", "serial": "A1", "path": "x"}});
    let touched = world.set_device(device("n1", "B2", identity), Told::List);
    assert_eq!(names(&touched), ["a", "b"]);
    assert_eq!(names(&world.remove_device("n1-b2", None)), ["a"]);
    assert_eq!(
        names(&world.remove_device("n1-b2", None)),
        Vec::<&str>::new()
    );
    assert_eq!(
        names(&world.remove_device("n1-a1", None)),
        ["a", "b"],
        "the last"
    );
}

#[test]
fn a_node_touches_those_whose_devices_it_has() {
    let mut world = World::default();
    world.set_device(device("n1", "A1B2", json!({})), Told::Watch);
    world.set_camera(camera("a", crate::samples::V4L2), Told::Watch);
    let set = |world: &mut World, serials: &[&str]| {
        names(&world.set_node(&crate::samples::node_with("n1", serials))).join(" ")
    };
    assert_eq!(set(&mut world, &[]), "a");
    assert_eq!(set(&mut world, &[]), "");
    assert_eq!(set(&mut world, &["A1B2"]), "a");
    assert_eq!(
        names(&world.set_node(&crate::samples::node("n2", Some(5)))),
        Vec::<&str>::new()
    );
    assert_eq!(names(&world.remove_node("n1")), ["a"]);
}
