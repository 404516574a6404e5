//! Cameras with a capture device.

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};
use streamhub_crds::PodSettings;

use crate::camera::build;
use crate::camera::dereference::{Known, Scope};
use crate::camera::device::Trouble;
use crate::camera::picture::picture;
use crate::samples::{
    MILLIS, V4L2, camera, camera_at, device, key, node, node_with, now, observe, on_node, pod_of,
    recipe, running, with_status,
};
use crate::world::{Told, World};

use super::*;

/// Seconds since [`MILLIS`], as Kubernetes writes them.
fn at(seconds: i64) -> String {
    let time = Timestamp::from_millisecond(MILLIS as i64 + seconds * 1000);
    time.unwrap().to_string()
}

fn step(world: &World, memory: &Memory) -> Step {
    let observed = observe(world, "door");
    let wanted = match &observed.verdict {
        Verdict::Run(run) => Some(build::wanted(run, &recipe("1"))),
        Verdict::Refused(_) => None,
    };
    let lost_after = Duration::from_mins(1);
    decide(&observed, wanted.as_ref(), memory, lost_after, now())
}

fn plain(world: &World) -> Step {
    step(world, &Memory::default())
}

/// A camera, its device on node n1, and its pod there.
fn plugged(change: impl FnOnce(Pod) -> Pod) -> World {
    let mut world = World::default();
    world.set_node(&node_with("n1", &["A1B2"]));
    world.set_node(&node_with("n2", &["A1B2"]));
    world.set_device(device("n1", "A1B2", json!({})), Told::Watch);
    world.set_camera(camera("door", V4L2), Told::Watch);
    let pod = running(on_node(pod_of(&world, "door", "1"), "n1"), true);
    world.set_pod(change(pod), Told::Watch);
    world
}

fn report(world: &mut World, node: &str, changes: Value) {
    world.set_device(device(node, "A1B2", changes), Told::List);
}

fn cordoned() -> Node {
    let mut node = node_with("n1", &["A1B2"]);
    node.spec.get_or_insert_default().unschedulable = Some(true);
    node
}

#[test]
fn who_is_unplugged_has_no_pod_and_who_is_plugged_in_elsewhere_gets_one_there() {
    let mut world = plugged(|pod| pod);
    assert_eq!(plain(&world), Step::Keep);
    report(&mut world, "n1", json!({"state": "Absent"}));
    assert_eq!(plain(&world), Step::Delete(Why::Refused("DeviceMissing")));
    world.remove_pod(&key("door"), None);
    assert_eq!(plain(&world), Step::Keep, "nothing is pending");
    report(&mut world, "n2", json!({}));
    assert_eq!(plain(&world), Step::Create);
    // Before the first was ever missed.
    let mut world = plugged(|pod| pod);
    report(&mut world, "n1", json!({"state": "Absent"}));
    report(&mut world, "n2", json!({}));
    assert_eq!(plain(&world), Step::Delete(Why::Changed));
}

#[test]
fn a_device_under_another_number_needs_another_pod_and_one_that_is_taken_or_registered_again_does_not()
 {
    let mut world = plugged(|pod| pod);
    for same in [
        json!({"state": "Busy", "holder": "default/cam-door"}),
        json!({"state": "Busy", "holder": "default/cam-other"}),
        json!({"registeredAt": "2026-11-22T00:00:00Z"}),
        json!({"formats": [{"fourcc": "MJPG"}], "card": "Another name"}),
    ] {
        report(&mut world, "n1", same.clone());
        assert_eq!(plain(&world), Step::Keep, "{same}");
    }
    let identity = json!({"bus": "usb", "vendor": "046d", "product": "0825", "serial": "A1B2", "usbPath": "1-2:1.0",
        "path": "usb-1-2:1.0"});
    for other in [
        json!({"devicePath": "/dev/video1"}),
        json!({"deviceNumber": "81:1"}),
        json!({"gid": 1001}),
        json!({"identity": identity}),
    ] {
        report(&mut world, "n1", other.clone());
        assert_eq!(plain(&world), Step::Delete(Why::Changed), "{other}");
    }
}

#[test]
fn a_cordoned_node_keeps_the_pod_that_it_has_and_gets_no_other() {
    let mut world = plugged(|pod| pod);
    world.set_node(&cordoned());
    assert_eq!(plain(&world), Step::Keep);
    let faster = V4L2.replace("}}}", "}, mode: {fps: 30}}}");
    world.set_camera(camera_at("door", &faster, 2, 2), Told::Watch);
    assert_eq!(
        plain(&world),
        Step::Patch,
        "what needs no other is given to it"
    );
    let moved = format!("{V4L2}, pod: {{nodeSelector: {{a: b}}}}");
    world.set_camera(camera_at("door", &moved, 3, 3), Told::Watch);
    assert_eq!(plain(&world), Step::Keep, "what needs another waits");
    world.set_node(&node_with("n1", &["A1B2"]));
    assert_eq!(plain(&world), Step::Keep, "its node would not take it");
    let mut labelled = node_with("n1", &["A1B2"]);
    let label = ("a".to_owned(), "b".to_owned());
    labelled.metadata.labels = Some([label].into());
    world.set_node(&labelled);
    assert_eq!(plain(&world), Step::Delete(Why::Changed));
    world.set_node(&cordoned());
    let drained = with_status(
        pod_of(&plugged(|pod| pod), "door", "1"),
        json!({"phase": "Failed"}),
    );
    world.set_pod(on_node(drained, "n1"), Told::List);
    assert!(matches!(plain(&world), Step::Delete(Why::Ended(_))));
    world.remove_pod(&key("door"), None);
    assert_eq!(plain(&world), Step::Keep);
}

#[test]
fn a_pod_of_a_dead_node_is_given_up_only_where_its_camera_is_elsewhere() {
    let mut world = plugged(|pod| pod);
    world.set_node(&node("n1", Some(600)));
    assert_eq!(plain(&world), Step::Wait(NOWHERE_AGAIN));
    report(&mut world, "n2", json!({}));
    let force = Step::ForceDelete {
        node: "n1".to_owned(),
    };
    assert_eq!(plain(&world), force);
    world.set_node(&node("n1", Some(20)));
    assert_eq!(plain(&world), Step::Wait(Duration::from_secs(40)));
    // As when the machine was thrown away.
    let mut world = plugged(|pod| pod);
    world.remove_node("n1");
    assert_eq!(plain(&world), force);
    world.remove_pod(&key("door"), None);
    assert_eq!(plain(&world), Step::Keep);
}

#[test]
fn a_pod_that_found_no_node_is_ended_with_what_it_waits_for() {
    for (change, reason) in [
        (
            json!({"state": "Busy", "holder": "other/pod"}),
            "DeviceBusy",
        ),
        (json!({"bootID": "boot-0"}), "NodeUnavailable"),
    ] {
        let mut world = plugged(|mut pod| {
            pod.spec.as_mut().unwrap().node_name = None;
            with_status(pod, json!({"phase": "Pending"}))
        });
        assert_eq!(plain(&world), Step::Keep);
        report(&mut world, "n1", change);
        assert_eq!(plain(&world), Step::Delete(Why::Refused(reason)));
    }
}

/// A pod that a kubelet has just refused for want of the device.
fn rejected(reason: &str) -> impl FnOnce(Pod) -> Pod {
    let reason = reason.to_owned();
    move |pod| {
        let mut pod = with_status(pod, json!({"phase": "Failed", "reason": reason}));
        let fields = json!([
            {"manager": "kubelet", "operation": "Update", "subresource": "status", "time": at(0)},
            {"manager": "streamhub-operator", "operation": "Update", "time": at(40)}]);
        pod.metadata.managed_fields = serde_json::from_value(fields).unwrap();
        pod
    }
}

#[test]
fn a_pod_that_its_node_would_not_have_is_made_again_once_the_device_is_registered() {
    for reason in ["UnexpectedAdmissionError", "OutOfstreamhub.dev/cam-a1b2"] {
        let mut world = plugged(rejected(reason));
        let early = Step::Wait(REGISTERED_BY);
        assert_eq!(plain(&world), early, "registered long before");
        report(&mut world, "n1", json!({"registeredAt": at(-1)}));
        assert_eq!(plain(&world), early);
        // While its node is not all there, it stays as well.
        world.set_node(&node_with("n1", &[]));
        assert_eq!(plain(&world), early);
        world.set_node(&node_with("n1", &["A1B2"]));
        report(&mut world, "n1", json!({"registeredAt": at(1)}));
        let ended = |step: Step| matches!(step, Step::Delete(Why::Ended(_)));
        assert!(ended(plain(&world)), "{reason}");
        // A clock that is behind: that it was registered again is all that counts.
        report(&mut world, "n1", json!({"registeredAt": at(-900)}));
        assert_eq!(plain(&world), early);
        let memory = |registered: &str| Memory {
            rejection: Some(("uid-cam-door".to_owned(), Some(registered.to_owned()))),
            ..Memory::default()
        };
        assert_eq!(step(&world, &memory(&at(-900))), early);
        assert!(ended(step(&world, &memory(&at(-1000)))));
        // Unplugged meanwhile.
        report(&mut world, "n1", json!({"state": "Absent"}));
        assert!(ended(plain(&world)));
    }
}

#[test]
fn a_pod_of_an_earlier_boot_is_made_again_as_soon_as_the_device_is_offered() {
    let ran = |boot: &str| Memory {
        ran: Some(("uid-cam-door".to_owned(), boot.to_owned())),
        rejection: Some(("uid-cam-door".to_owned(), Some(at(-20)))),
        ..Memory::default()
    };
    let mut world = plugged(rejected("UnexpectedAdmissionError"));
    // The kubelet's word of the pod came later than the agent's of the device.
    report(&mut world, "n1", json!({"registeredAt": at(-20)}));
    let made_again = |world: &World, boot: &str| {
        let step = step(world, &ran(boot));
        matches!(step, Step::Delete(Why::Ended(_)))
    };
    assert!(made_again(&world, "boot-0"));
    assert!(!made_again(&world, "boot-1"), "the kubelet started again");
    assert!(!made_again(&world, ""));
    world.set_node(&node_with("n1", &[]));
    assert!(!made_again(&world, "boot-0"), "it is not offered yet");
    world.set_node(&node_with("n1", &["A1B2"]));
    report(&mut world, "n1", json!({"registeredAt": null}));
    assert!(!made_again(&world, "boot-0"), "nor registered");
    report(&mut world, "n1", json!({"bootID": "boot-0"}));
    assert!(!made_again(&world, "boot-0"), "nor reported");
}

#[test]
fn a_rejected_pod_is_not_waited_with_for_ever_and_others_are_not_waited_with() {
    let world = plugged(rejected("UnexpectedAdmissionError"));
    let observed = observe(&world, "door");
    let later = Now {
        millis: MILLIS + 61_000,
        ..now()
    };
    let step = decide(
        &observed,
        None,
        &Memory::default(),
        Duration::from_mins(1),
        later,
    );
    assert!(matches!(step, Step::Delete(Why::Ended(_))));
    let evicted = plugged(rejected("Evicted"));
    assert!(matches!(plain(&evicted), Step::Delete(Why::Ended(_))));
}

const RTSP: &str = "rtsp: {url: 'rtsp://10.0.0.7/1'}";
const USB: &str = "v4l2: {deviceSelector: {serial: A1B2}}";

#[test]
fn who_has_another_source_runs_without_a_device_that_can_not_be_had() {
    for (source, fallback) in [(RTSP, USB), (USB, RTSP)] {
        let spec = format!("source: {{{source}, fallbacks: [{{{fallback}}}]}}");
        let mut others = device("n1", "A1B2", json!({}));
        others.data["spec"] = json!({"allowedNamespaces": ["studio"]});
        others.metadata.resource_version = Some("3".to_owned());
        let twin = device("n2", "A1B2", json!({}));
        for (gone, reason) in [
            (
                device("n1", "A1B2", json!({"state": "Absent"})),
                "DeviceMissing",
            ),
            (others, "DeviceNotAllowed"),
            (twin, "DeviceAmbiguous"),
            (
                device(
                    "n1",
                    "A1B2",
                    json!({"state": "Busy", "holder": "other/pod"}),
                ),
                "DeviceBusy",
            ),
        ] {
            let mut world = World::default();
            world.set_node(&node_with("n1", &["A1B2"]));
            world.set_node(&node_with("n2", &["A1B2"]));
            world.set_device(device("n1", "A1B2", json!({})), Told::Watch);
            world.set_camera(camera("door", &spec), Told::Watch);
            let with = running(on_node(pod_of(&world, "door", "1"), "n1"), true);
            world.set_device(gone, Told::List);
            assert_eq!(plain(&world), Step::Create, "{reason}");
            let observed = observe(&world, "door");
            assert_eq!(observed.without().map(Trouble::word), Some(reason));
            let without = running(on_node(pod_of(&world, "door", "1"), "n1"), true);
            world.set_pod(without.clone(), Told::List);
            assert_eq!(plain(&world), Step::Keep, "{reason}");
            let picture = picture(&observe(&world, "door"), &Memory::default(), &Step::Keep);
            assert!(picture.ready && picture.not_accepted.is_none());
            assert_eq!(picture.reason, reason);
            assert_eq!(picture.device.map(|(ready, ..)| ready), Some(false));
            // The pod that has it goes on with what is there, but keeps what others may have as well.
            world.set_pod(with, Told::List);
            let kept = matches!(reason, "DeviceAmbiguous" | "DeviceBusy");
            let changed = Step::Delete(Why::Changed);
            let wanted = if kept { Step::Keep } else { changed.clone() };
            assert_eq!(plain(&world), wanted, "{reason}");
            // It can be had again.
            world.remove_device("n2-a1b2", None);
            report(&mut world, "n1", json!({}));
            world.set_pod(without, Told::List);
            assert_eq!(plain(&world), changed, "{reason}");
        }
    }
}

#[test]
fn a_dead_node_takes_no_other_source_with_it_and_one_device_is_still_all() {
    let spec = format!("source: {{{RTSP}, fallbacks: [{{{USB}}}]}}");
    let mut world = World::default();
    world.set_node(&node_with("n1", &["A1B2"]));
    world.set_node(&node_with("n2", &[]));
    report(&mut world, "n1", json!({}));
    world.set_camera(camera("door", &spec), Told::Watch);
    let pod = running(on_node(pod_of(&world, "door", "1"), "n1"), true);
    world.set_pod(pod, Told::Watch);
    assert_eq!(plain(&world), Step::Keep);
    let defaults = PodSettings::default();
    let scope = |devices| Scope {
        nats: None,
        pods: &defaults,
        nodes: Known::All,
        devices,
    };
    let unlisted = Observed::of(&world, &key("door"), &scope(Known::NotYet)).unwrap();
    let step = decide(
        &unlisted,
        None,
        &Memory::default(),
        Duration::from_mins(1),
        now(),
    );
    assert_eq!(step, Step::Keep);
    world.set_node(&node("n1", Some(600)));
    let node = "n1".to_owned();
    assert_eq!(plain(&world), Step::ForceDelete { node });
    world.remove_pod(&key("door"), None);
    assert_eq!(plain(&world), Step::Create);
    let two = format!("source: {{{RTSP}, fallbacks: [{{{USB}}}, {{{USB}}}]}}");
    world.set_camera(camera_at("door", &two, 2, 2), Told::Watch);
    assert_eq!(plain(&world), Step::Keep);
    assert!(matches!(
        observe(&world, "door").verdict,
        Verdict::Refused(_)
    ));
}

#[test]
fn who_has_another_source_does_not_wait_for_a_device_that_comes_and_goes() {
    let memory = Memory {
        no_device_before: Some(now().instant + Duration::from_mins(4)),
        ..Memory::default()
    };
    let world = |spec: &str| {
        let mut world = World::default();
        world.set_node(&node_with("n1", &["A1B2"]));
        report(&mut world, "n1", json!({}));
        world.set_camera(camera("door", spec), Told::Watch);
        world
    };
    assert!(matches!(step(&world(V4L2), &memory), Step::Wait(_)));
    let spec = format!("source: {{{RTSP}, fallbacks: [{{{USB}}}]}}");
    let mut both = world(&spec);
    let with = running(on_node(pod_of(&both, "door", "1"), "n1"), true);
    let held = |world: &World| {
        let mut observed = observe(world, "door");
        let held = hold_back(&mut observed, &memory, now());
        let Verdict::Run(run) = &observed.verdict else {
            panic!("it runs");
        };
        let wanted = build::wanted(run, &recipe("1"));
        let lost_after = Duration::from_mins(1);
        let step = decide(&observed, Some(&wanted), &memory, lost_after, now());
        (held.is_some(), run.device.is_none(), step)
    };
    assert_eq!(held(&both), (true, true, Step::Create));
    report(&mut both, "n1", json!({"state": "Absent"}));
    let without = running(on_node(pod_of(&both, "door", "1"), "n1"), true);
    both.set_pod(without, Told::Watch);
    report(&mut both, "n1", json!({}));
    assert_eq!(held(&both), (true, true, Step::Keep), "the same pod");
    both.set_pod(with, Told::List);
    assert_eq!(held(&both), (false, false, Step::Keep));
}

#[test]
fn who_was_rejected_for_another_device_does_not_wait_for_this_one() {
    let ended = |world: &World| matches!(plain(world), Step::Delete(Why::Ended(_)));
    let mut world = plugged(rejected("UnexpectedAdmissionError"));
    assert!(!ended(&world));
    report(&mut world, "n1", json!({"state": "Absent"}));
    report(&mut world, "n2", json!({}));
    assert!(ended(&world), "it is elsewhere");
    world.set_node(&node_with("n2", &[]));
    assert!(ended(&world), "and not offered there yet");
    let mut world = plugged(rejected("UnexpectedAdmissionError"));
    report(
        &mut world,
        "n1",
        json!({"resource": "streamhub.dev/cam-other"}),
    );
    assert!(ended(&world), "another one with that number");
}
