//! The enforced rate, counted over ten seconds of ticks: below, at and above the camera's own.

use std::collections::BTreeSet;

use streamhub_testkit::{NatsServer, Testcam, clip};
use streamhub_wire::metadata::Metadata;

use crate::numbering::assert_numbering;
use crate::recorder::Recorder;
use crate::support::Ingest;

const SECONDS: i64 = 10;
const CAMERA_FPS: usize = 25;

/// The frames of the ten seconds that begin with the whole second `from`.
fn window(frames: &[Metadata], from: i64) -> Vec<&Metadata> {
    let begin = from * 1_000_000;
    frames
        .iter()
        .filter(|frame| (begin..begin + SECONDS * 1_000_000).contains(&frame.tick))
        .collect()
}

/// How many frames were due: ids count dropped ones too.
fn due(frames: &[&Metadata]) -> usize {
    match (frames.first(), frames.last()) {
        (Some(first), Some(last)) => (last.frame_id - first.frame_id + 1) as usize,
        _ => 0,
    }
}

/// Never more than the rate; on the busiest machine nine of ten, of which nine of ten arrive.
fn assert_rate(source: &str, frames: &[&Metadata], expected: usize, tolerance: usize) {
    let (due, sent) = (due(frames), frames.len());
    println!("{source}: {expected} expected, {due} due, {sent} sent");
    assert!(
        due <= expected + tolerance && due * 10 >= expected * 9,
        "{source}: {due} due, {expected} expected"
    );
    assert!(
        sent <= due && sent * 10 >= due * 9,
        "{source}: {sent} of {due} sent"
    );
}

/// Runs a camera of 25 frames a second at 10, 25 and 60. `tolerance`: frames by which the camera itself is inexact.
async fn ten_seconds(name: &str, source: &str, tolerance: usize) {
    let nats = NatsServer::start().unwrap();
    let mut recordings = Vec::new();
    for rendition in ["below", "at", "above"] {
        recordings.push(Recorder::start(&nats.url(), name, rendition).await);
    }
    let spec = format!(
        "{{source: {source}, frames: [{{name: below, fps: 10, width: 160}}, \
         {{name: at, fps: 25, width: 160}}, {{name: above, fps: 60, width: 160}}]}}"
    );
    let camera = Ingest::start(name, &spec, &nats);
    camera.wait_ready();
    // The clock may step once in the first five seconds, and ids with it.
    let first = recordings[0].until("a first frame", |_| true).await;
    let from = first.tick / 1_000_000 + 7;
    for recording in &recordings {
        recording
            .until("ten seconds", |frame| {
                frame.tick >= (from + SECONDS) * 1_000_000
            })
            .await;
    }
    let frames: Vec<Vec<Metadata>> = recordings.iter().map(Recorder::metadata).collect();
    for frames in &frames {
        assert_numbering(frames);
    }
    let [below, at, above] = [0, 1, 2].map(|n| window(&frames[n], from));
    let whole = CAMERA_FPS * SECONDS as usize;
    assert_rate(name, &below, 10 * SECONDS as usize, tolerance);
    assert_rate(name, &at, whole, tolerance);
    assert_rate(name, &above, whole, tolerance);
    assert!(
        below.len() <= 100 && at.len() <= 250,
        "never above the rate"
    );

    // None invented: each frame of the camera is there once, and all renditions have them from one stream.
    let times = |frames: &[Metadata]| frames.iter().map(|f| f.timestamp).collect::<BTreeSet<_>>();
    let all = times(&frames[2]);
    assert_eq!(all.len(), frames[2].len(), "{name}: one picture sent twice");
    let missing = |frames: &[&Metadata]| {
        frames
            .iter()
            .filter(|f| !all.contains(&f.timestamp))
            .count()
    };
    for slower in [&below, &at] {
        assert!(
            missing(slower) * 10 <= slower.len(),
            "{name}: frames that the camera did not send"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_camera_is_held_to_each_rate() {
    ten_seconds("drawn", "{test: {width: 320, height: 180, fps: 25}}", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_held_to_each_rate() {
    let film = clip("h264-720p25.mkv").unwrap();
    ten_seconds("film", &format!("{{file: {{uri: {}}}}}", film.display()), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rtsp_camera_is_held_to_each_rate() {
    let server = Testcam::of_clip("h264-720p25.mkv").unwrap();
    let source = format!("{{rtsp: {{url: \"{}\"}}}}", server.url("/cam"));
    ten_seconds("cam", &source, 5).await;
}
