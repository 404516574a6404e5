//! Sources that stand in for a camera while it is down.

use std::time::Duration;

use streamhub_testkit::{NatsServer, Testcam, clip, free_port};
use streamhub_wire::status::CameraState;
use streamhub_wire::subscribe::{Frame, FrameStream};

use crate::support::{Ingest, consumer, frames, next, token};

/// The next frame of this source; on the way there ids only rise, and each source has an epoch of its own.
async fn frame_of(stream: &mut FrameStream, source: &str, last: &mut Option<Frame>) {
    loop {
        let frame = next(stream).await;
        if let Some(last) = last {
            let (old, new) = (&last.metadata, &frame.metadata);
            assert!(new.frame_id > old.frame_id, "ids went back");
            assert!(
                new.source == old.source || new.epoch > old.epoch,
                "another source in the same epoch"
            );
        }
        let found = frame.metadata.source == source;
        *last = Some(frame);
        if found {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_camera_is_replaced_and_is_back_once_it_has_been_fresh() {
    let nats = NatsServer::start().unwrap();
    let mut server = Testcam::of_clip("h264-720p25.mkv").unwrap();
    let url = server.url("/cam");
    let film = clip("mjpeg-720p25.avi").unwrap();
    // The first fallback can never work: that keeps nobody from trying the second.
    let spec = format!(
        "{{source: {{rtsp: {{url: '{url}'}}, fallbacks: [{{file: {{uri: /no/such/film.mp4}}}}, \
           {{file: {{uri: '{}'}}}}, {{test: {{width: 320, height: 180}}}}]}}, frames: [{{name: main, fps: 10, width: 320}}]}}",
        film.display()
    );
    let ingest = Ingest::with("lobby", &spec, &nats, None, &["--fallback-fresh-for", "10"]);
    let client = nats.connect().await.unwrap();
    let mut switches = client
        .subscribe("streamhub.default.default.events.lobby.source-switched")
        .await
        .unwrap();
    client.flush().await.unwrap();
    let consumer = consumer(&nats).await;
    let mut stream = frames(&consumer, "lobby", "main").await;
    let mut last = None;
    frame_of(&mut stream, &url, &mut last).await;
    assert_eq!(ingest.wait_ready().source.fallback, None);

    server.stop().unwrap();
    let shown = format!("file://{}", film.display());
    frame_of(&mut stream, &shown, &mut last).await;
    let status = ingest.wait_for("the film", |status| status.source.fallback == Some(1));
    assert_eq!((status.state, status.ready), (CameraState::Streaming, true));
    assert_eq!(status.reason, "FallbackInUse");
    assert!(
        status
            .message
            .contains("spec.source.fallbacks[1] is in use, because of"),
        "{}",
        status.message
    );
    assert_eq!(
        (status.source.kind.as_str(), status.source.codec.as_str()),
        ("file", "jpeg")
    );

    server.restart().unwrap();
    ingest.wait_for("the camera to be watched", |status| {
        status.message.contains("delivers again")
    });
    frame_of(&mut stream, &url, &mut last).await;
    let status = ingest.wait_for("the camera", |status| {
        status.source.fallback.is_none() && status.reason.is_empty()
    });
    assert_eq!(
        (status.source.kind.as_str(), status.source.codec.as_str()),
        ("rtsp", "h264")
    );
    // Once back, the film does not get through any more.
    for _ in 0..10 {
        frame_of(&mut stream, &url, &mut last).await;
    }

    for _ in 0..2 {
        tokio::time::timeout(
            Duration::from_secs(30),
            futures::StreamExt::next(&mut switches),
        )
        .await
        .unwrap()
        .unwrap();
    }
    let (_, metrics) = ingest.get("/metrics").unwrap();
    assert!(
        metrics.contains("streamhub_source_switches_total{camera=\"lobby\"} 2"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_was_never_there_is_replaced_and_fallbacks_change_in_place() {
    let nats = NatsServer::start().unwrap();
    let port = free_port().unwrap();
    let own = format!("rtsp: {{url: 'rtsp://127.0.0.1:{port}/cam'}}");
    let spec = |fallbacks: &str| {
        format!(
            "{{source: {{{own}, fallbacks: [{fallbacks}]}}, frames: [{{name: main, fps: 10, width: 320}}]}}"
        )
    };
    let film = clip("mjpeg-720p25.avi").unwrap();
    let once = format!(
        "{{file: {{uri: '{}', fps: 100, onEnd: Stop}}}}",
        film.display()
    );
    let consumer = consumer(&nats).await;
    let mut stream = frames(&consumer, "porch", "main").await;
    // The film is over in a second. That nobody answers yet the server says after it has taken the subscription.
    let nobody = consumer.snapshot(&token("porch"), &token("main")).await;
    assert!(nobody.is_err());
    let ingest = Ingest::start("porch", &spec(&once), &nats);
    let mut last = None;
    frame_of(
        &mut stream,
        &format!("file://{}", film.display()),
        &mut last,
    )
    .await;
    // The film is through, and the camera is still away: its own fault is told.
    let status = ingest.wait_for("the end of the film", |status| {
        status.reason == "Unreachable"
    });
    assert_eq!(status.state, CameraState::Reconnecting);
    ingest.edit(&spec("{test: {width: 320, height: 180}}"));
    frame_of(&mut stream, "test://porch", &mut last).await;
    assert_eq!(ingest.wait_ready().source.kind, "test");
}
