//! A sample for every field: what it is set to, from what, and what that does to the camera's pod.

use serde_json::{Value, json};

/// What has fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Camera,
    StreamHub,
}

impl Kind {
    pub fn plural(self) -> &'static str {
        match self {
            Self::Camera => "cameras",
            Self::StreamHub => "streamhubs",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Camera => "Camera",
            Self::StreamHub => "StreamHub",
        }
    }
}

/// What a change does to the pod that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The process takes it over and says so.
    InPlace,
    /// Another pod takes its place.
    NewPod,
    /// The same, though what is asked for is not there, so that it does not start.
    NewPodThatWaits,
    /// It ends.
    NoPod,
    /// There was none and there is none: no node brings the device.
    NoDevice,
    /// The API server does not let it happen.
    Refused,
}
use Taken::{InPlace, NewPod, NewPodThatWaits, NoDevice, NoPod, Refused};

/// Specifications of one kind that differ from one base in one field each.
#[derive(Debug, Clone)]
pub struct Group {
    pub kind: Kind,
    pub base: Value,
    pub samples: Vec<Sample>,
}

/// One field and another value of it.
#[derive(Debug, Clone)]
pub struct Sample {
    pub field: String,
    value: Value,
    pub taken: Taken,
}

impl Sample {
    /// `base` with this field set.
    pub fn of(&self, base: &Value) -> Value {
        let mut spec = base.clone();
        let mut at = &mut spec;
        let mut steps = self.field.split('.').peekable();
        while let Some(step) = steps.next() {
            at = if let Some(name) = step.strip_suffix("[]") {
                let list = &mut at[name];
                if list.is_null() {
                    *list = json!([null]);
                }
                &mut list[0]
            } else if let Some(name) = step.strip_suffix("{}") {
                let map = &mut at[name];
                if steps.peek().is_none() {
                    map
                } else {
                    let map = map.as_object_mut().expect("the base has this map");
                    map.values_mut().next().expect("with an entry")
                }
            } else {
                &mut at[step]
            };
        }
        at.clone_from(&self.value);
        spec
    }
}

/// All of them.
pub fn groups() -> Vec<Group> {
    // Two cameras on one device are in conflict.
    let cameras = [of_the_camera(), of_sources(), of_devices(10)].concat();
    let fallbacks: Vec<Group> = [of_sources(), of_devices(30)]
        .concat()
        .into_iter()
        .map(Group::into_fallback)
        .collect();
    [cameras, fallbacks, of_hubs()].concat()
}

impl Group {
    fn new<const N: usize>(
        kind: Kind,
        base: Value,
        samples: [(&'static str, Value, Taken); N],
    ) -> Self {
        let samples = samples.map(|(field, value, taken)| Sample {
            field: field.to_owned(),
            value,
            taken,
        });
        Self {
            kind,
            base,
            samples: samples.into(),
        }
    }

    /// The same of a source that stands behind another one: it is taken over in the same way, but that a camera whose
    /// device is missing runs on what it has.
    fn into_fallback(mut self) -> Self {
        let source = self.base["source"].take();
        self.base = json!({"source": calm()});
        self.base["source"]["fallbacks"] = json!([source]);
        for sample in &mut self.samples {
            sample.field = sample.field.replace("source.", "source.fallbacks[].");
            if sample.taken == NoDevice {
                let selects = sample.field.contains(".deviceSelector.");
                sample.taken = if selects { NewPod } else { InPlace };
            }
        }
        self
    }
}

/// A picture that costs little.
pub fn calm() -> Value {
    json!({"test": {"width": 320, "height": 240, "fps": 5}})
}

fn camera<const N: usize>(base: Value, samples: [(&'static str, Value, Taken); N]) -> Group {
    Group::new(Kind::Camera, base, samples)
}

fn hub<const N: usize>(base: Value, samples: [(&'static str, Value, Taken); N]) -> Group {
    Group::new(Kind::StreamHub, base, samples)
}

/// Classes that the samples name.
pub const CLASSES: &str = "
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: e2e-fields}, value: 1}
---
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: e2e-fields}, handler: runc}
";

/// Another hub than the one that is implied.
pub const HUB: &str =
    "{apiVersion: streamhub.dev/v1alpha1, kind: StreamHub, metadata: {name: other}}";

fn of_the_camera() -> Vec<Group> {
    let plain = json!({"source": calm()});
    let frames = json!({"source": calm(), "frames": [{"name": "main"}]});
    let tolerant = json!({
        "source": calm(),
        "pod": {"tolerations": [{"key": "dedicated", "effect": "NoExecute"}]},
    });
    vec![
        camera(
            plain.clone(),
            [
                ("enabled", json!(false), NoPod),
                ("hubRef.name", json!("other"), NewPod),
                (
                    "pod.nodeSelector{}",
                    json!({"kubernetes.io/arch": "amd64"}),
                    NewPod,
                ),
                ("pod.priorityClassName", json!("e2e-fields"), NewPod),
            ],
        ),
        camera(
            plain.clone(),
            [
                ("pod.runtimeClassName", json!("e2e-fields"), NewPod),
                ("pod.resources.requests{}", json!({"cpu": "5m"}), NewPod),
                ("pod.resources.limits{}", json!({"memory": "300Mi"}), NewPod),
                ("pod.tolerations[].operator", json!("Exists"), NewPod),
            ],
        ),
        camera(
            tolerant,
            [
                ("pod.tolerations[].key", json!("cameras"), NewPod),
                ("pod.tolerations[].value", json!("cameras"), NewPod),
                ("pod.tolerations[].effect", json!("NoSchedule"), NewPod),
                ("pod.tolerations[].tolerationSeconds", json!(60), NewPod),
            ],
        ),
        camera(frames, renditions()),
    ]
}

fn renditions() -> [(&'static str, Value, Taken); 10] {
    [
        ("frames[].name", json!("low"), InPlace),
        ("frames[].fps", json!("7.5"), InPlace),
        ("frames[].quality", json!(50), InPlace),
        ("frames[].width", json!(160), InPlace),
        ("frames[].height", json!(120), InPlace),
        ("frames[].meta", json!(true), InPlace),
        ("frames[].publish", json!("Always"), InPlace),
        ("frames[].floor.fps", json!(1), InPlace),
        ("frames[].floor.quality", json!(30), InPlace),
        ("frames[].floor.width", json!(80), InPlace),
    ]
}

/// Nothing answers at these addresses, which are for documentation; what a pod is told is seen all the same.
fn of_sources() -> Vec<Group> {
    let rtsp = json!({"source": {"rtsp": {"url": "rtsp://192.0.2.1/a"}}});
    let rtsp_secret =
        json!({"source": {"rtsp": {"urlSecretRef": {"name": "rtsp-url", "key": "a"}}}});
    let http = json!({"source": {"http": {"url": "http://192.0.2.1/a"}}});
    let http_secret =
        json!({"source": {"http": {"urlSecretRef": {"name": "http-url", "key": "a"}}}});
    let file = json!({"source": {"file": {"uri": "a.mp4"}}});
    let bucket =
        json!({"source": {"file": {"uri": "s3://films/a.mp4", "endpoint": "http://192.0.2.1:1"}}});
    vec![
        camera(
            json!({"source": {"test": {}}}),
            [
                ("source.test.width", json!(640), InPlace),
                ("source.test.height", json!(480), InPlace),
                ("source.test.fps", json!("12.5"), InPlace),
            ],
        ),
        camera(
            rtsp,
            [
                ("source.rtsp.url", json!("rtsp://192.0.2.1/b"), InPlace),
                ("source.rtsp.transport", json!("udp"), InPlace),
                ("source.rtsp.clock.mode", json!("Arrival"), InPlace),
                ("source.rtsp.clock.offset", json!("-40ms"), InPlace),
                (
                    "source.rtsp.credentialsSecretRef.name",
                    json!("login"),
                    NewPod,
                ),
            ],
        ),
        camera(
            rtsp_secret,
            [
                ("source.rtsp.urlSecretRef.name", json!("rtsp-other"), NewPod),
                ("source.rtsp.urlSecretRef.key", json!("b"), NewPod),
            ],
        ),
        camera(
            http,
            [
                ("source.http.url", json!("http://192.0.2.1/b"), InPlace),
                (
                    "source.http.credentialsSecretRef.name",
                    json!("login"),
                    NewPod,
                ),
            ],
        ),
        camera(
            http_secret,
            [
                ("source.http.urlSecretRef.name", json!("http-other"), NewPod),
                ("source.http.urlSecretRef.key", json!("b"), NewPod),
            ],
        ),
        camera(
            file,
            [
                ("source.file.uri", json!("b.mp4"), InPlace),
                ("source.file.fps", json!(5), InPlace),
                ("source.file.onEnd", json!("HoldLast"), InPlace),
                ("source.file.claimName", json!("films"), NewPodThatWaits),
            ],
        ),
        camera(
            bucket,
            [
                ("source.file.endpoint", json!("http://192.0.2.1:2"), InPlace),
                (
                    "source.file.credentialsSecretRef.name",
                    json!("login"),
                    NewPod,
                ),
            ],
        ),
    ]
}

fn of_devices(first: usize) -> Vec<Group> {
    let path = |number: usize| format!("/dev/video{number}");
    [
        (
            "source.v4l2.deviceSelector.devicePath",
            json!(path(first + 19)),
        ),
        ("source.v4l2.deviceSelector.serial", json!("A1B2")),
        ("source.v4l2.deviceSelector.vendor", json!("046e")),
        ("source.v4l2.deviceSelector.product", json!("0825")),
        ("source.v4l2.deviceSelector.usbPath", json!("1-1.4")),
        ("source.v4l2.deviceSelector.node", json!("nowhere")),
        ("source.v4l2.mode.fourcc", json!("MJPG")),
        ("source.v4l2.mode.width", json!(640)),
        ("source.v4l2.mode.height", json!(480)),
        ("source.v4l2.mode.fps", json!("30000/1001")),
        ("source.v4l2.controls{}", json!({"gain": 1})),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (field, value))| {
        // A camera for each: status writes of one are rationed.
        let selector = json!({"devicePath": path(first + number), "vendor": "046d"});
        let base = json!({"source": {"v4l2": {"deviceSelector": selector}}});
        camera(base, [(field, value, NoDevice)])
    })
    .collect()
}

fn of_hubs() -> Vec<Group> {
    let feedback = json!({"feedback": {"ui": {"events": ["click"]}}});
    let frames = json!({"defaults": {"frames": [{"name": "main"}]}});
    let mut defaults = hub(frames, renditions());
    for sample in &mut defaults.samples {
        sample.field = format!("defaults.{}", sample.field);
    }
    vec![
        hub(
            json!({}),
            [
                // The server of the installation under another name.
                (
                    "nats.url",
                    json!("nats://streamhub-nats.streamhub-system:4222"),
                    NewPod,
                ),
                ("nats.credentialsSecretRef.name", json!("login"), NewPod),
                ("nats.subjectPrefix", json!("site.one"), Refused),
            ],
        ),
        hub(
            feedback,
            [
                ("feedback{}.events[]", json!("tap"), InPlace),
                ("feedback{}.ttl", json!("1s"), InPlace),
                ("feedback{}.eventTtl{}", json!({"click": "1s"}), InPlace),
            ],
        ),
        defaults,
    ]
}

#[test]
fn a_sample_sets_its_field_and_nothing_else() {
    let of = |field: &str, value: Value, base: Value| {
        let sample = Sample {
            field: field.to_owned(),
            value,
            taken: InPlace,
        };
        sample.of(&base)
    };
    assert_eq!(
        of(
            "frames[].floor.fps",
            json!(1),
            json!({"frames": [{"name": "a"}]})
        ),
        json!({"frames": [{"name": "a", "floor": {"fps": 1}}]})
    );
    assert_eq!(
        of("pod.tolerations[].key", json!("a"), json!({})),
        json!({"pod": {"tolerations": [{"key": "a"}]}})
    );
    assert_eq!(
        of(
            "feedback{}.eventTtl{}",
            json!({"a": "1s"}),
            json!({"feedback": {"ui": {}}})
        ),
        json!({"feedback": {"ui": {"eventTtl": {"a": "1s"}}}})
    );
    assert_eq!(
        of(
            "feedback{}.ttl",
            json!("1s"),
            json!({"feedback": {"ui": {}}})
        ),
        json!({"feedback": {"ui": {"ttl": "1s"}}})
    );
}
