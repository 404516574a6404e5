//! A camera is decoded once, however many renditions are made of it; `GStreamer` itself counts.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use streamhub_testkit::{NatsServer, Testcam, clip, eventually};

use crate::support::{Ingest, PATIENCE};

/// So many access units are watched: five seconds.
const ENOUGH: usize = 125;

const ONE: &str = "{name: main, fps: 25, width: 160, publish: Always}";
const THREE: &str = "{name: main, fps: 25, width: 160, publish: Always}, {name: low, fps: 10, width: 320}, \
                     {name: still, fps: 1, quality: 95, width: 640}";

/// Access units that came to the decoders of this kind, and pictures that left them: lines of the `stats` tracer.
fn counted(log: &Path, decoder: &str) -> (usize, usize) {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let kind = format!("type=(string){decoder},");
    let decoders: BTreeSet<u64> = text
        .lines()
        .filter(|line| line.contains(" new-element,") && line.contains(&kind))
        .filter_map(|line| field(line, " ix=(uint)"))
        .collect();
    let buffers = |end: &str| {
        text.lines()
            .filter(|line| line.contains(" buffer,"))
            .filter_map(|line| field(line, end))
            .filter(|element| decoders.contains(element))
            .count()
    };
    (
        buffers(" peer-element-ix=(uint)"),
        buffers(" element-ix=(uint)"),
    )
}

fn field(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..digits].parse().ok()
}

/// How many access units came from the source, and how many pictures were decoded.
fn received_and_decoded(nats: &NatsServer, source: &str, frames: &str) -> (usize, usize) {
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
    let counts = eventually(PATIENCE, "enough access units in the trace", || {
        std::thread::sleep(Duration::from_millis(200));
        let counts = counted(&log, &decoder);
        (counts.0 >= ENOUGH).then_some(counts)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", camera.proc.last_words()));
    let status = camera.status().unwrap();
    for (name, rendition) in &status.renditions {
        assert!(rendition.published > 0, "{name} publishes nothing");
    }
    println!("{renditions} renditions: {counts:?} access units and pictures of {decoder}");
    counts
}

fn compare(source: &str) {
    let nats = NatsServer::start().unwrap();
    for frames in [ONE, THREE] {
        let (received, decoded) = received_and_decoded(&nats, source, frames);
        // A picture decoded for each rendition would be three times as many. A machine that is busy leaves some out.
        assert!(
            decoded <= received && decoded * 2 >= received,
            "{decoded} pictures of {received} access units for {frames}"
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
