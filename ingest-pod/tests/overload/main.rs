//! Cameras on a machine that cannot keep up, and on the same machine when it can again.
//!
//! A program of its own: what it does to the machine would spoil the tests that run beside it.

// Helpers of tests may fail as tests may.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../process/recorder.rs"]
#[allow(dead_code)] // The other tests use the rest of them.
mod recorder;
#[path = "../process/support.rs"]
#[allow(dead_code)]
mod support;

use std::process::Command;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;
use streamhub_testkit::{NatsServer, Proc, eventually};
use streamhub_wire::tick::TickGrid;

use crate::recorder::{Recorder, Seen};
use crate::support::{Ingest, prefix};

/// Each takes a core's share like a camera's thread.
const MOST_BURNERS: usize = 30;
/// Longer than it takes to be sure of overload.
const STEP: Duration = Duration::from_secs(4);
/// Three steps: quality, rate, size.
const SPEC: &str = "{source: {test: {width: 1280, height: 720, fps: 30}}, \
    frames: [{name: main, fps: 30, quality: 90, publish: Always, floor: {quality: 70, fps: 15, width: 960}}]}";
/// Frames older than this are not fresh by any measure; an idle machine shows 0.02 s.
const FRESH: Duration = Duration::from_secs(2);

/// The first CPU that this process may run on: a container need not have number 0.
fn one_core() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = allowed.unwrap().trim().split([',', '-']).next();
    first.unwrap().to_owned()
}

fn on_one_core(process: u32) {
    let pinned = Command::new("taskset")
        .args([
            "--all-tasks",
            "--cpu-list",
            "--pid",
            &one_core(),
            &process.to_string(),
        ])
        .output()
        .unwrap();
    assert!(
        pinned.status.success(),
        "{}",
        String::from_utf8_lossy(&pinned.stderr)
    );
}

fn burner() -> Proc {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &one_core(), "sh", "-c", "while :; do :; done"]);
    Proc::spawn("burner", &mut command).unwrap()
}

fn level(camera: &Ingest) -> Option<u32> {
    Some(camera.status()?.renditions.get("main")?.load_level)
}

/// Never below a floor, in order, on the grid that all cameras share.
fn assert_reduced(frames: &[Seen]) {
    let grid = TickGrid::new(30, 1).unwrap();
    for frame in frames {
        let metadata = &frame.metadata;
        assert!(
            metadata.quality >= Some(70) && metadata.width >= 960,
            "{metadata:?}"
        );
        assert!(metadata.fps >= 15.0 && !metadata.reduced, "{metadata:?}");
        assert_eq!(grid.tick_us(grid.nearest(metadata.tick)), metadata.tick);
        if metadata.fps < 30.0 {
            assert_eq!(grid.nearest(metadata.tick) % 2, 0, "{metadata:?}");
            assert_eq!(metadata.quality, Some(70), "quality goes first");
        }
        if metadata.width < 1280 {
            assert_eq!(
                (metadata.quality, metadata.fps),
                (Some(70), 15.0),
                "size goes last"
            );
        }
    }
    assert!(
        frames
            .iter()
            .any(|frame| frame.metadata.quality == Some(70))
    );
    let fresh = frames.iter().filter(|frame| {
        let age = frame.at.saturating_sub(frame.metadata.timestamp);
        Duration::from_micros(age.max(0).cast_unsigned()) < FRESH
    });
    let fresh = fresh.count();
    println!("{fresh} of {} frames fresh", frames.len());
    assert!(
        fresh * 20 >= frames.len() * 19,
        "{fresh} of {} frames fresh",
        frames.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_machine_makes_less_of_its_cameras_which_stay_fresh_and_come_back() {
    let nats = NatsServer::start().unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut events = client
        .subscribe(format!("{}.events.*.*", prefix()))
        .await
        .unwrap();
    client.flush().await.unwrap();
    let names = ["one", "two"];
    let recorders = [
        Recorder::start(&nats.url(), names[0], "main").await,
        Recorder::start(&nats.url(), names[1], "main").await,
    ];
    let cameras = names.map(|name| Ingest::start(name, SPEC, &nats));
    for camera in &cameras {
        camera.wait_ready();
        on_one_core(camera.proc.id());
    }
    // How many it takes depends on the machine.
    let mut burners = Vec::new();
    while cameras.iter().any(|camera| level(camera) == Some(0)) {
        assert!(burners.len() < MOST_BURNERS, "{:?}", cameras[0].status());
        burners.extend([burner(), burner()]);
        let all = || {
            cameras
                .iter()
                .all(|camera| level(camera) > Some(0))
                .then_some(())
        };
        let _ = eventually(STEP, "both to be reduced", all);
    }
    for camera in &cameras {
        let status = camera.wait_for("less", |status| status.renditions["main"].load_level > 0);
        assert_eq!((status.reason.as_str(), status.ready), ("Overloaded", true));
        let (_, metrics) = camera.get("/metrics").unwrap();
        assert!(
            metrics.contains("streamhub_rendition_quality{"),
            "{metrics}"
        );
    }
    for recorder in &recorders {
        let before = recorder.count();
        recorder.wait_for_count(before + 20).await;
    }
    drop(burners);
    for camera in &cameras {
        let back = eventually(Duration::from_mins(5), "all of it back", || {
            (level(camera)? == 0).then_some(())
        });
        back.unwrap_or_else(|error| panic!("{error}: {:?}", camera.status()));
    }
    for recorder in &recorders {
        assert_reduced(&recorder.seen());
        let seen = recorder.wait_for_count(recorder.count() + 30).await;
        let last = &seen.last().unwrap().metadata;
        assert_eq!((last.quality, last.fps, last.width), (Some(90), 30.0, 1280));
    }
    drop(cameras);

    let mut said: Vec<(String, String)> = Vec::new();
    // One of them may have come and gone before the other was reduced at all.
    while !names
        .iter()
        .all(|name| said.contains(&((*name).to_owned(), "load-restored".to_owned())))
    {
        let message = tokio::time::timeout(Duration::from_secs(10), events.next()).await;
        let message = message.expect("both are restored").expect("connected");
        let kind = message.subject.rsplit('.').next().unwrap().to_owned();
        let body: Value = serde_json::from_slice(&message.payload).unwrap();
        let camera = body["camera"].as_str().unwrap().to_owned();
        if kind.starts_with("load-") {
            println!("{kind}: {body}");
            assert_eq!(body["rendition"], "main");
            assert!(body["level"].is_u64() && body["fps"].is_f64(), "{body}");
        }
        said.push((camera, kind));
    }
    for name in names {
        let first = said
            .iter()
            .find(|(camera, kind)| camera == name && kind.starts_with("load-"));
        assert_eq!(first.map(|(_, kind)| kind.as_str()), Some("load-reduced"));
    }
}
