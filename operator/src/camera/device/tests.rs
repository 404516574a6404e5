use k8s_openapi::api::core::v1::Node;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use streamhub_crds::PodSettings;

use crate::camera::verdict::{Refused, Verdict};
use crate::samples::{
    V4L2, camera, camera_at, device, key, node, node_with, observe, on_node, pod_of, running,
};
use crate::world::{Told, World};

use super::*;

/// A camera `door` of this selector, a node for each that is named by the devices, all of which it offers.
fn world(selector: &str, devices: &[DynamicObject]) -> World {
    let mut world = World::default();
    let spec = format!("source: {{v4l2: {{deviceSelector: {{{selector}}}}}}}");
    world.set_camera(camera("door", &spec), Told::Watch);
    for device in devices {
        let node = device.data["status"]["node"].as_str().unwrap();
        let here = devices
            .iter()
            .filter(|other| other.data["status"]["node"] == node);
        let serials: Vec<&str> = here
            .map(|one| one.data["status"]["resource"].as_str().unwrap())
            .map(|resource| resource.rsplit('-').next().unwrap())
            .collect();
        world.set_node(&node_with(node, &serials));
        world.set_device(device.clone(), Told::Watch);
    }
    world
}

fn found(world: &World) -> Result<Found, Trouble> {
    observe(world, "door").device.expect("it wants a device")
}

/// The name of what was found, or the reason and its text.
fn short(world: &World) -> Result<String, (&'static str, String)> {
    match found(world) {
        Ok(found) => Ok(found.device.id),
        Err(trouble) => Err((trouble.word(), trouble.to_string())),
    }
}

fn trouble(world: &World) -> (&'static str, String) {
    short(world).expect_err("there is nothing to be had")
}

fn with_pod(mut world: World) -> World {
    let node = found(&world).unwrap().device.node;
    let pod = on_node(running(pod_of(&world, "door", "1"), true), &node);
    world.set_pod(pod, Told::Watch);
    world
}

fn plain(node: &str, serial: &str) -> DynamicObject {
    device(node, serial, json!({}))
}

fn cordoned(mut node: Node) -> Node {
    node.spec.get_or_insert_default().unschedulable = Some(true);
    node
}

#[test]
fn each_word_of_a_selector_finds_the_one_device_that_it_is_true_of() {
    let other = json!({"devicePath": "/dev/video7", "links": ["/dev/v4l/by-id/usb-other"], "identity": {
        "bus": "usb", "vendor": "1234", "product": "00ff", "serial": "ZZ", "usbPath": "2-3.1:1.0", "path": "usb-2-3.1:1.0"}});
    let devices = [plain("n1", "A1B2"), device("n2", "ZZ", other)];
    for selector in [
        "serial: ZZ",
        "vendor: '1234'",
        "vendor: '1234', product: 00ff",
        "usbPath: 2-3.1",
        "usbPath: '2-3.1:1.0'",
        "node: n2",
        "devicePath: /dev/video7",
        "devicePath: /dev/v4l/by-id/usb-other",
    ] {
        let found = short(&world(selector, &devices));
        assert_eq!(found, Ok("n2-zz".to_owned()), "{selector}");
    }
    let nobody = trouble(&world("vendor: '1234', node: n1", &devices));
    assert_eq!(nobody.0, "DeviceMissing");
}

#[test]
fn a_device_that_is_missing_is_told_by_what_was_known_of_it() {
    let (reason, text) = trouble(&world("serial: A1B2", &[]));
    assert!(
        reason == "DeviceMissing" && text.contains("no node agent"),
        "{text}"
    );
    let (reason, text) = trouble(&world("serial: A1B2", &[plain("n1", "ZZ")]));
    assert_eq!(reason, "DeviceMissing");
    assert!(
        text.starts_with("no node has reported a device with serial A1B2;"),
        "{text}"
    );
    let (reason, text) = trouble(&world("serial: \"0000\"", &[plain("n1", "ZZ")]));
    assert_eq!(reason, "DeviceMissing");
    assert!(
        text.contains("serial number 0000") && text.contains("usbPath"),
        "{text}"
    );
    let gone = |node: &str, at: &str| {
        device(
            node,
            "A1B2",
            json!({"state": "Absent", "lastSeen": at, "devicePath": "/dev/video2"}),
        )
    };
    let world = world(
        "serial: A1B2",
        &[
            gone("n1", "2026-11-21T00:00:05Z"),
            gone("n2", "2026-11-21T00:00:01Z"),
        ],
    );
    let (reason, text) = trouble(&world);
    assert_eq!(reason, "DeviceMissing");
    assert_eq!(
        text,
        "the device with serial A1B2 (Webcam) is unplugged: it was last seen on node n1 as /dev/video2 at \
         2026-11-21T00:00:05Z; plug it in again"
    );
}

#[test]
fn of_several_devices_none_is_chosen_and_all_are_named() {
    let devices = [plain("n1", "A1"), plain("n1", "A2"), plain("n2", "A3")];
    let (reason, text) = trouble(&world("vendor: 046d", &devices));
    assert_eq!(reason, "DeviceAmbiguous");
    assert!(
        text.starts_with(
            "3 devices have vendor 046d: n1-a1 (Webcam, serial A1, usbPath 1-1:1.0, /dev/video0 of node n1); n1-a2 ("
        ),
        "{text}"
    );
    assert!(
        found(&world("vendor: 046d", &devices))
            .unwrap_err()
            .is_stalled()
    );
    let many: Vec<DynamicObject> = (0..64).map(|n| plain("n1", &format!("S{n}"))).collect();
    let (_, text) = trouble(&world("vendor: 046d", &many));
    assert!(
        text.contains("; and 56 more;") && text.len() < 1000,
        "{text}"
    );
}

#[test]
fn a_camera_that_runs_stays_when_another_device_fits_too() {
    let mut world = with_pod(world("vendor: 046d", &[plain("n1", "A1")]));
    world.set_node(&node_with("n2", &["a2"]));
    world.set_device(plain("n2", "A2"), Told::Watch);
    let ours = found(&world).unwrap();
    assert_eq!(ours.device.id, "n1-a1");
    assert_eq!(
        ours.doubt.map(|doubt| doubt.word()),
        Some("DeviceAmbiguous")
    );
    world.remove_pod(&key("door"), None);
    assert_eq!(trouble(&world).0, "DeviceAmbiguous");
}

#[test]
fn what_others_keep_and_what_nobody_can_use_is_meant_only_where_there_is_nothing_else() {
    let mut others = plain("n1", "A1");
    others.data["spec"] = json!({"allowedNamespaces": ["studio"]});
    let raw = |serial: &str| {
        let why = "raw Bayer; use libcamera";
        device(
            "n1",
            serial,
            json!({"state": "Unsupported", "unsupported": why}),
        )
    };
    let all = [others.clone(), raw("A2"), plain("n1", "A3")];
    assert_eq!(short(&world("node: n1", &all)), Ok("n1-a3".to_owned()));
    let (reason, text) = trouble(&world("node: n1", &all[..2]));
    assert!(
        reason == "DeviceUnsupported" && text.ends_with(": raw Bayer; use libcamera"),
        "{text}"
    );
    let (reason, text) = trouble(&world("node: n1", &all[..1]));
    assert_eq!(reason, "DeviceNotAllowed");
    assert!(
        text.starts_with("VideoDevice n1-a1 is not for Cameras of namespace default;"),
        "{text}"
    );
    others.data["spec"] = json!({"allowedNamespaces": ["studio", "default"]});
    assert_eq!(short(&world("node: n1", &[others])), Ok("n1-a1".to_owned()));
}

#[test]
fn a_node_that_can_not_give_its_device_counts_as_without() {
    let offered = || node_with("n1", &["a1b2"]);
    let mut again = offered();
    let info = again.status.as_mut().unwrap().node_info.as_mut().unwrap();
    info.boot_id = "boot-2".to_owned();
    let rows: [(Option<Node>, &str, bool); 6] = [
        (Some(cordoned(offered())), "is cordoned", true),
        (Some(again), "has restarted", true),
        (Some(node_with("n1", &[])), "does not offer it", true),
        (Some(node("n1", Some(5))), "is not ready", false),
        (None, "not part of the cluster", false),
        (Some(offered()), "", true),
    ];
    for (node, words, stays) in rows {
        let mut world = world("serial: A1B2", &[plain("n1", "A1B2")]);
        let set = |world: &mut World| match &node {
            Some(node) => drop(world.set_node(node)),
            None => drop(world.remove_node("n1")),
        };
        let mut with_pod = with_pod(self::world("serial: A1B2", &[plain("n1", "A1B2")]));
        set(&mut world);
        set(&mut with_pod);
        match short(&world) {
            Ok(_) => assert_eq!(words, ""),
            Err((reason, text)) => {
                assert_eq!(reason, "NodeUnavailable");
                assert!(!words.is_empty() && text.contains(words), "{text}");
            }
        }
        let observed = observe(&with_pod, "door");
        match &observed.verdict {
            Verdict::Run(_) => assert!(stays, "{words}"),
            Verdict::Refused(refused) => {
                assert!(!stays && refused.word() == "NodeUnavailable", "{words}");
                assert!(refused.keeps(observed.own_pod().unwrap()), "{words}");
            }
        }
    }
}

#[test]
fn a_camera_taken_from_a_dead_node_to_another_is_found_there() {
    let devices = [plain("n1", "A1B2"), plain("n2", "A1B2")];
    let mut moved = world("serial: A1B2", &devices);
    assert_eq!(trouble(&moved).0, "DeviceAmbiguous", "two with one number");
    for state in [node("n1", Some(5)), cordoned(node_with("n1", &["a1b2"]))] {
        moved.set_node(&state);
        assert_eq!(short(&moved), Ok("n2-a1b2".to_owned()));
    }
    // A place says nothing of what is plugged in there.
    let identity = json!({"identity": {"bus": "usb", "vendor": "046d", "usbPath": "1-1:1.0", "path": "usb-1-1:1.0"}});
    let devices = ["n1", "n2"].map(|node| device(node, "P", identity.clone()));
    let mut twins = world("vendor: 046d", &devices);
    twins.set_node(&node("n1", Some(5)));
    assert_eq!(trouble(&twins).0, "DeviceAmbiguous");
}

#[test]
fn a_camera_of_a_cluster_has_one_device() {
    let mut world = world("serial: A1B2", &[plain("n1", "A1B2"), plain("n1", "A3")]);
    let two = format!(
        "{}, fallbacks: [{{v4l2: {{deviceSelector: {{serial: A3}}}}}}]}}",
        V4L2.strip_suffix('}').unwrap()
    );
    world.set_camera(camera("two", &two), Told::Watch);
    let Verdict::Refused(refused) = observe(&world, "two").verdict else {
        panic!("it may not run");
    };
    assert_eq!(
        (refused.word(), refused.is_stalled()),
        ("Unsupported", true)
    );
}

#[test]
fn who_has_a_device_is_named_and_who_is_older_gets_it_in_the_end() {
    let held = |by: &str| {
        let mut held = device("n1", "A1B2", json!({"state": "Busy", "holder": by}));
        held.metadata.resource_version = Some("2".to_owned());
        held
    };
    let mut world = world("serial: A1B2", &[plain("n1", "A1B2")]);
    world.set_device(held("default/cam-door"), Told::Watch);
    assert!(found(&world).unwrap().busy.is_none(), "it is its own pod's");
    world.set_device(held("default/cam-younger"), Told::List);
    let mut younger = camera("younger", V4L2);
    younger.metadata.creation_timestamp =
        serde_json::from_value(json!("2026-11-22T00:00:00Z")).unwrap();
    world.set_camera(younger, Told::Watch);
    let refused = |name: &str| match observe(&world, name).verdict {
        Verdict::Refused(refused) => (refused.word(), refused.to_string()),
        Verdict::Run(_) => panic!("{name} may not run"),
    };
    let (reason, text) = refused("door");
    assert_eq!(reason, "DeviceBusy");
    assert!(
        text.contains("in use by pod default/cam-younger;"),
        "{text}"
    );
    let (reason, text) = refused("younger");
    assert_eq!(reason, "Conflict");
    assert!(
        text.contains(
            "default/door is older and reads the same device n1-a1b2 (/dev/video0 of node n1)"
        ),
        "{text}"
    );
}

#[test]
fn before_devices_are_listed_nothing_is_ended_and_where_they_are_not_looked_at_that_is_said() {
    let world = with_pod(world("serial: A1B2", &[plain("n1", "A1B2")]));
    let defaults = PodSettings::default();
    let of = |devices: Known, nodes: Known| {
        let scope = Scope {
            nats: None,
            pods: &defaults,
            nodes,
            devices,
        };
        crate::camera::Observed::of(&world, &key("door"), &scope).unwrap()
    };
    let observed = of(Known::NotYet, Known::All);
    let Some(Err(trouble)) = &observed.device else {
        panic!("nothing is known");
    };
    let refused = Refused::Device(Box::new(trouble.clone()));
    assert!(refused.keeps(observed.own_pod().unwrap()) && !refused.is_stalled());
    let observed = of(Known::Never, Known::All);
    assert!(matches!(observed.device, Some(Err(Trouble::NotWatched))));
    let nodes = |known| of(Known::All, known).device.unwrap().unwrap().doubt;
    assert!(nodes(Known::NotYet).is_some() && nodes(Known::Never).is_none());
}

#[test]
fn what_a_device_calls_itself_does_nothing_to_a_terminal() {
    let card = "Web\u{1b}[2Jcam\n";
    let world = world(
        "serial: A1B2",
        &[device("n1", "A1B2", json!({"card": card}))],
    );
    let shown = found(&world).unwrap().shown;
    assert!(
        shown.starts_with("n1-a1b2 (Web[2Jcam, serial A1B2"),
        "{shown:?}"
    );
    let status: Value = serde_json::to_value(shown).unwrap();
    assert!(!status.to_string().contains("\\u001b"));
}

#[test]
fn a_node_that_is_no_more_makes_nothing_ambiguous() {
    let numberless = json!({"identity": {"bus": "usb", "vendor": "046d", "usbPath": "1-1:1.0", "path": "usb-1-1:1.0"}});
    let devices = ["n1", "n2"].map(|node| device(node, "P", numberless.clone()));
    for selector in [
        "vendor: 046d",
        "usbPath: '1-1:1.0'",
        "devicePath: /dev/video0",
    ] {
        let mut world = world(selector, &devices);
        assert_eq!(trouble(&world).0, "DeviceAmbiguous");
        world.remove_node("n1");
        assert_eq!(short(&world), Ok("n2-p".to_owned()), "{selector}");
        world.remove_node("n2");
        assert_eq!(trouble(&world).0, "DeviceAmbiguous", "none is left");
    }
}

#[test]
fn where_the_agent_has_ended_a_camera_that_is_offered_elsewhere_is_not() {
    let devices = [plain("n1", "A1B2"), plain("n2", "A1B2")];
    let mut world = world("serial: A1B2", &devices);
    world.set_node(&node_with("n1", &[]));
    assert_eq!(short(&world), Ok("n2-a1b2".to_owned()));
    world.set_node(&node_with("n2", &[]));
    assert_eq!(trouble(&world).0, "DeviceAmbiguous");
    world.set_node(&cordoned(node_with("n1", &["a1b2"])));
    assert_eq!(trouble(&world).0, "NodeUnavailable");
}

#[test]
fn a_twin_that_is_not_offered_yet_is_a_twin_all_the_same() {
    let identity = json!({"bus": "usb", "vendor": "046d", "product": "0825", "serial": "A1B2",
        "usbPath": "1-2:1.0", "path": "usb-1-2:1.0", "index": 0});
    let twin = device("n1", "B7", json!({"identity": identity}));
    let mut world = world("serial: A1B2", &[plain("n1", "A1B2"), twin]);
    world.set_node(&node_with("n1", &["a1b2"]));
    assert_eq!(trouble(&world).0, "DeviceAmbiguous");
}

#[test]
fn who_may_use_a_camera_is_not_forgotten_when_it_moves() {
    let here = plain("n2", "A1B2");
    let mut before = device("n1", "A1B2", json!({"state": "Absent"}));
    before.data["spec"] = json!({"allowedNamespaces": ["studio"]});
    let mut world = world("serial: A1B2, node: n2", &[here]);
    assert!(short(&world).is_ok());
    let touched = world.set_device(before.clone(), Told::List);
    assert!(touched.cameras.contains(&key("door")));
    assert_eq!(trouble(&world).0, "DeviceNotAllowed");
    before.data["spec"] = json!({"allowedNamespaces": ["studio", "default"]});
    let touched = world.set_device(before.clone(), Told::List);
    assert!(touched.cameras.contains(&key("door")) && short(&world).is_ok());
    before.data["spec"] = json!({"allowedNamespaces": []});
    world.set_device(before, Told::List);
    let touched = world.remove_device("n1-a1b2", None);
    assert!(touched.cameras.contains(&key("door")) && short(&world).is_ok());
}

#[test]
fn a_node_that_would_not_take_the_pod_is_told_of_with_what_it_minds() {
    let mut tainted = node_with("n1", &["a1b2"]);
    let taint = json!({"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]});
    tainted.spec = serde_json::from_value(taint).unwrap();
    let mut world = world("serial: A1B2", &[plain("n1", "A1B2")]);
    let mut running = with_pod(self::world("serial: A1B2", &[plain("n1", "A1B2")]));
    let mut generation = 1_i64;
    let mut set = |world: &mut World, pod: &str| {
        generation += 1;
        let spec = format!("{V4L2}, pod: {{{pod}}}");
        let version = generation.unsigned_abs();
        world.set_camera(camera_at("door", &spec, generation, version), Told::Watch);
    };
    world.set_node(&tainted);
    let (reason, text) = trouble(&world);
    assert_eq!(reason, "NodeUnavailable");
    assert!(
        text.contains("does not tolerate its taint dedicated=db:NoSchedule;"),
        "{text}"
    );
    running.set_node(&tainted);
    assert!(found(&running).unwrap().doubt.is_some(), "it stays");
    set(
        &mut world,
        "tolerations: [{key: dedicated, operator: Exists}]",
    );
    assert!(short(&world).is_ok());
    set(
        &mut world,
        "nodeSelector: {room: a}, tolerations: [{operator: Exists}]",
    );
    let (_, text) = trouble(&world);
    assert!(text.contains("has no label room=a;"), "{text}");
}
