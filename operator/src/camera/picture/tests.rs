use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use streamhub_wire::status::CameraStatus as Said;

use crate::camera::refusal::Refusal;
use crate::samples::{
    V4L2, camera, camera_at, device, heard, key, node, node_with, observe, on_node, pod_of,
    running, with_status,
};
use crate::world::{Told, World};

use super::*;

fn world(change: impl FnOnce(Pod) -> Pod) -> World {
    let mut world = World::default();
    world.set_camera(camera("door", "source: {test: {}}"), Told::Watch);
    let pod = change(pod_of(&world, "door", "1"));
    world.set_pod(pod, Told::Watch);
    world
}

fn drawn(world: &World, memory: &Memory) -> Picture {
    picture(&observe(world, "door"), memory, &Step::Keep)
}

fn short(picture: &Picture) -> (&str, &str, bool, bool) {
    (
        picture.state,
        picture.reason.as_str(),
        picture.ready,
        picture.stalled,
    )
}

fn said(state: CameraState, reason: &str) -> Memory {
    let said = Said {
        state,
        reason: reason.to_owned(),
        message: "what".to_owned(),
        remedy: "do this".to_owned(),
        ..Said::default()
    };
    heard(Ok(said))
}

fn waiting(reason: &str) -> serde_json::Value {
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "ingest", "image": "", "imageID": "", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": reason, "message": "the kubelet's words"}},
        "lastState": {"terminated": {"exitCode": 78, "reason": "Error", "message": "line\nlast words"}},
    }]})
}

#[test]
fn what_the_pod_says_is_what_the_camera_does() {
    let memory = said(CameraState::Reconnecting, "ConnectionRefused");
    let drawn = drawn(&world(|pod| running(pod, false)), &memory);
    assert_eq!(
        short(&drawn),
        ("Reconnecting", "ConnectionRefused", false, false)
    );
    assert_eq!(drawn.message, "what; do this");
    for state in [
        CameraState::Stalled,
        CameraState::Fenced,
        CameraState::SubjectInUse,
    ] {
        let memory = said(state, "Why");
        assert!(
            self::drawn(&world(|pod| running(pod, false)), &memory).stalled,
            "{state}"
        );
    }
}

#[test]
fn what_another_pod_said_is_not_believed() {
    let mut memory = said(CameraState::Stalled, "FileMissing");
    memory.reading.as_mut().unwrap().uid = "an-earlier-pod".to_owned();
    let drawn = drawn(&world(|pod| running(pod, true)), &memory);
    assert_eq!(short(&drawn), ("Streaming", "", true, false));
}

#[test]
fn a_pod_that_never_answered_is_named_whether_the_kubelet_finds_it_ready_or_not() {
    for (ready, state) in [(false, "Starting"), (true, "Streaming")] {
        let world = world(|pod| running(pod, ready));
        let asked_while = |ready, failed| {
            let mut memory = heard(Err(failed));
            let reading = memory.reading.as_mut().unwrap();
            "no answer".clone_into(&mut reading.error);
            reading.ready = ready;
            drawn(&world, &memory)
        };
        let now = world.pod(&key("door")).unwrap().ready;
        let before = if ready { None } else { Some(1) };
        for hopeful in [asked_while(now, ASKED - 1), asked_while(before, 9)] {
            assert_eq!(short(&hopeful), (state, "", ready, false));
        }
        let drawn = asked_while(now, ASKED);
        assert_eq!(short(&drawn), (state, "StatusUnreachable", ready, false));
        assert_eq!(drawn.message, "its pod does not answer: no answer");
    }
}

#[test]
fn why_a_pod_does_not_start_is_said_in_the_words_of_who_knows() {
    let unschedulable = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available"},
    ]});
    let drawn = drawn(
        &world(|pod| with_status(pod, unschedulable)),
        &Memory::default(),
    );
    assert_eq!(
        (short(&drawn).1, drawn.message.as_str()),
        ("Unschedulable", "0/2 nodes are available")
    );
    for (reason, stalled) in [
        ("ImagePullBackOff", false),
        ("InvalidImageName", true),
        ("CrashLoopBackOff", false),
    ] {
        let drawn = self::drawn(
            &world(|pod| with_status(pod, waiting(reason))),
            &Memory::default(),
        );
        assert_eq!(short(&drawn), ("Starting", reason, false, stalled));
        assert!(
            drawn.message.contains("the kubelet's words"),
            "{}",
            drawn.message
        );
        assert!(
            drawn.message.ends_with("exit code 78): last words"),
            "{}",
            drawn.message
        );
    }
    let creating = self::drawn(
        &world(|pod| with_status(pod, waiting("ContainerCreating"))),
        &Memory::default(),
    );
    assert_eq!(short(&creating), ("Starting", "", false, false));
}

#[test]
fn a_refusal_of_the_server_is_told_until_there_is_a_pod() {
    let memory = Memory {
        refusal: Some(Refusal {
            reason: "PodSecurity",
            message: "violates PodSecurity".to_owned(),
            stalled: true,
        }),
        ..Memory::default()
    };
    let mut world = World::default();
    world.set_camera(camera("door", "source: {test: {}}"), Told::Watch);
    let drawn = drawn(&world, &memory);
    assert_eq!(short(&drawn), ("Pending", "PodSecurity", false, true));
    assert_eq!(drawn.message, "violates PodSecurity");
}

#[test]
fn what_the_server_can_t_do_time_after_time_is_told_and_hides_nothing() {
    let memory = |state, reason| Memory {
        trouble: Some("make the pod: failed calling webhook".to_owned()),
        ..said(state, reason)
    };
    let mut none = World::default();
    none.set_camera(camera("door", "source: {test: {}}"), Told::Watch);
    let pending = drawn(&none, &memory(CameraState::Streaming, ""));
    assert_eq!(short(&pending), ("Pending", "ApiServerError", false, false));
    assert_eq!(pending.message, "make the pod: failed calling webhook");
    let world = world(|pod| running(pod, true));
    let streams = drawn(&world, &memory(CameraState::Streaming, ""));
    assert_eq!(
        short(&streams),
        ("Streaming", "ApiServerError", true, false)
    );
    let stalled = drawn(&world, &memory(CameraState::Stalled, "FileMissing"));
    assert_eq!(short(&stalled).1, "FileMissing");
}

#[test]
fn names_that_are_taken_are_told_from_pods_that_are_about_to_go() {
    let foreign = |owner: bool| {
        world(|mut pod| {
            let owners = pod.metadata.owner_references.as_mut().unwrap();
            owners[0].uid = "an-earlier-camera".to_owned();
            if !owner {
                owners.clear();
            }
            running(pod, true)
        })
    };
    assert_eq!(
        short(&drawn(&foreign(true), &Memory::default())),
        ("Pending", "PreviousPod", false, false)
    );
    let mut lost = world(|mut pod| {
        let owners = pod.metadata.owner_references.as_mut().unwrap();
        "an-earlier-camera".clone_into(&mut owners[0].uid);
        on_node(pod, "n1")
    });
    lost.set_node(&node("n1", Some(90)));
    let told = drawn(&lost, &Memory::default()).message;
    assert!(told.contains("node n1 does not answer"), "{told}");
    assert_eq!(
        short(&drawn(&foreign(false), &Memory::default())),
        ("Pending", "NameTaken", false, true)
    );
}

#[test]
fn a_silent_node_makes_the_state_unknown() {
    let mut world = world(|pod| on_node(running(pod, true), "n1"));
    world.set_node(&node("n1", Some(5)));
    assert_eq!(
        short(&drawn(&world, &Memory::default())),
        ("Unknown", "NodeNotReady", false, false)
    );
}

#[test]
fn a_camera_that_may_not_run_says_why() {
    let mut world = World::default();
    world.set_camera(
        camera("door", "source: {test: {}}, hubRef: {name: lobby}"),
        Told::Watch,
    );
    let drawn = drawn(&world, &Memory::default());
    assert_eq!(short(&drawn), ("Refused", "HubNotFound", false, false));
    assert_eq!(
        drawn.not_accepted.as_ref().map(|(word, _)| *word),
        Some("HubNotFound")
    );

    let device = "source: {v4l2: {deviceSelector: {devicePath: /dev/video0}}}";
    world.set_camera(camera_at("door", device, 2, 2), Told::Watch);
    let drawn = self::drawn(&world, &Memory::default());
    assert_eq!(short(&drawn), ("Pending", "DeviceMissing", false, false));
    assert!(
        drawn.not_accepted.is_none() && matches!(drawn.device, Some((false, "DeviceMissing", _)))
    );

    world.set_camera(
        camera_at("door", "enabled: false, source: {test: {}}", 3, 3),
        Told::Watch,
    );
    let drawn = self::drawn(&world, &Memory::default());
    assert_eq!(short(&drawn), ("Disabled", "Disabled", false, false));
    assert!(drawn.not_accepted.is_none());
}

#[test]
fn a_mistake_is_named_by_its_field_as_validate_names_it() {
    let mut world = world(|pod| running(pod, true));
    let mut broken = camera_at("door", "source: {test: {}}", 2, 2);
    broken.data["spec"]["source"]["test"]["fps"] = json!(500);
    world.set_camera(broken, Told::Watch);
    let drawn = drawn(&world, &Memory::default());
    assert_eq!(
        short(&drawn),
        ("Streaming", "Invalid", true, true),
        "what runs goes on"
    );
    assert!(
        drawn.message.starts_with("spec.source.test.fps: 500: "),
        "{}",
        drawn.message
    );
}

#[test]
fn a_camera_with_a_device_says_whether_it_has_it() {
    let mut world = World::default();
    world.set_camera(camera("door", V4L2), Told::Watch);
    world.set_node(&node_with("n1", &["A1B2", "B2"]));
    world.set_device(device("n1", "A1B2", json!({})), Told::Watch);
    let pod = on_node(running(pod_of(&world, "door", "1"), true), "n1");
    world.set_pod(pod, Told::Watch);
    let of = |world: &World| {
        let drawn = drawn(world, &Memory::default());
        let (ready, reason, text) = drawn.device.clone().expect("it means a device");
        (drawn, ready, reason, text)
    };
    let (drawn, ready, reason, text) = of(&world);
    assert_eq!(short(&drawn), ("Streaming", "", true, false));
    assert_eq!((ready, reason), (true, "DeviceReady"));
    assert!(text.contains("/dev/video0 of node n1"), "{text}");

    // What it would not get again, it keeps.
    let vendor = "source: {v4l2: {deviceSelector: {vendor: 046d}}}";
    world.set_camera(camera_at("door", vendor, 2, 2), Told::Watch);
    world.set_device(device("n1", "B2", json!({})), Told::Watch);
    let (drawn, ready, reason, text) = of(&world);
    assert_eq!(short(&drawn), ("Streaming", "DeviceAmbiguous", true, false));
    assert_eq!((ready, reason), (false, "DeviceAmbiguous"));
    assert!(
        text.contains("n1-a1b2 (") && text.contains("n1-b2 ("),
        "{text}"
    );
    world.remove_pod(&key("door"), None);
    assert_eq!(
        short(&of(&world).0),
        ("Pending", "DeviceAmbiguous", false, true)
    );

    world.set_camera(camera_at("door", V4L2, 3, 3), Told::Watch);
    world.set_device(device("n1", "A1B2", json!({"state": "Absent"})), Told::List);
    assert_eq!(
        short(&of(&world).0),
        ("Pending", "DeviceMissing", false, false)
    );
    let two = "source: {v4l2: {deviceSelector: {serial: A1B2}}, fallbacks: [{v4l2: {deviceSelector: {serial: B2}}}]}";
    world.set_camera(camera_at("door", two, 4, 4), Told::Watch);
    let (drawn, ..) = of(&world);
    assert_eq!(short(&drawn), ("Refused", "Unsupported", false, true));
    assert!(drawn.not_accepted.is_some());
    let off = format!("enabled: false, {V4L2}");
    world.set_camera(camera_at("door", &off, 5, 5), Told::Watch);
    assert_eq!(short(&of(&world).0), ("Disabled", "Disabled", false, false));
    world.set_camera(camera_at("door", "source: {test: {}}", 6, 6), Told::Watch);
    assert_eq!(self::drawn(&world, &Memory::default()).device, None);
}

#[test]
fn the_node_of_a_device_is_waited_for() {
    let mut world = World::default();
    world.set_camera(camera("door", V4L2), Told::Watch);
    world.set_node(&node_with("n1", &["A1B2"]));
    world.set_device(device("n1", "A1B2", json!({})), Told::Watch);
    let pod = on_node(running(pod_of(&world, "door", "1"), true), "n1");
    world.set_pod(pod, Told::Watch);
    world.set_node(&node("n1", Some(600)));
    let drawn = drawn(&world, &Memory::default());
    assert_eq!(short(&drawn), ("Unknown", "NodeUnavailable", false, false));
    assert!(
        drawn.message.contains("node n1 is not ready"),
        "{}",
        drawn.message
    );
}
