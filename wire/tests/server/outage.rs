//! NATS goes away and comes back.

use std::time::Duration;

use streamhub_testkit::{NatsServer, eventually_async};
use streamhub_wire::connect::ConnState;
use streamhub_wire::hub_time_us;
use streamhub_wire::publish::DropReason;
use streamhub_wire::subscribe::FrameStream;

use crate::camera::{Attempt, Camera, consumer, publisher, token};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Idle machines take less than a second: reconnection of both sides.
const RESUMED_WITHIN_US: i64 = 5_000_000;

/// When a frame was published and when it was read.
#[derive(Debug, Clone, Copy)]
struct Read {
    published: i64,
    at_us: i64,
}

/// Adds what is read, however old it is.
async fn read_into(frames: &mut FrameStream, read: &mut Vec<Read>, count: usize) {
    while read.len() < count {
        let frame = frames.next().await.unwrap().unwrap();
        read.push(Read {
            published: frame.metadata.published,
            at_us: hub_time_us(),
        });
    }
}

/// Reads so many frames.
async fn read(frames: &mut FrameStream, count: usize) -> Vec<Read> {
    let mut read = Vec::new();
    tokio::time::timeout(PATIENCE, read_into(frames, &mut read, count))
        .await
        .expect("so many frames");
    read
}

/// Reads for some time.
async fn read_for(frames: &mut FrameStream, time: Duration) -> Vec<Read> {
    let mut read = Vec::new();
    let _ = tokio::time::timeout(time, read_into(frames, &mut read, usize::MAX)).await;
    read
}

/// Waits until there are more than fifty attempts made since then.
async fn attempts_since(camera: &Camera, at_us: i64) -> Vec<Attempt> {
    let attempts = eventually_async(PATIENCE, "fifty attempts", || async {
        Some(camera.attempts_since(at_us)).filter(|attempts| attempts.len() > 50)
    });
    attempts.await.unwrap()
}

fn slowest(attempts: &[Attempt]) -> Duration {
    attempts.iter().map(|a| a.took).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_nats_was_killed_frames_resume_at_once_and_at_most_two_are_old() {
    let mut server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let consumer = consumer(&server).await;
    let mut frames = consumer
        .frames(&token("cam"), &token("main"), Duration::from_hours(1))
        .await
        .unwrap();
    let camera = Camera::start(&publisher, 20, 110_000).await;
    read(&mut frames, 10).await;

    server.stop().unwrap();
    let mut state = publisher.state();
    let away = state.wait_for(|state| !matches!(state, ConnState::Connected { .. }));
    tokio::time::timeout(PATIENCE, away)
        .await
        .expect("the loss to be noticed")
        .unwrap();
    let away = hub_time_us();
    assert!(read_for(&mut frames, Duration::from_secs(5)).await.len() <= 1);
    let meanwhile = attempts_since(&camera, away + 500_000).await;
    assert!(
        meanwhile
            .iter()
            .all(|attempt| attempt.result == Err(DropReason::NotConnected))
    );
    let restarted = hub_time_us();
    server.restart().unwrap();
    let back = hub_time_us();
    let read = read(&mut frames, 60).await;
    let (fresh, old): (Vec<Read>, Vec<Read>) =
        read.iter().partition(|read| read.published >= restarted);
    let first = fresh.first().expect("frames after the restart");
    assert!(first.at_us - back < RESUMED_WITHIN_US, "{read:?}");
    // Those that the client had when the server went, before it knew.
    assert!(old.len() <= 2, "{read:?}");
    assert!(
        old.iter().all(|read| read.published < away + 500_000),
        "nothing that was made while the server was away: {old:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nats_is_frozen_at_most_two_frames_are_under_way_and_no_call_waits() {
    let mut server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let consumer = consumer(&server).await;
    let mut frames = consumer
        .frames(&token("cam"), &token("main"), Duration::from_hours(1))
        .await
        .unwrap();
    let camera = Camera::start(&publisher, 20, 110_000).await;
    read(&mut frames, 10).await;

    server.freeze().unwrap();
    let frozen = hub_time_us();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let meanwhile = attempts_since(&camera, frozen).await;
    let taken = meanwhile.iter().filter(|a| a.result.is_ok()).count();
    assert!(taken <= 2, "{taken} frames wait in memory");
    // One that waited for the server would have done so for ten.
    assert!(slowest(&meanwhile) < Duration::from_secs(6));
    let slow = |attempt: &&Attempt| attempt.took > Duration::from_millis(500);
    let slow = meanwhile.iter().filter(slow).count();
    assert!(slow <= 3, "{slow} calls of {} waited", meanwhile.len());

    let thawed = hub_time_us();
    server.thaw().unwrap();
    let read = read(&mut frames, 81).await;
    let old = read
        .iter()
        .filter(|read| (frozen..thawed).contains(&read.published));
    let old = old.count();
    assert!(
        old <= 2,
        "{old} old frames: only those that were on their way"
    );
    let fresh = read.iter().find(|read| read.published >= thawed).unwrap();
    assert!(fresh.at_us - thawed < RESUMED_WITHIN_US, "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_may_start_before_nats() {
    let mut server = NatsServer::start().unwrap();
    server.stop().unwrap();
    let settings = crate::camera::settings(&server.url());
    let publisher = streamhub_wire::publish::Publisher::connect(&settings, crate::camera::prefix())
        .await
        .unwrap();
    let camera = Camera::start(&publisher, 20, 1_000).await;
    let mut state = publisher.state();
    let failed = state.wait_for(|state| state.reason().contains("127.0.0.1"));
    tokio::time::timeout(PATIENCE, failed)
        .await
        .expect("a failed attempt")
        .unwrap();
    server.restart().unwrap();
    crate::camera::connected(publisher.state()).await;
    let taken = || async { camera.attempts().last()?.result.ok() };
    eventually_async(PATIENCE, "a frame to be taken", taken)
        .await
        .unwrap();
    assert!(camera.attempts().first().unwrap().result.is_err());
}
