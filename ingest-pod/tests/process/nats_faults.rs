//! NATS dies, hangs, and comes back with other limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use streamhub_testkit::{NatsServer, clip};
use streamhub_wire::hub_time_us;

use crate::recorder::{Recorder, Seen};
use crate::support::{Ingest, consumer, frames, next, token};

const FPS: i64 = 15;
const OUTAGE: Duration = Duration::from_secs(10);
/// Idle machines take about a second: reconnection of both sides and the fence.
const RESUMED_WITHIN: Duration = Duration::from_secs(5);
const STALE: Duration = Duration::from_secs(2);

/// Frames of 92 KB, so that a queue of them would show in memory and in age.
fn camera(nats: &NatsServer) -> Ingest {
    let film = clip("mjpeg-720p25.avi").unwrap();
    let spec = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: {FPS}}}]}}",
        film.display()
    );
    let ingest = Ingest::start("steady", &spec, nats);
    ingest.wait_ready();
    ingest
}

/// The most memory that a process uses while this value lives.
struct Memory {
    most: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Memory {
    fn watch(ingest: &Ingest) -> Self {
        let (most, ended): (Arc<AtomicU64>, Arc<AtomicBool>) = Default::default();
        let (seen, end) = (Arc::clone(&most), Arc::clone(&ended));
        let file = format!("/proc/{}/statm", ingest.proc.id());
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let pages = std::fs::read_to_string(&file).unwrap_or_default();
                let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
                let bytes = resident.unwrap_or(0) * rustix::param::page_size() as u64;
                seen.fetch_max(bytes, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self {
            most,
            ended,
            thread: Some(thread),
        }
    }

    fn megabytes(&self) -> u64 {
        self.most.load(Ordering::Relaxed) / 1_000_000
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Fails when the process grew by more than a few dozen frames meanwhile.
fn assert_bounded(memory: &Memory, usual: u64) {
    let most = memory.megabytes();
    println!("memory: {usual} MB as usual, at most {most} MB meanwhile");
    assert!(most < usual + 30, "{usual} MB grew to {most} MB");
}

/// The ids count what was due meanwhile and not published.
fn assert_gap(before: &Seen, after: &Seen) {
    assert_eq!(before.metadata.epoch, after.metadata.epoch);
    let ids = after.metadata.frame_id - before.metadata.frame_id;
    let ticks = (after.metadata.tick - before.metadata.tick) * FPS / 1_000_000;
    assert!(
        ids.abs_diff(ticks.cast_unsigned()) <= 2,
        "{ids} ids in {ticks} ticks"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_nats_was_killed_frames_resume_at_once_and_at_most_two_are_old() {
    let mut nats = NatsServer::start().unwrap();
    let ingest = camera(&nats);
    let recorder = Recorder::start(&nats.url(), "steady", "main").await;
    recorder.wait_for_count(30).await;
    let usual = Memory::watch(&ingest);
    recorder.wait_for_count(60).await;
    let usual = usual.megabytes();

    nats.stop().unwrap();
    let memory = Memory::watch(&ingest);
    let stopped = hub_time_us();
    let away = ingest.wait_for("away", |status| status.reason == "NatsUnavailable");
    assert!(
        !away.ready && away.message.matches("127.0.0.1").count() == 1,
        "{}",
        away.message
    );
    tokio::time::sleep(OUTAGE).await;
    let restarted = hub_time_us();
    nats.restart().unwrap();
    let first = recorder
        .wait_for("a frame of after the restart", |seen| {
            seen.metadata.published > restarted
        })
        .await;
    let took = Duration::from_micros((first.at - restarted).cast_unsigned());
    println!("frames resumed after {took:?}");
    assert!(took < RESUMED_WITHIN, "{took:?}");
    let before = recorder
        .seen()
        .into_iter()
        .rfind(|seen| seen.metadata.published < restarted)
        .expect("frames before");
    assert!(before.metadata.published < stopped + 1_000_000);
    assert_gap(&before, &first);

    // Of three seconds.
    recorder.more(45).await;
    let after: Vec<Seen> = recorder
        .seen()
        .into_iter()
        .filter(|seen| seen.at > restarted)
        .collect();
    // Those that the client had when the server went, before it knew; nothing that was made while it was away.
    let (fresh, old): (Vec<_>, Vec<_>) = after
        .iter()
        .partition(|seen| seen.metadata.published > restarted);
    assert!(old.len() <= 2, "{} are old", old.len());
    assert!(
        old.iter()
            .all(|seen| seen.metadata.published < stopped + 1_000_000)
    );
    let oldest = fresh
        .iter()
        .map(|seen| seen.age())
        .max()
        .expect("frames after");
    assert!(oldest < STALE, "{oldest:?}");
    assert!(fresh.len() > 30, "{}", fresh.len());
    let status = ingest.wait_ready();
    assert_eq!(status.nats.reconnects, 1);
    assert!(
        status.renditions["main"].drops["not_connected"] > 100,
        "{status:#?}"
    );
    assert_bounded(&memory, usual);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_nats_hung_frames_resume_at_once_and_only_what_was_under_way_is_old() {
    let mut nats = NatsServer::start().unwrap();
    let ingest = camera(&nats);
    let recorder = Recorder::start(&nats.url(), "steady", "main").await;
    let consumer = consumer(&nats).await;
    let mut fresh_only = consumer
        .frames(&token("steady"), &token("main"), STALE)
        .await
        .unwrap();
    recorder.wait_for_count(30).await;
    let usual = Memory::watch(&ingest);
    recorder.wait_for_count(60).await;
    let usual = usual.megabytes();

    nats.freeze().unwrap();
    let memory = Memory::watch(&ingest);
    let frozen = hub_time_us();
    tokio::time::sleep(OUTAGE).await;
    let thawed = hub_time_us();
    nats.thaw().unwrap();
    let reader = tokio::spawn(async move {
        let mut ages = Vec::new();
        while hub_time_us() < thawed + 8_000_000 {
            let frame = next(&mut fresh_only).await;
            let now = hub_time_us();
            if now > thawed {
                ages.push(now - frame.metadata.published);
            }
        }
        ages
    });
    let first = recorder
        .wait_for("a frame made after the thaw", |seen| {
            seen.metadata.published > thawed
        })
        .await;
    let took = Duration::from_micros((first.at - thawed).cast_unsigned());
    println!("frames resumed after {took:?}");
    assert!(took < RESUMED_WITHIN, "{took:?}");
    let ages = reader.await.unwrap();
    assert!(ages.len() > 30, "{}", ages.len());
    let oldest = ages.iter().max().expect("frames after");
    assert!(*oldest < STALE.as_micros() as i64, "{oldest} us");

    let all = recorder.seen();
    let old: Vec<&Seen> = all
        .iter()
        .filter(|seen| seen.at > thawed && seen.age() > STALE)
        .collect();
    assert!(old.len() <= 2, "{} old frames", old.len());
    assert!(
        old.iter()
            .all(|seen| seen.metadata.published < frozen + 2_000_000)
    );
    let before = all
        .iter()
        .rfind(|seen| seen.metadata.published < thawed)
        .expect("frames before");
    assert_gap(before, &first);
    assert_bounded(&memory, usual);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_made_smaller_when_the_server_comes_back_with_a_smaller_limit() {
    let mut nats = NatsServer::start().unwrap();
    let ingest = camera(&nats);
    let recorder = Recorder::start(&nats.url(), "steady", "main").await;
    let whole = recorder.wait_for("a frame", |_| true).await;
    let limit = 32 * 1024;
    assert!(!whole.metadata.reduced && whole.jpeg.len() > limit);

    nats.restart_with(&format!("max_payload: {limit}")).unwrap();
    let reduced = recorder
        .wait_for("a reduced frame", |seen| seen.metadata.reduced)
        .await;
    assert!(reduced.jpeg.len() < limit);
    assert_eq!(reduced.metadata.epoch, whole.metadata.epoch);
    assert!(reduced.metadata.quality.is_some());
    let image = turbojpeg::decompress(&reduced.jpeg, turbojpeg::PixelFormat::GRAY).unwrap();
    let shown = (
        reduced.metadata.width as usize,
        reduced.metadata.height as usize,
    );
    assert_eq!((image.width, image.height), shown);
    let status = ingest.wait_for("the new limit", |status| {
        status.nats.max_payload == limit as u64
    });
    assert_eq!(status.renditions["main"].drops.get("too_large"), None);

    nats.restart_with("max_payload: 1MB").unwrap();
    let restored =
        |seen: &Seen| seen.metadata.frame_id > reduced.metadata.frame_id && !seen.metadata.reduced;
    let restored = recorder.wait_for("a whole frame again", restored).await;
    assert_eq!(restored.metadata.quality, None);
    let mut stream = frames(&consumer(&nats).await, "steady", "main").await;
    assert!(next(&mut stream).await.jpeg.len() > limit);
}
