//! The largest documents that are valid. They travel as annotations, of which a pod takes 256 KiB; half of that is
//! left for what others write on it, and for fields to come.

use std::collections::BTreeSet;

use kube::CustomResourceExt as _;
use serde_json::{Map, Value, json};
use streamhub_crds::{Camera, StreamHub, leaves};

use super::document;

const MOST: usize = 128 * 1024;
/// Escaped in JSON, it is the longest of all.
const LONG: &str = "\u{1}";
const WIDE: &str = "\u{1f3a5}";
const NUMBER: i64 = -9_007_199_254_740_991;
const RATE: &str = "123456/1001";

/// A name of `length` letters, another one for each number.
fn name(length: usize, number: usize) -> String {
    let number = format!("{number:02}");
    format!("a{}{number}", "x".repeat(length - 1 - number.len()))
}

fn url(scheme: &str) -> String {
    let begin = format!("{scheme}://h/");
    format!("{begin}{}", WIDE.repeat(1024 - begin.len()))
}

fn map(most: usize, key: impl Fn(usize) -> String, value: &Value) -> Value {
    let pairs = (0..most).map(|number| (key(number), value.clone()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn token(number: usize) -> String {
    name(63, number)
}

/// A key of labels and resources.
fn label(number: usize) -> String {
    format!("{}/{}", name(64, number), name(63, number))
}

fn secret() -> Value {
    json!({"name": name(253, 0)})
}

fn key() -> Value {
    json!({"name": name(253, 0), "key": name(253, 0)})
}

/// Each kind of source, as large as it may be.
fn sources() -> Vec<Value> {
    let clock = json!({"mode": "Arrival", "offset": "-9999.999ms"});
    let device = json!({"serial": "\"".repeat(126), "vendor": "046d", "product": "0825", "usbPath": format!("1-{}", "1".repeat(61)),
        "node": name(253, 0), "devicePath": format!("/dev/{}", "\"".repeat(250))});
    vec![
        json!({"rtsp": {"url": url("rtsps"), "transport": "udp", "credentialsSecretRef": secret(), "clock": clock}}),
        json!({"rtsp": {"urlSecretRef": key(), "transport": "udp", "credentialsSecretRef": secret()}}),
        json!({"http": {"url": url("https"), "credentialsSecretRef": secret()}}),
        json!({"http": {"urlSecretRef": key(), "credentialsSecretRef": secret()}}),
        json!({"file": {"uri": format!("/{}", LONG.repeat(1023)), "claimName": name(253, 0), "fps": RATE, "onEnd": "HoldLast"}}),
        json!({"file": {"uri": format!("s3://{}/{}", name(200, 0), WIDE.repeat(800)), "fps": RATE, "onEnd": "HoldLast",
            "credentialsSecretRef": secret(), "endpoint": format!("https://h/{}", WIDE.repeat(245))}}),
        json!({"test": {"fps": RATE, "width": 4096, "height": 4096}}),
        json!({"v4l2": {"deviceSelector": device,
            "mode": {"fourcc": "\"\"\"\"", "width": 4096, "height": 4096, "fps": RATE},
            "controls": map(64, token, &NUMBER.into())}}),
    ]
}

fn renditions() -> Value {
    let one = |number| {
        json!({"name": name(63, number), "fps": RATE, "width": 1280, "height": 1280, "quality": 100, "publish": "Always", "meta": false,
            "floor": {"fps": RATE, "width": 1280, "quality": 100}})
    };
    (0..16).map(one).collect()
}

fn camera(source: &Value) -> Value {
    let mut whole = source.clone();
    whole["fallbacks"] = vec![source.clone(); 4].into();
    let amounts = || map(8, label, &"123456789012345.123456789Ki".into());
    let toleration = json!({"key": label(0), "operator": "Equal", "value": name(63, 0), "effect": "NoExecute",
        "tolerationSeconds": 86_400});
    json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "Camera",
        "metadata": {"name": name(45, 0), "namespace": name(63, 0), "uid": name(36, 0), "generation": NUMBER},
        "spec": {"hubRef": {"name": name(45, 0)}, "enabled": false, "source": whole, "frames": renditions(), "pod": {
            "nodeSelector": map(8, label, &name(63, 0).into()), "tolerations": vec![toleration; 8],
            "resources": {"requests": amounts(), "limits": amounts()},
            "priorityClassName": name(253, 0), "runtimeClassName": name(253, 0)}}})
}

fn hub() -> Value {
    let ttl = "23h59m59s999ms";
    let events: Vec<String> = (0..32).map(token).collect();
    let module = json!({"events": events, "ttl": ttl, "eventTtl": map(32, token, &ttl.into())});
    json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "StreamHub",
        "metadata": {"name": name(45, 0), "namespace": name(63, 0), "uid": name(36, 0), "generation": NUMBER},
        "spec": {"feedback": map(16, token, &module), "defaults": {"frames": renditions()}, "nats": {
            "url": url("nats"), "credentialsSecretRef": secret(), "subjectPrefix": vec![name(63, 0); 4].join(".")}}})
}

fn schema(definition: impl serde::Serialize) -> Value {
    let definition = serde_json::to_value(definition).unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// The fields of a schema that a document says something of.
fn said(schema: &Value, value: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, below) in properties {
            if let Some(value) = value.get(name) {
                said(below, value, &format!("{path}.{name}"), found);
            }
        }
    } else if let Some(items) = value.as_array() {
        for item in items {
            said(&schema["items"], item, &format!("{path}[]"), found);
        }
    } else if schema["additionalProperties"].is_object() {
        for value in value.as_object().unwrap().values() {
            let path = format!("{path}{{}}");
            said(&schema["additionalProperties"], value, &path, found);
        }
    } else {
        found.insert(path.to_owned());
    }
}

#[test]
fn the_largest_valid_pair_fits_into_a_pods_annotations() {
    let hub = streamhub_crds::hub_from_json(hub()).unwrap();
    let hub = document(&hub).len();
    let cameras = sources().into_iter().map(|source| {
        let camera = streamhub_crds::camera_from_json(camera(&source)).unwrap();
        document(&camera).len()
    });
    let cameras: Vec<usize> = cameras.collect();
    let largest = cameras.iter().max().unwrap() + hub;
    assert!(
        largest < MOST,
        "{largest}: hub {hub}, cameras by source {cameras:?}"
    );
}

#[test]
fn the_largest_documents_say_something_of_every_field() {
    let (camera_schema, hub_schema) = (schema(Camera::crd()), schema(StreamHub::crd()));
    let (mut all, mut found) = (BTreeSet::new(), BTreeSet::new());
    for (schema, kind) in [(&camera_schema, "camera"), (&hub_schema, "hub")] {
        let fields = leaves(schema).into_iter();
        all.extend(fields.map(|field| format!("{kind}.{field}")));
    }
    for source in sources() {
        said(
            &camera_schema,
            &camera(&source)["spec"],
            "camera",
            &mut found,
        );
    }
    said(&hub_schema, &hub()["spec"], "hub", &mut found);
    let missing: Vec<&String> = all.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
