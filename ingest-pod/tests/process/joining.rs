//! Two cameras that see the same, joined on `tick`, show the same.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use streamhub_ingest::picture::test_card::{TestCard, read_frame_number};
use streamhub_ingest::picture::{Encoder, Size};
use streamhub_testkit::{Folder, NatsServer, Proc, Testcam, eventually, paths};
use streamhub_wire::join::{JoinOptions, JoinedFrames};
use streamhub_wire::subscribe::Frame;

use crate::metadata::grey;
use crate::support::{Ingest, PATIENCE, consumer, frames, prefix};

const SIZE: Size = Size::new(320, 180);
const FPS: u32 = 15;
/// Forty seconds: the test ends before a number comes a second time.
const FRAMES: u32 = 600;
/// In the first five seconds of a connection timestamps may be held to arrival, and step once.
const SETTLED: i64 = 6_000_000;
const PAIRS: usize = 200;

/// A film whose every picture has its number in it, for programs to read.
fn numbered(folder: &Path) -> PathBuf {
    let film = folder.join("numbered.mp4");
    let fps = FPS.to_string();
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "mjpeg", "-framerate", &fps, "-i", "-"])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-bf",
            "0",
            "-g",
            &fps,
        ])
        .arg(&film)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pictures = ffmpeg.stdin.take().unwrap();
    let (mut card, mut encoder) = (TestCard::new(SIZE, "both"), Encoder::new().unwrap());
    for n in 0..FRAMES {
        let raw = card.draw(n.into(), i64::from(n) * 1_000_000 / i64::from(FPS));
        pictures
            .write_all(&encoder.encode(&raw, SIZE, 90).unwrap())
            .unwrap();
    }
    drop(pictures);
    assert!(ffmpeg.wait().unwrap().success());
    film
}

fn number(jpeg: &[u8]) -> i64 {
    let (luma, width, height) = grey(jpeg);
    read_frame_number(&luma, width as usize, width, height)
        .expect("a number")
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_readers_of_one_camera_joined_by_tick_show_the_same_frame_number() {
    let nats = NatsServer::start().unwrap();
    let folder = Folder::new().unwrap();
    let server = Testcam::options()
        .film("/cam", &numbered(folder.path()))
        .start()
        .unwrap();
    // As unlike as two cameras of one scene can be: transport, size and rate.
    let start = |name: &str, transport: &str, rendition: &str| {
        let spec = format!(
            "{{source: {{rtsp: {{url: \"{}\", transport: {transport}}}}}, frames: [{{name: main, {rendition}}}]}}",
            server.url("/cam")
        );
        Ingest::start(name, &spec, &nats)
    };
    let cameras = [
        start("left", "tcp", "fps: 15"),
        start("right", "udp", "fps: 30, width: 160"),
    ];
    for camera in &cameras {
        camera.wait_ready();
    }
    let consumer = consumer(&nats).await;
    let streams = vec![
        frames(&consumer, "left", "main").await,
        frames(&consumer, "right", "main").await,
    ];
    let mut joined = JoinedFrames::new(streams, JoinOptions::default());
    let mut apart = Vec::new();
    while apart.len() < PAIRS {
        let set = tokio::time::timeout(PATIENCE, joined.next())
            .await
            .expect("a pair in time");
        let pair = set
            .expect("the stream goes on")
            .expect("valid frames")
            .frames;
        let settled = |frame: &Frame| {
            frame.metadata.timestamp - frame.metadata.epoch.cast_signed() * 1_000 > SETTLED
        };
        if !pair.iter().flatten().all(settled) {
            continue;
        }
        let numbers: Vec<i64> = pair
            .iter()
            .flatten()
            .map(|frame| number(&frame.jpeg))
            .collect();
        apart.push(numbers[1] - numbers[0]);
    }
    let equal = apart.iter().filter(|apart| **apart == 0).count();
    println!(
        "{equal} of {} pairs equal; {:?}",
        apart.len(),
        joined.counts()
    );
    assert!(
        equal * 100 >= apart.len() * 99,
        "{equal} of {} pairs: {apart:?}",
        apart.len()
    );
    assert!(apart.iter().all(|apart| apart.abs() <= 1), "{apart:?}");
}

#[test]
fn the_python_example_joins_three_cameras() {
    let nats = NatsServer::start().unwrap();
    let start = |name: &str, fps: u32| {
        let source = "{test: {width: 320, height: 180, fps: 30}}";
        let spec = format!("{{source: {source}, frames: [{{name: main, fps: {fps}}}]}}");
        Ingest::start(name, &spec, &nats)
    };
    let [a, b, c] = [start("a", 15), start("b", 30), start("c", 10)];
    for camera in [&a, &b, &c] {
        camera.wait_ready();
    }
    let mut command = Command::new(paths::python().unwrap());
    command
        .arg(paths::repository().join("clients/examples/join_cameras.py"))
        .args([
            "--url",
            &nats.url(),
            "--prefix",
            prefix().as_str(),
            "--sets",
            "30",
        ])
        .args(["a.main", "b.main", "c.main"]);
    let mut example = Proc::spawn("join-cameras", &mut command).unwrap();
    let sets = |wanted: usize| {
        eventually(PATIENCE, "sets", || {
            (example.stdout().lines().count() >= wanted).then_some(())
        })
        .unwrap_or_else(|error| panic!("{error}: {}", example.last_words()));
    };
    sets(5);
    // While one is away nothing can be joined; once it is back all of them are again.
    drop(b);
    let _b = start("b", 30);
    sets(15);
    let status = example.wait(Duration::from_mins(1)).unwrap();
    assert!(status.success(), "{}", example.last_words());
    let text = example.stdout();
    let mut ticks = Vec::new();
    for line in text.lines() {
        let (tick, rest) = line["tick ".len()..].split_once(": ").unwrap();
        ticks.push(tick.parse::<i64>().unwrap());
        let names: Vec<&str> = rest.split(", ").map(|part| &part[..1]).collect();
        assert_eq!(names[..3], ["a", "b", "c"], "{line}");
        let apart = rest.rsplit_once(", ").unwrap().1.split(' ').next().unwrap();
        // One interval of the slowest to either side, where another one has just left or come.
        assert!(apart.parse::<f64>().unwrap() <= 200.0, "{line}");
    }
    assert_eq!(ticks.len(), 30);
    // The slowest paces, each instant once. The tick shown is the first camera's nearest: the same one again where a
    // busy machine left one out.
    assert!(ticks.is_sorted(), "{ticks:?}");
    assert!(ticks[29] - ticks[0] >= 29 * 95_000, "{ticks:?}");
}
