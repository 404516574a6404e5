//! Every field of the API, and what a change of it does to a camera that runs: taken over in place, or by a new
//! process. A field that is in neither table fails the test.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

mod camera;
mod hub;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use camera::{CAMERA, TEST};
use hub::HUB;
use kube::CustomResourceExt as _;
use serde_json::Value;
use streamhub_crds::{Camera, StreamHub, leaves, parse_camera, parse_hub, spec_hash};
use streamhub_plan::Run;
use support::{camera_of, hub, key, planned};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Taken {
    InPlace,
    ByNewProcess,
}
use Taken::{ByNewProcess, InPlace};

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
    let whole = [
        "source.rtsp",
        "source.v4l2",
        "source.http",
        "source.file",
        "source.test",
        "source.fallbacks[]",
        "source.fallbacks[].v4l2",
    ];
    let mut camera: BTreeSet<String> = CAMERA.iter().map(|row| row.0.to_owned()).collect();
    camera.retain(|field| !whole.contains(&field.as_str()));
    // It decides whether there is a process at all.
    camera.insert("enabled".to_owned());
    let mut known = fields(&serde_json::to_value(Camera::crd()).unwrap());
    // Sources again; what is taken from them is the same.
    known.retain(|field| !field.starts_with("source.fallbacks[]"));
    assert_eq!(camera, known);
    let hub: BTreeSet<String> = HUB.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(
        hub,
        fields(&serde_json::to_value(StreamHub::crd()).unwrap())
    );
}

fn fields(definition: &Value) -> BTreeSet<String> {
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    leaves(&schema["properties"]["spec"])
}
