//! NATS goes away and comes back.

use std::time::Duration;

use streamhub_testkit::NatsServer;
use streamhub_wire::hub_time_us;
use streamhub_wire::publish::DropReason;
use streamhub_wire::subscribe::FrameStream;

use crate::camera::{Attempt, Camera, consumer, publisher, token};

/// A frame as it was read: when, and how old it was then.
#[derive(Debug, Clone, Copy)]
struct Read {
    at_us: i64,
    age_us: i64,
}

/// Reads for some time, however old the frames are.
async fn read_for(frames: &mut FrameStream, time: Duration) -> Vec<Read> {
    let mut read = Vec::new();
    let _ = tokio::time::timeout(time, async {
        while let Some(Ok(frame)) = frames.next().await {
            let at_us = hub_time_us();
            let age_us = at_us - frame.metadata.published;
            read.push(Read { at_us, age_us });
        }
    })
    .await;
    read
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
    assert!(
        !read_for(&mut frames, Duration::from_secs(1))
            .await
            .is_empty()
    );

    server.stop().unwrap();
    let stopped = hub_time_us();
    assert!(read_for(&mut frames, Duration::from_secs(5)).await.len() <= 1);
    let meanwhile = camera.attempts_since(stopped + 500_000);
    assert!(meanwhile.len() > 50);
    assert!(
        meanwhile
            .iter()
            .all(|attempt| attempt.result == Err(DropReason::NotConnected))
    );
    server.restart().unwrap();
    let restarted = hub_time_us();
    let read = read_for(&mut frames, Duration::from_secs(5)).await;
    let first = read.first().expect("frames after the restart");
    assert!(first.at_us - restarted < 2_500_000, "{read:?}");
    // Those that the client had when the server went, before it knew.
    let old: Vec<_> = read.iter().filter(|read| read.age_us >= 500_000).collect();
    assert!(old.len() <= 2, "{read:?}");
    assert!(
        old.iter()
            .all(|read| read.at_us - read.age_us < stopped + 500_000),
        "nothing that was made while the server was away: {old:?}"
    );
    assert!(read.len() > 40, "{}", read.len());
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
    assert!(
        !read_for(&mut frames, Duration::from_secs(1))
            .await
            .is_empty()
    );

    server.freeze().unwrap();
    let frozen = hub_time_us();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let meanwhile = camera.attempts_since(frozen);
    let taken = meanwhile.iter().filter(|a| a.result.is_ok()).count();
    assert!(taken <= 2, "{taken} frames wait in memory");
    assert!(slowest(&meanwhile) < Duration::from_secs(1));

    server.thaw().unwrap();
    let thawed = hub_time_us();
    let read = read_for(&mut frames, Duration::from_secs(8)).await;
    let old = read.iter().filter(|read| read.age_us > 500_000).count();
    assert!(
        old <= 2,
        "{old} old frames: only those that were on their way"
    );
    let fresh = read.iter().find(|read| read.age_us < 500_000).unwrap();
    assert!(fresh.at_us - thawed < 3_000_000, "{read:?}");
    assert!(read.len() > 80, "{}", read.len());
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
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(
        publisher.state().borrow().reason().contains("127.0.0.1"),
        "{:?}",
        publisher.state().borrow()
    );
    server.restart().unwrap();
    crate::camera::connected(publisher.state()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let attempts = camera.attempts();
    assert!(attempts.first().unwrap().result.is_err());
    assert!(attempts.last().unwrap().result.is_ok());
}
