//! The fields of a Camera.

use super::Taken::{self, ByNewProcess, InPlace};

const RTSP: &str = "source: {rtsp: {url: 'rtsp://h/1'}}";
const SECRET_URL: &str = "source: {rtsp: {urlSecretRef: {name: x, key: k}}}";
const FILE: &str = "source: {file: {uri: x.mp4}}";
pub const TEST: &str = "source: {test: {}}";
const V4L2: &str = "source: {v4l2: {deviceSelector: {devicePath: /dev/video0}}}";
const HTTP: &str = "source: {http: {url: 'http://h/1'}}";
const REMOTE: &str = "source: {file: {uri: 's3://films/x.mp4'}}";

/// Field, specification before, specification after.
pub const CAMERA: [(&str, &str, &str, Taken); 59] = [
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
