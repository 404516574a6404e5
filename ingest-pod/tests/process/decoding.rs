//! A camera is decoded once, however many renditions are made of it; `GStreamer` itself counts.

use std::path::Path;
use std::time::Duration;

use streamhub_testkit::{NatsServer, Testcam, clip, eventually};

use crate::support::{Ingest, PATIENCE};

/// Seconds over which buffers are counted.
const SECONDS: u64 = 5;

const ONE: &str = "{name: main, fps: 25, width: 160, publish: Always}";
const THREE: &str = "{name: main, fps: 25, width: 160, publish: Always}, {name: low, fps: 10, width: 320}, \
                     {name: still, fps: 1, quality: 95, width: 640}";

/// When buffers left the decoder, in nanoseconds since the process began: lines of the `stats` tracer.
fn decoded(log: &Path, decoder: &str) -> Vec<u64> {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let kind = format!("type=(string){decoder},");
    let index = text
        .lines()
        .find(|line| line.contains(" new-element,") && line.contains(&kind))
        .and_then(|line| field(line, " ix=(uint)"));
    let Some(index) = index else {
        return Vec::new();
    };
    let from = format!(" element-ix=(uint){index},");
    text.lines()
        .filter(|line| line.contains(" buffer,") && line.contains(&from))
        .filter_map(|line| field(line, " ts=(guint64)"))
        .collect()
}

fn field(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}

/// How many pictures left the decoder in five seconds.
fn decoded_in_five_seconds(nats: &NatsServer, source: &str, frames: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("trace.log");
    let document = format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: cam}}\n\
         spec: {{source: {source}, frames: [{frames}]}}\n"
    );
    let trace = [
        ("GST_TRACERS", "stats"),
        ("GST_DEBUG", "GST_TRACER:7"),
        ("GST_DEBUG_NO_COLOR", "1"),
        ("GST_DEBUG_FILE", log.to_str().unwrap()),
    ];
    let camera = Ingest::of_document("cam", &document, nats, None, &[], &trace);
    camera.wait_ready();
    let status = camera.wait_for("the decoder to be known", |status| {
        !status.source.decoder.is_empty()
    });
    let renditions = status.renditions.len();
    assert_eq!(renditions, frames.matches("name:").count());
    let decoder = status.source.decoder;
    let nanos = |seconds: u64| Duration::from_secs(seconds).as_nanos() as u64;
    let times = eventually(PATIENCE, "seven seconds of buffers in the trace", || {
        std::thread::sleep(Duration::from_millis(200));
        let times = decoded(&log, &decoder);
        let (first, last) = (times.first()?, times.last()?);
        (last - first > nanos(SECONDS + 2)).then_some(times)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", camera.proc.last_words()));
    let status = camera.status().unwrap();
    for (name, rendition) in &status.renditions {
        assert!(rendition.published > 0, "{name} publishes nothing");
    }
    // The first second is left out, in which a camera may send its buffer of frames at once.
    let begin = times[0] + nanos(1);
    let counted = times
        .iter()
        .filter(|at| (begin..begin + nanos(SECONDS)).contains(*at))
        .count();
    println!("{renditions} renditions: {counted} pictures out of {decoder} in {SECONDS} s");
    counted
}

fn compare(source: &str) {
    let nats = NatsServer::start().unwrap();
    let expected = 25 * SECONDS as usize;
    for frames in [ONE, THREE] {
        let counted = decoded_in_five_seconds(&nats, source, frames);
        // A picture decoded for each rendition would be three times as many.
        assert!(
            counted.abs_diff(expected) * 10 <= expected,
            "{counted} pictures for {frames}"
        );
    }
}

#[test]
fn three_renditions_of_a_film_decode_no_more_frames_than_one() {
    let film = clip("h264-720p25.mkv").unwrap();
    compare(&format!("{{file: {{uri: {}}}}}", film.display()));
}

#[test]
fn three_renditions_of_an_rtsp_camera_decode_no_more_frames_than_one() {
    let server = Testcam::of_clip("h264-720p25.mkv").unwrap();
    compare(&format!("{{rtsp: {{url: \"{}\"}}}}", server.url("/cam")));
}
