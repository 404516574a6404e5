//! What holds for every set of cameras.
#![allow(clippy::indexing_slicing, reason = "tests")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use streamhub_crds::{Camera, StreamHub};
use streamhub_plan::{Applied, CameraKey, Facts, Plan, Reason, Step, steps};
use support::{camera, device, facts, hub, key, planned_by, planned_with, url};

/// A camera by numbers: name, what it shows, whether it is enabled, which hub, age.
type Drawn = (u8, u8, bool, u8, u64);

fn world() -> impl Strategy<Value = (Vec<Drawn>, Vec<u8>)> {
    let drawn = (
        0..8_u8,
        0..9_u8,
        prop::bool::weighted(0.8),
        0..3_u8,
        0..4_u64,
    );
    (vec(drawn, 0..10), vec(0..3_u8, 0..3))
}

fn documents(
    world: &(Vec<Drawn>, Vec<u8>),
) -> (Vec<Camera>, Vec<StreamHub>, BTreeMap<CameraKey, Facts>) {
    let mut cameras: BTreeMap<CameraKey, Camera> = BTreeMap::new();
    let mut known = BTreeMap::new();
    for &(name, source, enabled, hub, age) in &world.0 {
        let name = format!("c{name}");
        let source = match source {
            0..4 => format!("rtsp: {{url: 'rtsp://10.0.0.{source}/1'}}"),
            4 => "test: {}".to_owned(),
            5 => "http: {url: 'http://10.0.0.1/1'}".to_owned(),
            6 => "v4l2: {deviceSelector: {devicePath: /dev/video0}}".to_owned(),
            7 => "rtsp: {url: 'rtsp://10.0.0.1/1'}, fallbacks: [{v4l2: {deviceSelector: {devicePath: /dev/video0}}}]".to_owned(),
            _ => "file: {uri: x.mp4}".to_owned(),
        };
        let hub = ["default", "h1", "h2"][usize::from(hub)];
        let more = format!("enabled: {enabled}, hubRef: {{name: {hub}}}");
        known.insert(key(&name), facts(age));
        cameras.insert(key(&name), camera(&name, &source, &more));
    }
    let names: BTreeSet<&str> = world
        .1
        .iter()
        .map(|&n| ["default", "h1", "h2"][usize::from(n)])
        .collect();
    (
        cameras.into_values().collect(),
        names.into_iter().map(|name| hub(name, "")).collect(),
        known,
    )
}

fn applied(plan: &Plan) -> BTreeMap<CameraKey, Applied> {
    let of = |run: &streamhub_plan::Run| Applied {
        config_hash: run.config_hash.clone(),
        process_hash: run.process_hash.clone(),
    };
    plan.runs
        .iter()
        .map(|(key, run)| (key.clone(), of(run)))
        .collect()
}

/// A body that does what it is told.
fn carry_out(mut now: BTreeMap<CameraKey, Applied>, plan: &Plan) -> BTreeMap<CameraKey, Applied> {
    let told = applied(plan);
    for step in steps(&now, plan) {
        match step {
            Step::Stop(key) => drop(now.remove(&key)),
            Step::Start(key) | Step::Update(key) | Step::Replace(key) => {
                drop(now.insert(key.clone(), told[&key].clone()));
            }
        }
    }
    now
}

proptest! {
    // Each case validates a few dozen documents, CEL included.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_camera_runs_or_has_a_reason_and_nothing_is_opened_twice(world in world()) {
        let (cameras, hubs, known) = documents(&world);
        let plan = planned_with(&cameras, &hubs, &known, Some(&url()));
        let all: BTreeSet<CameraKey> = cameras.iter().map(CameraKey::of).collect();
        let decided: BTreeSet<CameraKey> = plan.runs.keys().chain(plan.refused.keys()).cloned().collect();
        prop_assert_eq!(&decided, &all);
        prop_assert_eq!(plan.runs.len() + plan.refused.len(), all.len());
        let opened: Vec<String> = plan.runs.values().flat_map(|run| run.camera.spec.source.all()).filter_map(|source| match source {
            streamhub_crds::Source::Rtsp(rtsp) => Some(format!("{:?}", rtsp.location)),
            streamhub_crds::Source::Http(http) => Some(format!("{:?}", http.location)),
            streamhub_crds::Source::V4l2(v4l2) => Some(format!("{:?}", v4l2.device_selector)),
            _ => None,
        }).collect();
        prop_assert_eq!(opened.iter().collect::<BTreeSet<_>>().len(), opened.len());
    }

    #[test]
    fn two_cameras_never_hold_one_device_whatever_they_call_it(
        drawn in vec((prop::bool::weighted(0.8), 0..4_u64, prop::option::of(0..4_u8), any::<bool>()), 0..10),
    ) {
        let (mut cameras, mut known, mut found) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (number, (enabled, age, chosen, fallback)) in drawn.iter().enumerate() {
            let name = format!("c{number}");
            // The words of a selector say nothing of what it comes to.
            let v4l2 = format!("v4l2: {{deviceSelector: {{serial: s{}}}}}", number % 3);
            let source = if *fallback { format!("test: {{}}, fallbacks: [{{{v4l2}}}]") } else { v4l2 };
            let mut camera = camera(&name, &source, &format!("enabled: {enabled}"));
            camera.metadata.namespace = Some(format!("n{}", number % 2));
            let key = CameraKey::of(&camera);
            if let Some(chosen) = chosen {
                found.insert(key.clone(), device(&format!("d{chosen}")));
            }
            known.insert(key, facts(*age));
            cameras.push(camera);
        }
        let plan = planned_by(&cameras, &[], &known, Some(&url()), Some(&found));
        prop_assert_eq!(plan.runs.len() + plan.refused.len(), cameras.len());
        let held: Vec<&String> = plan.runs.values().filter_map(|run| Some(&run.device.as_ref()?.id)).collect();
        prop_assert_eq!(held.iter().collect::<BTreeSet<_>>().len(), held.len());
        for (camera, (.., fallback)) in cameras.iter().zip(&drawn) {
            let key = CameraKey::of(camera);
            let age = |key: &CameraKey| (known[key].created, key.clone());
            match (plan.refused.get(&key), found.get(&key)) {
                (Some(Reason::Disabled), _) => prop_assert!(!camera.spec.enabled),
                (Some(Reason::NoDevice), device) => prop_assert!(device.is_none() && !fallback),
                (Some(Reason::Conflict { older, .. }), Some(device)) => {
                    prop_assert_eq!(plan.runs[older].device.as_ref(), Some(device));
                    prop_assert!(age(older) < age(&key));
                }
                (None, device) => {
                    prop_assert!(device.is_some() || *fallback);
                    prop_assert_eq!(plan.runs[&key].device.as_ref(), device);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn the_order_of_documents_decides_nothing(world in world()) {
        let (mut cameras, mut hubs, known) = documents(&world);
        let plan = planned_with(&cameras, &hubs, &known, Some(&url()));
        cameras.reverse();
        hubs.reverse();
        prop_assert_eq!(planned_with(&cameras, &hubs, &known, Some(&url())), plan);
    }

    #[test]
    fn the_way_there_leaves_no_trace(a in world(), b in world(), c in world()) {
        let planned = |world| {
            let (cameras, hubs, known) = documents(world);
            planned_with(&cameras, &hubs, &known, Some(&url()))
        };
        let (a, b, c) = (planned(&a), planned(&b), planned(&c));
        let there = carry_out(carry_out(carry_out(BTreeMap::new(), &a), &b), &c);
        prop_assert_eq!(&there, &applied(&c));
        prop_assert_eq!(steps(&there, &c), Vec::new());
    }

    #[test]
    fn a_change_of_one_camera_touches_at_most_those_that_want_the_same_thing(world in world(), change in 0..8_u8) {
        let (mut cameras, hubs, known) = documents(&world);
        let before = planned_with(&cameras, &hubs, &known, Some(&url()));
        let changed = key(&format!("c{change}"));
        cameras.retain(|camera| CameraKey::of(camera) != changed);
        let after = planned_with(&cameras, &hubs, &known, Some(&url()));
        for step in steps(&applied(&before), &after) {
            match step {
                Step::Stop(key) => prop_assert_eq!(&key, &changed),
                Step::Start(key) => prop_assert_eq!(before.refused[&key].word(), "Conflict"),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
