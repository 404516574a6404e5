//! What is decided for cameras and hubs, case by case.

mod support;

use std::collections::BTreeMap;

use streamhub_plan::{Applied, Facts, Reason, SecretNeed, Step, needs_own_nats, steps};
use support::{camera, facts, hub, key, planned, planned_with, url};

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
    let Reason::Conflict { older, url } = &plan.refused[&key("a")] else {
        panic!("{plan:?}")
    };
    assert_eq!((older, url.as_str()), (&key("b"), "rtsp://10.0.0.7/1"));
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
