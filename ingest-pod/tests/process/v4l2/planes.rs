//! A driver that hands out the planes of a picture in buffers of their own.

use streamhub_testkit::NatsServer;

use super::guest::Guest;
use crate::support::{consumer, frames, next};

/// `vivid` begins some formats behind an offset in their buffers then. GStreamer 1.22 does not count what lies before it,
/// and takes each frame for one that was cut.
pub async fn a_device_with_several_planes_is_read_unless_its_frames_look_too_short(
    guest: &mut Guest,
    nats: &NatsServer,
) {
    guest.vm.run("/run/vm/busybox rmmod vivid").unwrap();
    guest
        .vm
        .load(
            "vivid",
            "n_devs=1 node_types=0x1 input_types=0x00 num_inputs=1 allocators=0 multiplanar=2",
        )
        .unwrap();
    guest.name_devices();
    let all = guest.listed();
    let vivid = |device: &&serde_json::Value| device["identity"]["path"] == "platform-vivid.0";
    let device = all.iter().find(vivid).unwrap();
    let formats = device["formats"].as_array().unwrap();
    for fourcc in ["NV12", "NM12", "YUYV"] {
        assert!(formats.iter().any(|it| it["fourcc"] == fourcc), "{device}");
    }

    let mode =
        |mode: &str| format!("{{deviceSelector: {{devicePath: /dev/camera}}, mode: {mode}}}");
    guest.edit(&mode("{fourcc: NM12, width: 640, height: 360}"));
    let process = guest.start(("", ""), nats);
    guest.wait_ready("v4l2:///dev/camera");
    let consumer = consumer(nats).await;
    let frame = next(&mut frames(&consumer, "desk", "main").await).await;
    assert_eq!((frame.metadata.width, frame.metadata.height), (640, 360));

    guest.edit(&mode("{fourcc: YUYV, width: 640, height: 360}"));
    let status = guest.wait_for_reason("ModeRefused");
    assert!(
        status.message.contains("sends YUYV 640x360"),
        "{}",
        status.message
    );
    assert!(status.remedy.contains("fourcc"), "{}", status.remedy);
    // What is chosen where nothing is asked for has no offset.
    guest.edit("{deviceSelector: {devicePath: /dev/camera}}");
    guest.wait_ready("v4l2:///dev/camera");
    guest.end(process);
}
