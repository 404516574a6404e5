//! NATS is away for minutes.

use std::time::{Duration, Instant};

use streamhub_testkit::{NatsServer, Testcam, clip};
use streamhub_wire::hub_time_us;
use tokio::time::sleep;

use super::usage::Usage;
use crate::recorder::{Recorder, Seen};
use crate::support::Ingest;

const OUTAGE: Duration = Duration::from_mins(2);
/// Idle machines take about a second.
const RESUMED_WITHIN: Duration = Duration::from_secs(5);
const STALE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make test-long"]
async fn after_two_minutes_without_nats_frames_resume_at_once_and_none_is_old() {
    let mut nats = NatsServer::start().unwrap();
    // Frames of 92 KB, so that a queue of them would show in memory and in age.
    let film = clip("mjpeg-720p25.avi").unwrap();
    let server = Testcam::of_clip("h264-720p25.mkv").unwrap();
    let sources = [
        (
            "away-file",
            format!("{{file: {{uri: {}}}}}", film.display()),
        ),
        (
            "away-rtsp",
            format!("{{rtsp: {{url: '{}'}}}}", server.url("/cam")),
        ),
    ];
    let mut cameras = Vec::new();
    for (name, source) in sources {
        let spec = format!("{{source: {source}, frames: [{{name: main, fps: 15}}]}}");
        let ingest = Ingest::start(name, &spec, &nats);
        ingest.wait_ready();
        let recorder = Recorder::start(&nats.url(), name, "main").await;
        cameras.push((name, ingest, recorder));
    }
    let mut usual = Vec::new();
    for (_, ingest, recorder) in &cameras {
        recorder.wait_for_count(60).await;
        usual.push(Usage::of(ingest).memory_kb);
    }

    nats.stop().unwrap();
    let mut most = usual.clone();
    let end = Instant::now() + OUTAGE;
    while Instant::now() < end {
        sleep(Duration::from_millis(500)).await;
        for ((_, ingest, _), most) in cameras.iter().zip(&mut most) {
            *most = Usage::of(ingest).memory_kb.max(*most);
        }
    }
    for (_, ingest, _) in &cameras {
        let away = ingest.wait_for("away", |status| status.reason == "NatsUnavailable");
        assert!(!away.ready);
    }
    let restarted = hub_time_us();
    nats.restart().unwrap();
    for (name, _, recorder) in &cameras {
        let first = recorder
            .wait_for("a frame after the restart", |seen| seen.at > restarted)
            .await;
        let took = Duration::from_micros((first.at - restarted).cast_unsigned());
        println!("{name}: frames resumed after {took:?}");
        assert!(took < RESUMED_WITHIN, "{took:?}");
    }

    sleep(Duration::from_secs(5)).await;
    for (((name, ingest, recorder), usual), most) in cameras.iter().zip(usual).zip(most) {
        let most = Usage::of(ingest).memory_kb.max(most);
        println!("{name}: {usual} KB as usual, {most} KB at most");
        assert!(most < usual + 30 * 1024, "{usual} KB grew to {most} KB");
        let seen = recorder.seen();
        let after: Vec<&Seen> = seen.iter().filter(|seen| seen.at > restarted).collect();
        let oldest = after
            .iter()
            .map(|seen| seen.age())
            .max()
            .expect("frames after");
        println!(
            "{name}: {} frames since, the oldest {oldest:?}",
            after.len()
        );
        assert!(oldest < STALE, "{oldest:?}");
        assert!(after.len() > 25, "{}", after.len());
        // Nothing that was made while the server was away.
        assert!(after.iter().all(|seen| seen.metadata.published > restarted));
        assert!(
            recorder
                .metadata()
                .is_sorted_by(|before, after| before.frame_id < after.frame_id)
        );
        let status = ingest.wait_ready();
        assert_eq!(status.nats.reconnects, 1);
        assert_eq!(status.source.reconnects, 0, "the source never noticed");
        let dropped = status.renditions["main"].drops["not_connected"];
        // Two minutes at 15 a second, and most of them are told.
        assert!(dropped > 1_200, "{dropped}");
    }
}
