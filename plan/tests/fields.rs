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
const V4L2: &str = "source: {v4l2: {deviceSelector: {devicePath: /dev/video0}}}";
const HTTP: &str = "source: {http: {url: 'http://h/1'}}";
const REMOTE: &str = "source: {file: {uri: 's3://films/x.mp4'}}";

/// Field, specification before, specification after.
const CAMERA: [(&str, &str, &str, Taken); 59] = [
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
    ("source.v4l2", TEST, V4L2, ByNewProcess),
    ("source.http", TEST, HTTP, ByNewProcess),
    (
        "source.rtsp.clock.mode",
        RTSP,
        "source: {rtsp: {url: 'rtsp://h/1', clock: {mode: Arrival}}}",
        InPlace,
    ),
    (
        "source.rtsp.clock.offset",
        RTSP,
        "source: {rtsp: {url: 'rtsp://h/1', clock: {offset: -40ms}}}",
        InPlace,
    ),
    (
        "source.v4l2.deviceSelector.devicePath",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video1}}}",
        ByNewProcess,
    ),
    (
        "source.v4l2.deviceSelector.serial",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0, serial: A1}}}",
        ByNewProcess,
    ),
    (
        "source.v4l2.deviceSelector.vendor",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0, vendor: 046d}}}",
        ByNewProcess,
    ),
    (
        "source.v4l2.deviceSelector.product",
        "source: {v4l2: {deviceSelector: {vendor: 046d}}}",
        "source: {v4l2: {deviceSelector: {vendor: 046d, product: 0a25}}}",
        ByNewProcess,
    ),
    (
        "source.v4l2.deviceSelector.usbPath",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0, usbPath: 1-1.4}}}",
        ByNewProcess,
    ),
    (
        "source.v4l2.deviceSelector.node",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0, node: pi3}}}",
        ByNewProcess,
    ),
    (
        "source.v4l2.mode.fourcc",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0}, mode: {fourcc: MJPG}}}",
        InPlace,
    ),
    (
        "source.v4l2.mode.width",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0}, mode: {width: 640}}}",
        InPlace,
    ),
    (
        "source.v4l2.mode.height",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0}, mode: {height: 480}}}",
        InPlace,
    ),
    (
        "source.v4l2.mode.fps",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0}, mode: {fps: 30}}}",
        InPlace,
    ),
    (
        "source.v4l2.controls{}",
        V4L2,
        "source: {v4l2: {deviceSelector: {devicePath: /dev/video0}, controls: {gain: 1}}}",
        InPlace,
    ),
    (
        "source.http.url",
        HTTP,
        "source: {http: {url: 'http://h/2'}}",
        InPlace,
    ),
    (
        "source.http.urlSecretRef.name",
        "source: {http: {urlSecretRef: {name: x, key: k}}}",
        "source: {http: {urlSecretRef: {name: z, key: k}}}",
        ByNewProcess,
    ),
    (
        "source.http.urlSecretRef.key",
        "source: {http: {urlSecretRef: {name: x, key: k}}}",
        "source: {http: {urlSecretRef: {name: x, key: l}}}",
        ByNewProcess,
    ),
    (
        "source.http.credentialsSecretRef.name",
        HTTP,
        "source: {http: {url: 'http://h/1', credentialsSecretRef: {name: x}}}",
        ByNewProcess,
    ),
    (
        "source.file.credentialsSecretRef.name",
        REMOTE,
        "source: {file: {uri: 's3://films/x.mp4', credentialsSecretRef: {name: x}}}",
        ByNewProcess,
    ),
    (
        "source.file.endpoint",
        REMOTE,
        "source: {file: {uri: 's3://films/x.mp4', endpoint: 'http://minio:9000'}}",
        InPlace,
    ),
    (
        "source.fallbacks[]",
        TEST,
        "source: {test: {}, fallbacks: [{file: {uri: x.mp4}}]}",
        InPlace,
    ),
    (
        "source.fallbacks[].v4l2",
        TEST,
        "source: {test: {}, fallbacks: [{v4l2: {deviceSelector: {devicePath: /dev/video0}}}]}",
        ByNewProcess,
    ),
    (
        "frames[].publish",
        TEST,
        "source: {test: {}}, frames: [{name: main, publish: Always}]",
        InPlace,
    ),
    (
        "frames[].floor.quality",
        TEST,
        "source: {test: {}}, frames: [{name: main, floor: {quality: 50}}]",
        InPlace,
    ),
    (
        "frames[].floor.fps",
        TEST,
        "source: {test: {}}, frames: [{name: main, floor: {fps: 5}}]",
        InPlace,
    ),
    (
        "frames[].floor.width",
        TEST,
        "source: {test: {}}, frames: [{name: main, floor: {width: 320}}]",
        InPlace,
    ),
    (
        "pod.nodeSelector{}",
        TEST,
        "source: {test: {}}, pod: {nodeSelector: {room: a}}",
        InPlace,
    ),
    (
        "pod.tolerations[].key",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{key: a}]}",
        InPlace,
    ),
    (
        "pod.tolerations[].operator",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{operator: Exists}]}",
        InPlace,
    ),
    (
        "pod.tolerations[].value",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{key: a, value: b}]}",
        InPlace,
    ),
    (
        "pod.tolerations[].effect",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{key: a, effect: NoExecute}]}",
        InPlace,
    ),
    (
        "pod.tolerations[].tolerationSeconds",
        TEST,
        "source: {test: {}}, pod: {tolerations: [{key: a, effect: NoExecute, tolerationSeconds: 5}]}",
        InPlace,
    ),
    (
        "pod.resources.requests{}",
        TEST,
        "source: {test: {}}, pod: {resources: {requests: {cpu: 1}}}",
        InPlace,
    ),
    (
        "pod.resources.limits{}",
        TEST,
        "source: {test: {}}, pod: {resources: {limits: {memory: 1Gi}}}",
        InPlace,
    ),
    (
        "pod.priorityClassName",
        TEST,
        "source: {test: {}}, pod: {priorityClassName: high}",
        InPlace,
    ),
    (
        "pod.runtimeClassName",
        TEST,
        "source: {test: {}}, pod: {runtimeClassName: kata}",
        InPlace,
    ),
    (
        "source.file.claimName",
        FILE,
        "source: {file: {uri: x.mp4, claimName: media}}",
        InPlace,
    ),
];

/// Field, specification after; before it is empty.
const HUB: [(&str, &str, Taken); 16] = [
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
    (
        "defaults.frames[].publish",
        "defaults: {frames: [{name: main, publish: Always}]}",
        InPlace,
    ),
    (
        "defaults.frames[].floor.quality",
        "defaults: {frames: [{name: main, floor: {quality: 50}}]}",
        InPlace,
    ),
    (
        "defaults.frames[].floor.fps",
        "defaults: {frames: [{name: main, floor: {fps: 5}}]}",
        InPlace,
    ),
    (
        "defaults.frames[].floor.width",
        "defaults: {frames: [{name: main, floor: {width: 320}}]}",
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
