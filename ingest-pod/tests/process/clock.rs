//! Capture times of real streams: from arrival, from sender reports, from neither where a camera's clock is wrong.

use std::time::Duration;
use streamhub_testkit::badcam::Badcam;
use streamhub_testkit::{NatsServer, Testcam};
use streamhub_wire::metadata::{CaptureSource, Metadata};

use crate::support::{Ingest, consumer, frames, next};

/// A camera's spec; `more` are further fields of `rtsp`.
fn spec(url: &str, more: &str) -> String {
    format!(
        "{{source: {{rtsp: {{url: '{url}', {more}}}}}, frames: [{{name: main, fps: 60, width: 160}}]}}"
    )
}

/// Metadata of the next frames.
async fn watch(nats: &NatsServer, camera: &str, count: usize) -> Vec<Metadata> {
    let consumer = consumer(nats).await;
    let mut stream = frames(&consumer, camera, "main").await;
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.push(next(&mut stream).await.metadata);
    }
    seen
}

/// How far the distance of two frames of one epoch is from a whole number of frame intervals, at most, microseconds.
fn jitter(frames: &[Metadata], interval: i64) -> i64 {
    let pairs = frames
        .windows(2)
        .filter(|pair| pair[0].epoch == pair[1].epoch);
    let beside = pairs.map(|pair| {
        let off = (pair[1].timestamp - pair[0].timestamp).rem_euclid(interval);
        off.min(interval - off)
    });
    beside.max().expect("two frames of one epoch")
}

#[tokio::test(flavor = "multi_thread")]
async fn sender_reports_take_over_unless_arrival_is_asked_for_and_timestamps_have_no_jitter() {
    let nats = NatsServer::start().unwrap();
    // A mount each: its session, and with it the reports, begins with the camera's own connection.
    let mounts = ["auto-tcp", "auto-udp", "believed", "arrival", "shifted"];
    let camera = mounts.iter().fold(Testcam::options(), |options, name| {
        options.test_picture(&format!("/{name}"), "h264:320x180@25")
    });
    let camera = camera.start().unwrap();
    let cameras = [
        ("auto-tcp", "transport: tcp", CaptureSource::Rtcp),
        ("auto-udp", "transport: udp", CaptureSource::Rtcp),
        ("believed", "clock: {mode: Rtcp}", CaptureSource::Rtcp),
        ("arrival", "clock: {mode: Arrival}", CaptureSource::Arrival),
        (
            "shifted",
            "clock: {mode: Arrival, offset: -2s}",
            CaptureSource::Arrival,
        ),
    ]
    .map(|(name, more, wanted)| {
        let url = camera.url(&format!("/{name}"));
        (name, wanted, Ingest::start(name, &spec(&url, more), &nats))
    });
    for (name, wanted, ingest) in &cameras {
        // A measured offset says that a report has come.
        let status = ingest.wait_for("its clock", |status| {
            let clock = status.source.clock.as_ref();
            clock.is_some_and(|clock| clock.mode == *wanted && clock.camera_offset_ms.is_some())
        });
        let offset = status.source.clock.unwrap().camera_offset_ms.unwrap();
        assert!(
            offset.abs() < 1_000.0,
            "{name}: {offset} ms, on one machine"
        );
    }
    // In the first five seconds of a connection timestamps may be held to arrival, and step once.
    tokio::time::sleep(Duration::from_millis(6_500)).await;
    for (name, wanted, ingest) in &cameras {
        let frames = watch(&nats, name, 30).await;
        assert!(
            frames.iter().all(|frame| frame.capture.source == *wanted),
            "{name}"
        );
        // 90 kHz does not divide every interval, and slewing moves by 500 ppm.
        let jitter = jitter(&frames, 40_000);
        assert!(jitter <= 50, "{name}: {jitter} us");
        // Of the quickest: the machine may stand still while one is under way.
        let ages = frames.iter().map(|frame| frame.published - frame.timestamp);
        let age = ages.min().expect("frames");
        let shift = if *name == "shifted" { 2_000_000 } else { 0 };
        assert!(
            (shift - 200_000..shift + 1_500_000).contains(&age),
            "{name}: {age} us old"
        );
        let (_, metrics) = ingest.get("/metrics").unwrap();
        let measured = metrics.lines().any(|line| {
            line.starts_with("streamhub_camera_clock_offset_seconds{") && !line.ends_with("NaN")
        });
        assert!(measured, "{metrics}");
        assert!(
            metrics.contains(r#"streamhub_epochs_total{camera=""#),
            "{metrics}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_whose_clock_is_wrong_keeps_arrival_and_its_offset_is_told() {
    let nats = NatsServer::start().unwrap();
    let cameras = [
        ("an-hour-ahead", "reports=ahead:3600", 3_600_000.0),
        ("ten-seconds-behind", "reports=behind:10", -10_000.0),
    ]
    .map(|(name, scenario, off)| {
        let script = format!("clip=h264-720p25.mkv; {scenario}");
        let camera = Badcam::start(&script).unwrap();
        let ingest = Ingest::start(name, &spec(&camera.url(), ""), &nats);
        (name, off, camera, ingest)
    });
    for (name, off, _camera, ingest) in &cameras {
        let status = ingest.wait_for("a measured clock", |status| {
            let clock = status.source.clock.as_ref();
            clock.is_some_and(|clock| clock.camera_offset_ms.is_some())
        });
        let offset = status.source.clock.unwrap().camera_offset_ms.unwrap();
        assert!((offset - off).abs() < 2_000.0, "{name}: {offset} ms");
        let frames = watch(&nats, name, 30).await;
        let source = CaptureSource::Arrival;
        assert!(
            frames.iter().all(|frame| frame.capture.source == source),
            "{name}"
        );
        assert!(
            (frames[0].published - frames[0].timestamp).abs() < 2_000_000,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bogus_first_report_does_not_keep_the_true_ones_from_being_used() {
    let nats = NatsServer::start().unwrap();
    let script = "clip=h264-720p25.mkv; reports=ssrc0; rtp-start=4294900000";
    let camera = Badcam::start(script).unwrap();
    let ingest = Ingest::start("bogus-first", &spec(&camera.url(), ""), &nats);
    ingest.wait_for("its reports", |status| {
        let clock = status.source.clock.as_ref();
        clock.is_some_and(|clock| clock.mode == CaptureSource::Rtcp)
    });
    let frames = watch(&nats, "bogus-first", 30).await;
    let in_epochs = frames
        .windows(2)
        .filter(|pair| pair[0].epoch == pair[1].epoch);
    assert!(
        in_epochs
            .into_iter()
            .all(|pair| pair[0].timestamp < pair[1].timestamp)
    );
}
