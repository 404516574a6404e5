//! What is decided for cameras and hubs, case by case.

mod support;

use std::collections::BTreeMap;

use serde_json::json;
use streamhub_crds::Camera;
use streamhub_plan::{Applied, Device, Facts, Reason, SecretNeed, Step, needs_own_nats, steps};
use support::{camera, device, facts, hub, key, planned, planned_by, planned_with, url};

const RTSP: &str = "rtsp: {url: 'rtsp://10.0.0.7/1'}";

#[test]
fn a_camera_without_a_written_hub_gets_the_implied_one_on_our_server() {
    let plan = planned(&[camera("door", "test: {}", "")], &[]);
    let run = &plan.runs[&key("door")];
    assert_eq!(run.prefix(), "streamhub.default.default");
    assert_eq!(run.hub.spec.nats.as_ref().unwrap().url, Some(url()));
    assert_eq!(run.notice, None);
}

#[test]
fn a_hub_with_a_server_of_its_own_keeps_it() {
    let hubs = [hub(
        "lobby",
        "nats: {url: 'nats://lobby:4222', subjectPrefix: a.b}",
    )];
    let cameras = [camera("door", "test: {}", "hubRef: {name: lobby}")];
    let run = &planned(&cameras, &hubs).runs[&key("door")];
    assert_eq!(run.prefix(), "a.b");
    assert_eq!(
        run.hub
            .spec
            .nats
            .as_ref()
            .unwrap()
            .url
            .as_ref()
            .unwrap()
            .as_str(),
        "nats://lobby:4222"
    );
    assert!(!needs_own_nats(&cameras, &hubs));
    assert!(needs_own_nats(&[camera("yard", "test: {}", "")], &hubs));
    assert!(!needs_own_nats(
        &[camera("yard", "test: {}", "enabled: false")],
        &hubs
    ));
}

#[test]
fn without_any_server_a_camera_is_refused() {
    let plan = planned_with(
        &[camera("door", "test: {}", "")],
        &[],
        &BTreeMap::new(),
        None,
    );
    assert_eq!(
        plan.refused[&key("door")],
        Reason::NatsUnknown {
            hub: "default".into()
        }
    );
}

#[test]
fn a_hub_that_goes_away_starts_nothing_and_stops_nothing() {
    let lost = camera("door", "test: {}", "hubRef: {name: lobby}");
    let reason = Reason::HubNotFound {
        hub: "lobby".into(),
    };
    assert_eq!(
        planned(std::slice::from_ref(&lost), &[]).refused[&key("door")],
        reason
    );

    let with_hub = planned(std::slice::from_ref(&lost), &[hub("lobby", "")]);
    let before = &with_hub.runs[&key("door")];
    let known = Facts {
        running: Some(before.hub.clone()),
        ..facts(1)
    };
    let plan = planned_with(&[lost], &[], &[(key("door"), known)].into(), Some(&url()));
    let after = &plan.runs[&key("door")];
    assert_eq!(after.notice, Some(reason));
    assert_eq!(
        (&after.hub, &after.config_hash),
        (&before.hub, &before.config_hash)
    );
}

#[test]
fn of_two_cameras_with_one_url_the_older_wins_however_it_is_spelled() {
    let cameras = [
        camera("a", RTSP, ""),
        camera("b", "rtsp: {url: 'rtsp://10.0.0.7:554/1'}", ""),
    ];
    let ages = [(key("a"), facts(2)), (key("b"), facts(1))].into();
    let plan = planned_with(&cameras, &[], &ages, Some(&url()));
    assert!(plan.runs.contains_key(&key("b")));
    let Reason::Conflict { older, what } = &plan.refused[&key("a")] else {
        panic!("{plan:?}")
    };
    assert_eq!((older, what.as_str()), (&key("b"), "URL rtsp://10.0.0.7/1"));
}

#[test]
fn a_device_is_held_by_one_camera_of_the_machine_even_as_a_fallback() {
    let device = |path: &str| format!("v4l2: {{deviceSelector: {{devicePath: {path}}}}}");
    let standby = |path: &str| format!("test: {{}}, fallbacks: [{{{}}}]", device(path));
    let mut elsewhere = camera("d", &device("/dev//video0"), "");
    elsewhere.metadata.namespace = Some("site2".into());
    let cameras = [
        camera("a", &device("/dev/video0"), ""),
        camera("b", &device("/dev/video1"), ""),
        camera("c", &standby("/dev/video0"), ""),
        elsewhere.clone(),
        camera("e", &standby("/dev/video2"), ""),
        camera("f", &device("/dev/video2"), ""),
    ];
    let plan = planned(&cameras, &[]);
    let running: Vec<_> = plan.runs.keys().map(ToString::to_string).collect();
    assert_eq!(running, ["default/a", "default/b", "default/e"]);
    assert_eq!(
        plan.refused[&key("c")].to_string(),
        "camera default/a is older and reads the same device devicePath /dev/video0; use that one, give it more renditions, or disable it"
    );
    assert_eq!(
        plan.refused[&streamhub_plan::CameraKey::of(&elsewhere)].word(),
        "Conflict"
    );
}

#[test]
fn two_selectors_that_lead_to_one_device_conflict_while_they_do() {
    let cameras = [
        camera("a", "v4l2: {deviceSelector: {serial: A1B2}}", ""),
        camera("b", "v4l2: {deviceSelector: {devicePath: /dev/video0}}", ""),
    ];
    let leads = |a: &[&str], b: &[&str]| {
        let of = |age, devices: &[&str]| Facts {
            devices: devices.iter().map(ToString::to_string).collect(),
            ..facts(age)
        };
        let ages = [(key("a"), of(2, a)), (key("b"), of(1, b))].into();
        planned_with(&cameras, &[], &ages, Some(&url())).refused
    };
    let webcam = "/dev/video0 (HD Webcam)";
    let refused = leads(&[webcam], &[webcam]);
    assert_eq!(
        refused[&key("a")].to_string(),
        "camera default/b is older and reads the same device /dev/video0 (HD Webcam); use that one, give it more renditions, or disable it"
    );
    assert!(leads(&[], &[webcam]).is_empty(), "it is unplugged");
    assert!(leads(&["/dev/video2 (HD Webcam)"], &[webcam]).is_empty());
}

#[test]
fn a_url_is_held_by_the_source_of_one_camera_and_by_no_fallback() {
    let cameras = [
        camera("a", "http: {url: 'http://10.0.0.7/video?token=canary'}", ""),
        camera(
            "b",
            "http: {url: 'http://10.0.0.7:80/video?token=canary'}",
            "",
        ),
        camera(
            "c",
            "test: {}, fallbacks: [{http: {url: 'http://10.0.0.7/video?token=canary'}}]",
            "",
        ),
        camera("d", "http: {urlSecretRef: {name: x, key: k}}", ""),
        camera("e", "rtsp: {urlSecretRef: {name: x, key: k}}", ""),
    ];
    let plan = planned(&cameras, &[]);
    let refused: Vec<_> = plan.refused.keys().map(ToString::to_string).collect();
    assert_eq!(refused, ["default/b", "default/e"]);
    assert!(!format!("{:?}", plan.refused).contains("canary"));
}

#[test]
fn the_largest_camera_and_hub_fit_together_into_128_kib() {
    // The form counts characters, the place that takes them bytes.
    let long =
        |begin: &str, most: usize| format!("{begin}{}", "\u{1F600}".repeat(most - begin.len()));
    let token = |n: usize| format!("{n:02}{}", "x".repeat(61));
    let login = json!({"name": "s".repeat(253)});
    let rate = "239999/1001";
    let controls: serde_json::Map<_, _> = (0..64)
        .map(|n| (token(n), json!(-9_007_199_254_740_991_i64)))
        .collect();
    let mode = json!({"fourcc": "MJPG", "width": 7680, "height": 4320, "fps": rate});
    let sources = [
        json!({"file": {"uri": "\u{1}".repeat(1024), "fps": rate, "onEnd": "HoldLast"}}),
        json!({"file": {"uri": long("s3://films/", 1024), "endpoint": long("https://h/", 255),
            "credentialsSecretRef": login, "fps": rate, "onEnd": "HoldLast"}}),
        json!({"http": {"url": long("https://h/", 1024), "credentialsSecretRef": login}}),
        json!({"rtsp": {"url": long("rtsps://h/", 1024), "transport": "tcp", "credentialsSecretRef": login,
            "clock": {"mode": "Arrival", "offset": "-9.999999s"}}}),
        json!({"v4l2": {"deviceSelector": {"devicePath": format!("/dev/{}", "x".repeat(250))},
            "mode": mode, "controls": controls}}),
    ];
    let frames: Vec<_> = (0..16)
        .map(|n| {
            json!({"name": token(n), "fps": rate, "quality": 100, "width": 7680, "height": 4320, "meta": true,
                "publish": "OnDemand", "floor": {"quality": 100, "fps": rate, "width": 7680}})
        })
        .collect();
    let events: Vec<_> = (0..32).map(token).collect();
    let ttl = "23h59m59.999999999s";
    let ttls: serde_json::Map<_, _> = events
        .iter()
        .map(|name| (name.clone(), json!(ttl)))
        .collect();
    let module = json!({"events": events, "ttl": ttl, "eventTtl": ttls});
    let modules: serde_json::Map<_, _> = (0..16).map(|n| (token(n), module.clone())).collect();
    let key_of = |n: usize| format!("{n:02}{}.io/{}", "d".repeat(63 - 4), "k".repeat(62));
    let amounts: serde_json::Map<_, _> = (0..8)
        .map(|n| (key_of(n), json!("999999999999999.999999999Ki")))
        .collect();
    let labels: serde_json::Map<_, _> =
        (0..8).map(|n| (key_of(n), json!("v".repeat(63)))).collect();
    let toleration = json!({"key": key_of(0), "operator": "Equal", "value": "v".repeat(63), "effect": "NoExecute",
        "tolerationSeconds": 86_400});
    let pod = json!({"nodeSelector": labels, "tolerations": vec![toleration; 8],
        "resources": {"requests": amounts, "limits": amounts},
        "priorityClassName": "p".repeat(253), "runtimeClassName": "r".repeat(253)});
    let name = "h".repeat(45);
    let document = |kind: &str, spec: serde_json::Value| {
        json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}).to_string()
    };
    let hub = document(
        "StreamHub",
        json!({
            "nats": {"url": format!("nats://{}", "h".repeat(1017)), "credentialsSecretRef": login, "subjectPrefix": vec!["x".repeat(63); 4].join(".")},
            "feedback": modules,
            "defaults": {"frames": frames},
        }),
    );
    let hubs = [streamhub_crds::parse_hub(&hub).unwrap()];
    for source in sources {
        let mut all = source.clone();
        all["fallbacks"] = json!(vec![source; 4]);
        let camera = document(
            "Camera",
            json!({"hubRef": {"name": name}, "source": all, "frames": frames, "pod": pod}),
        );
        let camera = streamhub_crds::parse_camera(&camera).unwrap();
        let run = &planned(&[camera], &hubs).runs[&key(&name)];
        let bytes = serde_json::to_string(&run.camera).unwrap().len()
            + serde_json::to_string(&run.hub).unwrap().len();
        assert!(bytes < 128 * 1024, "{bytes} bytes with {all:.60}");
    }
}

#[test]
fn where_devices_are_looked_for_it_is_the_device_that_counts() {
    let by = |name: &str, selector: &str| {
        let source = format!("v4l2: {{deviceSelector: {{{selector}}}}}");
        camera(name, &source, "")
    };
    let cameras = [
        by("a", "serial: A1"),
        by("b", "usbPath: 1-1"),
        by("c", "serial: A1"),
        by("d", "serial: A1"),
    ];
    let found = BTreeMap::from([
        (key("a"), device("x")),
        (key("b"), device("x")),
        (key("c"), device("y")),
    ]);
    let facts = BTreeMap::new();
    let plan = planned_by(&cameras, &[], &facts, Some(&url()), Some(&found));
    let refused: Vec<_> = plan
        .refused
        .iter()
        .map(|(key, why)| (key.to_string(), why.to_string()))
        .collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(
        plan.refused[&key("b")].to_string(),
        "camera default/a is older and reads the same device x (/dev/video0 of node n1); use that one, give it more \
         renditions, or disable it"
    );
    assert_eq!(plan.refused[&key("d")], Reason::NoDevice);

    // Whoever is given another one, or the same one in another place, is started anew; words change nothing.
    let hash = |camera: &Camera, device: Device| {
        let found = BTreeMap::from([(key("a"), device)]);
        let plan = planned_by(
            std::slice::from_ref(camera),
            &[],
            &facts,
            Some(&url()),
            Some(&found),
        );
        plan.runs[&key("a")].process_hash.clone()
    };
    let before = hash(&cameras[0], device("x"));
    assert_eq!(hash(&by("a", "vendor: 046d"), device("x")), before);
    let changes: [fn(&mut Device); 5] = [
        |device| "y".clone_into(&mut device.id),
        |device| "n2".clone_into(&mut device.node),
        |device| "/dev/video1".clone_into(&mut device.path),
        |device| device.gid = 1,
        |device| device.identity.serial = Some("B".into()),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = device("x");
        change(&mut other);
        assert_ne!(hash(&cameras[0], other), before, "{number}");
    }
}

#[test]
fn a_camera_that_is_refused_holds_nothing() {
    let device = "v4l2: {deviceSelector: {devicePath: /dev/video0}}";
    let cameras = [
        camera("a", RTSP, ""),
        camera("b", &format!("{RTSP}, fallbacks: [{{{device}}}]"), ""),
        camera("c", device, ""),
    ];
    let plan = planned(&cameras, &[]);
    let refused: Vec<_> = plan.refused.keys().map(ToString::to_string).collect();
    assert_eq!(refused, ["default/b"]);
}

#[test]
fn disabled_cameras_and_other_paths_hold_nothing() {
    let cameras = [
        camera("a", RTSP, "enabled: false"),
        camera("b", RTSP, ""),
        camera("c", "rtsp: {url: 'rtsp://10.0.0.7/2'}", ""),
        camera("d", "file: {uri: x.mp4}", ""),
        camera("e", "file: {uri: x.mp4}", ""),
    ];
    let plan = planned(&cameras, &[]);
    assert_eq!(plan.refused, [(key("a"), Reason::Disabled)].into());
    assert_eq!(plan.runs.len(), 4);
}

#[test]
fn a_conflict_shows_nothing_of_a_query() {
    let secret = "rtsp: {url: 'rtsp://10.0.0.7/1?token=canary'}";
    let plan = planned(&[camera("a", secret, ""), camera("b", secret, "")], &[]);
    assert!(!plan.refused[&key("b")].to_string().contains("canary"));
    assert!(!format!("{:?}", plan.refused).contains("canary"));
}

#[test]
fn only_the_keys_that_mean_something_are_handed_over() {
    let hubs = [hub("default", "nats: {credentialsSecretRef: {name: both}}")];
    let source =
        "rtsp: {urlSecretRef: {name: address, key: url}, credentialsSecretRef: {name: both}}";
    let run = &planned(&[camera("door", source, "")], &hubs).runs[&key("door")];
    let need = |name: &str, keys: &[&str]| SecretNeed {
        name: name.into(),
        keys: keys.iter().map(|&key| key.into()).collect(),
    };
    let both = [
        "ca.crt",
        "nats.creds",
        "password",
        "tls.crt",
        "tls.key",
        "token",
        "username",
    ];
    assert_eq!(
        run.secrets,
        [need("address", &["url"]), need("both", &both)]
    );
}

#[test]
fn the_secrets_of_all_sources_are_handed_over() {
    let source = "http: {urlSecretRef: {name: address, key: url}, credentialsSecretRef: {name: login}}, \
                  fallbacks: [{file: {uri: 's3://films/a.mp4', credentialsSecretRef: {name: bucket}}}, \
                  {rtsp: {url: 'rtsp://h/1', credentialsSecretRef: {name: standby}}}]";
    let run = &planned(&[camera("door", source, "")], &[]).runs[&key("door")];
    let needs: Vec<_> = run
        .secrets
        .iter()
        .map(|need| format!("{}: {}", need.name, need.keys.join(" ")))
        .collect();
    assert_eq!(
        needs,
        [
            "address: url",
            "bucket: ca.crt key.json password username",
            "login: ca.crt password username",
            "standby: ca.crt password username"
        ]
    );
}

#[test]
fn another_identity_is_another_process_and_another_generation_is_not() {
    let with = |facts: Facts| {
        let known = [(key("door"), facts)].into();
        planned_with(&[camera("door", RTSP, "")], &[], &known, Some(&url())).runs[&key("door")]
            .clone()
    };
    let before = with(facts(1));
    assert_ne!(
        with(Facts {
            uid: "other".into(),
            ..facts(1)
        })
        .process_hash,
        before.process_hash
    );
    let later = with(Facts {
        generation: 9,
        ..facts(1)
    });
    assert_eq!(
        (&later.process_hash, &later.config_hash),
        (&before.process_hash, &before.config_hash)
    );
    assert_eq!(later.camera.metadata.generation, Some(9));
}

#[test]
fn what_ends_comes_first() {
    let old = planned(&[camera("z", RTSP, ""), camera("k", "test: {}", "")], &[]);
    let applied: BTreeMap<_, _> = old
        .runs
        .iter()
        .map(|(key, run)| {
            (
                key.clone(),
                Applied {
                    config_hash: run.config_hash.clone(),
                    process_hash: run.process_hash.clone(),
                },
            )
        })
        .collect();
    let new = planned(
        &[camera("a", RTSP, ""), camera("k", "test: {fps: 5}", "")],
        &[],
    );
    let expected = [
        Step::Stop(key("z")),
        Step::Start(key("a")),
        Step::Update(key("k")),
    ];
    assert_eq!(steps(&applied, &new), expected);
    assert_eq!(steps(&applied, &old), []);
}
