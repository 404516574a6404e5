//! Capture devices, with a real driver: `vivid` and `v4l2loopback` in a virtual machine, the camera's process in it too.

mod guest;
mod planes;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Instant;

use streamhub_testkit::{Folder, NatsServer, clip, eventually};
use streamhub_wire::metadata::CaptureSource;
use streamhub_wire::status::{CameraState, CameraStatus};
use streamhub_wire::subscribe::Frame;

use crate::support::{consumer, frames, http_get, next};
use guest::{Guest, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_device_is_read_with_the_kernels_time_and_its_faults_are_told() {
    let nats = NatsServer::start().unwrap();
    let mut guest = Guest::boot();
    // A camera, a device that plays video out, and the one with the metadata of the camera's frames.
    guest
        .vm
        .load(
            "vivid",
            "n_devs=1 node_types=0x20101 input_types=0x00 num_inputs=1 allocators=0",
        )
        .unwrap();
    guest.name_devices();
    guest
        .vm
        .run("echo attic > /proc/sys/kernel/hostname")
        .unwrap();
    guest.edit("{deviceSelector: {devicePath: /dev/camera}, mode: {fourcc: YUYV, width: 320, height: 180}}");
    let process = guest.start(("", ""), &nats);

    times_that_cannot_be_right_are_not_believed(&mut guest, &nats).await;
    frames_have_the_mode_and_the_kernels_time(&mut guest, &nats).await;
    frames_that_the_driver_marks_as_bad_are_dropped(&mut guest);
    a_device_that_is_unplugged_comes_back(&mut guest, &nats).await;
    a_selector_follows_its_device_to_another_number(&mut guest, &nats).await;
    what_cannot_be_done_is_said(&mut guest);
    motion_jpeg_goes_through_byte_for_byte(&mut guest, &nats).await;

    guest.end(process);
    a_device_that_was_given_is_opened_if_it_is_the_promised_one(&mut guest, &nats);
    guest
        .vm
        .run("node=$(readlink -f /dev/camera); chown root:video $node; chmod 660 $node")
        .unwrap();
    guest.edit("{deviceSelector: {devicePath: /dev/camera}}");
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let process = guest.start((nobody, ""), &nats);
    let status = guest.wait_for_reason("DeviceDenied");
    assert!(status.remedy.contains("video"), "{}", status.remedy);
    guest.end(process);

    planes::a_device_with_several_planes_is_read_unless_its_frames_look_too_short(
        &mut guest, &nats,
    )
    .await;
}

/// `vivid` says of each frame when its last line would have been exposed, which is after it was delivered.
async fn times_that_cannot_be_right_are_not_believed(guest: &mut Guest, nats: &NatsServer) {
    guest.wait_ready("v4l2:///dev/camera");
    let consumer = consumer(nats).await;
    let mut stream = frames(&consumer, "desk", "main").await;
    for _ in 0..5 {
        assert_eq!(
            next(&mut stream).await.metadata.capture.source,
            CaptureSource::Arrival
        );
    }
    assert_eq!(
        guest
            .vm
            .console()
            .matches("timestamps cannot be right")
            .count(),
        1
    );
}

async fn frames_have_the_mode_and_the_kernels_time(guest: &mut Guest, nats: &NatsServer) {
    // The time of the first line, so that the driver tells the truth.
    guest.edit(
        "{deviceSelector: {devicePath: /dev/camera}, mode: {fourcc: YUYV, width: 640, height: 360, fps: 10}, \
         controls: {brightness: 200, horizontal_flip: 1, timestamp_source: 1}}",
    );
    let status = guest.wait_for("the mode", |status| {
        status.ready && status.source.width == 640
    });
    let source = status.source;
    assert_eq!(
        (source.kind.as_str(), source.codec.as_str()),
        ("v4l2", "raw")
    );
    assert_eq!((source.width, source.height), (640, 360));
    let consumer = consumer(nats).await;
    let mut stream = frames(&consumer, "desk", "main").await;
    let mut seen: Vec<Frame> = Vec::new();
    while seen.len() < 20 {
        seen.push(next(&mut stream).await);
    }
    for frame in &seen {
        let metadata = &frame.metadata;
        assert_eq!(metadata.capture.source, CaptureSource::Kernel);
        assert_eq!((metadata.width, metadata.height), (640, 360));
        assert_eq!(metadata.source, "v4l2:///dev/camera");
    }
    // The driver's own times lie as far apart as its frames, however busy the machine is.
    let mut steps: Vec<i64> = seen
        .windows(2)
        .filter(|pair| pair[1].metadata.frame_id == pair[0].metadata.frame_id + 1)
        .map(|pair| pair[1].metadata.timestamp - pair[0].metadata.timestamp)
        .collect();
    steps.sort_unstable();
    let median = steps[steps.len() / 2];
    assert!((90_000..110_000).contains(&median), "{steps:?}");
    let set = guest
        .vm
        .run("v4l2-ctl -d /dev/camera -C brightness,horizontal_flip")
        .unwrap();
    assert_eq!(set.trim(), "brightness: 200\nhorizontal_flip: 1");
}

fn frames_that_the_driver_marks_as_bad_are_dropped(guest: &mut Guest) {
    let corrupt = |guest: &Guest| {
        let (_, metrics) = http_get(guest.http, "/metrics")?;
        let line = metrics
            .lines()
            .find(|line| line.contains("reason=\"corrupt\""))?;
        line.rsplit(' ').next()?.parse::<u64>().ok()
    };
    assert_eq!(corrupt(guest), None);
    guest
        .vm
        .run("v4l2-ctl -d /dev/camera -c inject_v4l2_buf_flag_error=1")
        .unwrap();
    eventually(PATIENCE, "a frame that is marked as bad", || corrupt(guest)).unwrap();
}

async fn a_device_that_is_unplugged_comes_back(guest: &mut Guest, nats: &NatsServer) {
    guest
        .vm
        .run("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind")
        .unwrap();
    let status = guest.wait_for_reason("DeviceMissing");
    assert_eq!(status.state, CameraState::Reconnecting);
    guest
        .vm
        .run("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind")
        .unwrap();
    guest.name_devices();
    guest.wait_ready("v4l2:///dev/camera");
    let consumer = consumer(nats).await;
    next(&mut frames(&consumer, "desk", "main").await).await;
    let set = guest
        .vm
        .run("v4l2-ctl -d /dev/camera -C brightness")
        .unwrap();
    assert_eq!(
        set.trim(),
        "brightness: 200",
        "set again on the device that came back"
    );
}

async fn a_selector_follows_its_device_to_another_number(guest: &mut Guest, nats: &NatsServer) {
    // Of the driver's three devices only one captures video.
    let cards = guest
        .vm
        .run("cat /sys/class/video4linux/*/name | sort")
        .unwrap();
    assert_eq!(
        cards.trim(),
        "vivid-000-meta-cap\nvivid-000-vid-cap\nvivid-000-vid-out"
    );
    guest.edit("{deviceSelector: {node: attic}}");
    let found = |status: &CameraStatus| {
        let named = status.source.url.starts_with("v4l2:///dev/video");
        status.ready && named && status.source.width > 0
    };
    let before = guest
        .wait_for("the device of this machine", found)
        .source
        .url;
    let listed = guest.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let device = &listed[0];
    assert_eq!(
        before,
        format!("v4l2://{}", device["device"].as_str().unwrap())
    );
    assert_eq!(device["identity"]["path"], "platform-vivid.0");
    let formats = device["formats"].as_array().unwrap();
    let yuyv = formats.iter().find(|it| it["fourcc"] == "YUYV").unwrap();
    let sizes = yuyv["sizes"].as_array().unwrap();
    let hd = sizes.iter().find(|it| it["width"] == 1280).unwrap();
    assert!(
        hd["fps"].as_array().unwrap().contains(&"12.5".into()),
        "{hd}"
    );
    assert_eq!(
        device["usedBy"][0]["command"], "streamhub-ingest",
        "{device}"
    );

    let gone = guest
        .vm
        .run("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind; date +%s%6N")
        .unwrap();
    let gone: i64 = gone.trim().parse().unwrap();
    let status = guest.wait_for_reason("DeviceMissing");
    assert!(
        status.remedy.contains("streamhub devices"),
        "{}",
        status.remedy
    );
    guest
        .vm
        .run("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind")
        .unwrap();
    let plugged = Instant::now();
    let after = guest.wait_for("the device to be found", found).source.url;
    println!(
        "{:.1} s from its coming to its frames",
        plugged.elapsed().as_secs_f64()
    );
    assert_ne!(after, before, "GStreamer keeps the old number");
    let consumer = consumer(nats).await;
    let mut stream = frames(&consumer, "desk", "main").await;
    let mut frame = next(&mut stream).await;
    // A slow machine may still have been at work on the last picture of before: on one.
    if frame.metadata.source == before {
        assert!(frame.metadata.timestamp < gone, "{:?}", frame.metadata);
        frame = next(&mut stream).await;
    }
    let metadata = &frame.metadata;
    assert_eq!(metadata.source, after, "{metadata:?}");
    assert!(metadata.timestamp > gone, "{metadata:?}");

    guest.edit("{deviceSelector: {node: cellar}}");
    let status = guest.wait_for("another machine", |status| status.message.contains("attic"));
    assert_eq!(status.reason, "DeviceMissing");
    guest.name_devices();
}

/// As in a pod, whose device an operator chose.
fn a_device_that_was_given_is_opened_if_it_is_the_promised_one(
    guest: &mut Guest,
    nats: &NatsServer,
) {
    guest.edit("{deviceSelector: {serial: NOT-LOOKED-FOR}}");
    let given = |index: u32| {
        let promised = format!(
            "{{\"bus\": \"platform\", \"path\": \"platform-vivid.0\", \"index\": {index}}}"
        );
        format!("--capture-device /dev/camera --expect-device '{promised}'")
    };
    let process = guest.start(("", &given(7)), nats);
    let status = guest.wait_for_reason("DeviceChanged");
    assert!(
        status
            .message
            .contains("not platform at platform-vivid.0, its node 7"),
        "{}",
        status.message
    );
    guest.end(process);
    let process = guest.start(("", &given(0)), nats);
    guest.wait_ready("v4l2:///dev/camera");
    guest.end(process);
}

fn what_cannot_be_done_is_said(guest: &mut Guest) {
    let device = "deviceSelector: {devicePath: /dev/camera}";
    guest.edit(&format!("{{{device}, controls: {{zoom_absolute: 3}}}}"));
    let status = guest.wait_for_reason("UnknownControl");
    assert_eq!(status.state, CameraState::Stalled);
    assert!(
        status.message.contains("controls.zoom_absolute"),
        "{}",
        status.message
    );
    assert!(
        status.message.contains("brightness, contrast"),
        "{}",
        status.message
    );

    let values = [
        ("contrast: 256", "from 0 to 255"),
        ("brightness: 256", "took 255 instead"),
        ("brightness: 999, contrast: 77", "took 255 instead"),
    ];
    let set = "v4l2-ctl -d /dev/camera -C brightness,contrast";
    let before = guest.vm.run(set).unwrap();
    for (control, expected) in values {
        guest.edit(&format!("{{{device}, controls: {{{control}}}}}"));
        guest.wait_for(expected, |status| {
            status.reason == "InvalidControl" && status.message.contains(expected)
        });
    }
    assert_eq!(guest.vm.run(set).unwrap(), before, "all is as it was");

    guest.edit(&format!("{{{device}, mode: {{fourcc: YUYV, width: 642}}}}"));
    let status = guest.wait_for_reason("ModeNotOffered");
    assert_eq!(status.state, CameraState::Stalled);
    assert!(
        status.message.contains("has no YUYV 642x?"),
        "{}",
        status.message
    );
    assert!(
        status.message.contains("YUYV 640x360 at 40, 30"),
        "{}",
        status.message
    );

    for other in ["/dev/player", "/dev/metadata"] {
        guest.edit(&format!("{{deviceSelector: {{devicePath: {other}}}}}"));
        guest.wait_for(other, |status| {
            status.reason == "NotCaptureDevice" && status.message.contains(other)
        });
    }

    let other = guest
        .vm
        .spawn("exec sh -c 'exec v4l2-ctl -d /dev/camera --stream-mmap > held 2>&1'")
        .unwrap();
    // A sign for each frame.
    let held =
        "for n in $(seq 100); do grep -q '<' held && break; sleep 0.2; done; grep -q '<' held";
    guest.vm.run(held).unwrap();
    guest.edit(&format!("{{{device}}}"));
    guest.wait_for_reason("DeviceBusy");
    guest.vm.run(&format!("kill {other}")).unwrap();
    let source = guest.wait_ready("v4l2:///dev/camera").source;
    assert_eq!(
        (source.width, source.height),
        (1280, 720),
        "the largest that it sends ten times a second"
    );
}

async fn motion_jpeg_goes_through_byte_for_byte(guest: &mut Guest, nats: &NatsServer) {
    let film = clip("mjpeg-720p25.avi").unwrap();
    let folder = Folder::new().unwrap();
    let split = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(&film)
        .args(["-c:v", "copy"])
        .arg(folder.path().join("%d.jpg"))
        .status()
        .unwrap();
    assert!(split.success());
    let originals: BTreeSet<Vec<u8>> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(originals.len() > 100);

    guest
        .vm
        .load("v4l2loopback", "video_nr=9 exclusive_caps=1")
        .unwrap();
    let play = format!(
        "gst-launch-1.0 -q multifilesrc location={}/%d.jpg start-index=1 stop-index=120 loop=true \
         caps=image/jpeg,width=1280,height=720,framerate=10/1,parsed=true ! identity sync=true ! \
         v4l2sink device=/dev/video9 sync=true",
        folder.path().display()
    );
    guest.vm.spawn(&play).unwrap();
    guest.edit("{deviceSelector: {devicePath: /dev/video9}}");
    let source = guest.wait_ready("v4l2:///dev/video9").source;
    assert_eq!(
        (source.codec.as_str(), source.width, source.height),
        ("jpeg", 1280, 720)
    );
    let consumer = consumer(nats).await;
    let mut stream = frames(&consumer, "desk", "main").await;
    let mut seen = 0;
    while seen < 10 {
        let frame = next(&mut stream).await;
        // A slow machine may still be at work on the other device's last picture.
        if seen == 0 && frame.metadata.source != "v4l2:///dev/video9" {
            continue;
        }
        seen += 1;
        assert_eq!(frame.metadata.quality, None, "{:?}", frame.metadata);
        assert!(
            originals.contains(frame.jpeg.as_ref()),
            "a JPEG of {} bytes that the film does not have",
            frame.jpeg.len()
        );
    }
}
