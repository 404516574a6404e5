//! Every field of the API, and what a change of it does to a camera that runs: taken over in place, or by a new
//! process. A field that is in neither table fails the test.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;

use kube::CustomResourceExt as _;
use serde_json::Value;
use streamhub_crds::{Camera, StreamHub, parse_camera, parse_hub, spec_hash};
use streamhub_plan::Run;
use support::{camera_of, hub, key, planned};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Taken {
    InPlace,
    ByNewProcess,
}
use Taken::{ByNewProcess, InPlace};

const RTSP: &str = "source: {rtsp: {url: 'rtsp://h/1'}}";
const SECRET_URL: &str = "source: {rtsp: {urlSecretRef: {name: x, key: k}}}";
const FILE: &str = "source: {file: {uri: x.mp4}}";
const TEST: &str = "source: {test: {}}";

/// Field, specification before, specification after.
const CAMERA: [(&str, &str, &str, Taken); 21] = [
    (
        "hubRef.name",
        TEST,
        "source: {test: {}}, hubRef: {name: other}",
        ByNewProcess,
    ),
    ("source.rtsp", TEST, RTSP, ByNewProcess),
    ("source.file", TEST, FILE, ByNewProcess),
    ("source.test", FILE, TEST, ByNewProcess),
    (
        "source.rtsp.url",
        RTSP,
        "source: {rtsp: {url: 'rtsp://h/2'}}",
        InPlace,
    ),
    (
        "source.rtsp.urlSecretRef.name",
        SECRET_URL,
        "source: {rtsp: {urlSecretRef: {name: z, key: k}}}",
        ByNewProcess,
    ),
    (
        "source.rtsp.urlSecretRef.key",
        SECRET_URL,
        "source: {rtsp: {urlSecretRef: {name: x, key: l}}}",
        ByNewProcess,
    ),
    (
        "source.rtsp.transport",
        RTSP,
        "source: {rtsp: {url: 'rtsp://h/1', transport: udp}}",
        InPlace,
    ),
    (
        "source.rtsp.credentialsSecretRef.name",
        RTSP,
        "source: {rtsp: {url: 'rtsp://h/1', credentialsSecretRef: {name: x}}}",
        ByNewProcess,
    ),
    (
        "source.file.uri",
        FILE,
        "source: {file: {uri: y.mp4}}",
        InPlace,
    ),
    (
        "source.file.fps",
        FILE,
        "source: {file: {uri: x.mp4, fps: 5}}",
        InPlace,
    ),
    (
        "source.file.onEnd",
        FILE,
        "source: {file: {uri: x.mp4, onEnd: Stop}}",
        InPlace,
    ),
    (
        "source.test.width",
        TEST,
        "source: {test: {width: 640}}",
        InPlace,
    ),
    (
        "source.test.height",
        TEST,
        "source: {test: {height: 480}}",
        InPlace,
    ),
    ("source.test.fps", TEST, "source: {test: {fps: 5}}", InPlace),
    (
        "frames[].name",
        TEST,
        "source: {test: {}}, frames: [{name: low}]",
        InPlace,
    ),
    (
        "frames[].fps",
        TEST,
        "source: {test: {}}, frames: [{name: main, fps: 5}]",
        InPlace,
    ),
    (
        "frames[].quality",
        TEST,
        "source: {test: {}}, frames: [{name: main, quality: 50}]",
        InPlace,
    ),
    (
        "frames[].width",
        TEST,
        "source: {test: {}}, frames: [{name: main, width: 640}]",
        InPlace,
    ),
    (
        "frames[].height",
        TEST,
        "source: {test: {}}, frames: [{name: main, height: 480}]",
        InPlace,
    ),
    (
        "frames[].meta",
        TEST,
        "source: {test: {}}, frames: [{name: main, meta: true}]",
        InPlace,
    ),
];

/// Field, specification after; before it is empty.
const HUB: [(&str, &str, Taken); 12] = [
    ("nats.url", "nats: {url: 'nats://other:1'}", ByNewProcess),
    (
        "nats.credentialsSecretRef.name",
        "nats: {credentialsSecretRef: {name: x}}",
        ByNewProcess,
    ),
    (
        "nats.subjectPrefix",
        "nats: {subjectPrefix: a.b}",
        ByNewProcess,
    ),
    (
        "feedback{}.events[]",
        "feedback: {ui: {events: [click]}}",
        InPlace,
    ),
    (
        "feedback{}.ttl",
        "feedback: {ui: {events: [click], ttl: 1s}}",
        InPlace,
    ),
    (
        "feedback{}.eventTtl{}",
        "feedback: {ui: {events: [click], eventTtl: {click: 1s}}}",
        InPlace,
    ),
    (
        "defaults.frames[].name",
        "defaults: {frames: [{name: low}]}",
        InPlace,
    ),
    (
        "defaults.frames[].fps",
        "defaults: {frames: [{name: main, fps: 5}]}",
        InPlace,
    ),
    (
        "defaults.frames[].quality",
        "defaults: {frames: [{name: main, quality: 50}]}",
        InPlace,
    ),
    (
        "defaults.frames[].width",
        "defaults: {frames: [{name: main, width: 640}]}",
        InPlace,
    ),
    (
        "defaults.frames[].height",
        "defaults: {frames: [{name: main, height: 480}]}",
        InPlace,
    ),
    (
        "defaults.frames[].meta",
        "defaults: {frames: [{name: main, meta: true}]}",
        InPlace,
    ),
];

fn run(camera: &str, hub_spec: &str) -> Run {
    let hubs = [hub("default", hub_spec), hub("other", hub_spec)];
    planned(&[camera_of("door", camera)], &hubs).runs[&key("door")].clone()
}

fn taken(before: &Run, after: &Run) -> Option<Taken> {
    match (
        after.process_hash != before.process_hash,
        after.config_hash != before.config_hash,
    ) {
        (true, _) => Some(ByNewProcess),
        (false, true) => Some(InPlace),
        (false, false) => None,
    }
}

#[test]
fn each_field_of_a_camera_is_taken_over_as_the_table_says() {
    for (field, before, after, how) in CAMERA {
        assert_eq!(
            taken(&run(before, ""), &run(after, "")),
            Some(how),
            "{field}"
        );
    }
}

#[test]
fn each_field_of_a_hub_is_taken_over_as_the_table_says() {
    for (field, after, how) in HUB {
        assert_eq!(
            taken(&run(TEST, ""), &run(TEST, after)),
            Some(how),
            "{field}"
        );
    }
}

#[test]
fn a_process_computes_the_hash_of_the_plan_from_its_documents() {
    let cameras = CAMERA.iter().map(|row| run(row.2, ""));
    let hubs = HUB.iter().map(|row| run(TEST, row.1));
    for planned in cameras.chain(hubs) {
        let camera = parse_camera(&serde_json::to_string(&planned.camera).unwrap()).unwrap();
        let hub = parse_hub(&serde_json::to_string(&planned.hub).unwrap()).unwrap();
        assert_eq!(spec_hash(&camera.spec, &hub.spec), planned.config_hash);
    }
}

#[test]
fn the_tables_name_every_field_of_the_schema() {
    let kinds = ["source.rtsp", "source.file", "source.test"];
    let mut camera: BTreeSet<String> = CAMERA.iter().map(|row| row.0.to_owned()).collect();
    camera.retain(|field| !kinds.contains(&field.as_str()));
    // It decides whether there is a process at all.
    camera.insert("enabled".to_owned());
    assert_eq!(
        camera,
        fields(&serde_json::to_value(Camera::crd()).unwrap())
    );
    let hub: BTreeSet<String> = HUB.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(
        hub,
        fields(&serde_json::to_value(StreamHub::crd()).unwrap())
    );
}

/// The leaves of a definition's `spec`: `[]` for items of a list, `{}` for values of a map.
fn fields(definition: &Value) -> BTreeSet<String> {
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut found = BTreeSet::new();
    walk(&schema["properties"]["spec"], "", &mut found);
    found
}

fn walk(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, below) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            walk(below, &format!("{path}{dot}{name}"), found);
        }
    } else if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), found);
    } else if schema["additionalProperties"].is_object() {
        walk(
            &schema["additionalProperties"],
            &format!("{path}{{}}"),
            found,
        );
    } else {
        found.insert(path.to_owned());
    }
}
