//! `frame_id` never goes back, whatever happens to the camera; epochs say where time may jump.

use streamhub_testkit::{NatsServer, Testcam, clip};
use streamhub_wire::hub_time_us;
use streamhub_wire::status::CameraState;

use crate::numbering::{assert_numbering, epochs};
use crate::recorder::Recorder;
use crate::support::Ingest;

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_begins_again_goes_on_counting_in_the_same_epoch() {
    let nats = NatsServer::start().unwrap();
    let recording = Recorder::start(&nats.url(), "film", "main").await;
    // Five seconds at 25 frames a second; at 100 the film begins again every 1.25 s.
    let spec = format!(
        "{{source: {{file: {{uri: {}, fps: 100}}}}, frames: [{{name: main, fps: 50, width: 160}}]}}",
        clip("h264-720p25.mkv").unwrap().display()
    );
    let mut camera = Ingest::start("film", &spec, &nats);
    camera.wait_ready();
    let first = recording.until("the first frame", |_| true).await;
    recording
        .until("four passes of the film", |frame| {
            frame.timestamp - first.timestamp > 5_500_000
        })
        .await;
    let frames = recording.metadata();
    assert_numbering(&frames);
    assert_eq!(epochs(&frames).len(), 1, "a loop is no new epoch");
    assert!(camera.proc.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_rise_over_a_camera_that_goes_and_comes_back() {
    let nats = NatsServer::start().unwrap();
    let mut server = Testcam::of_clip("h264-720p25.mkv").unwrap();
    let recording = Recorder::start(&nats.url(), "cam", "main").await;
    let spec = format!(
        "{{source: {{rtsp: {{url: \"{}\"}}}}, frames: [{{name: main, fps: 25, width: 160}}]}}",
        server.url("/cam")
    );
    let camera = Ingest::start("cam", &spec, &nats);
    let started = camera.wait_ready();
    for round in 1..=2 {
        recording.more(15).await;
        let before = recording.last().unwrap();
        server.stop().unwrap();
        camera.wait_for("the loss to be told", |status| {
            status.state == CameraState::Reconnecting && !status.ready
        });
        server.restart().unwrap();
        let after = recording
            .until("frames of a new epoch", |frame| frame.epoch > before.epoch)
            .await;
        assert!(after.frame_id > before.frame_id);
        let status = camera.wait_ready();
        assert_eq!(status.instance, started.instance, "the process stays");
        assert!(status.source.reconnects >= round);
    }
    let frames = recording.metadata();
    assert_numbering(&frames);
    // On a busy machine a connection's first packets come late, and its clock is corrected once.
    let epochs = epochs(&frames).len();
    assert!(
        (3..=6).contains(&epochs),
        "{epochs} epochs of three connections"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_rise_over_a_process_that_is_killed_and_started_again() {
    let nats = NatsServer::start().unwrap();
    let recording = Recorder::start(&nats.url(), "cam", "main").await;
    let mut camera = Ingest::start(
        "cam",
        "{source: {test: {width: 320, height: 180, fps: 60}}, frames: [{name: main, fps: 60}]}",
        &nats,
    );
    for _ in 0..3 {
        camera.wait_ready();
        recording.more(30).await;
        let before = recording.last().unwrap();
        camera.proc.kill().unwrap();
        camera.again();
        recording
            .until("frames of a new epoch", |frame| frame.epoch > before.epoch)
            .await;
    }
    let frames = recording.metadata();
    assert_numbering(&frames);
    assert_eq!(epochs(&frames).len(), 4, "one epoch a process");
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_rise_over_a_rendition_that_is_removed_and_added_again() {
    let nats = NatsServer::start().unwrap();
    let (main, low) = (
        Recorder::start(&nats.url(), "cam", "main").await,
        Recorder::start(&nats.url(), "cam", "low").await,
    );
    // At 240 a second ids advance as fast as they may, so a new base from the clock alone is barely higher.
    let both = "{source: {test: {width: 64, height: 64, fps: 240}}, \
                frames: [{name: main, fps: 25}, {name: low, fps: 240}]}";
    let one =
        "{source: {test: {width: 64, height: 64, fps: 240}}, frames: [{name: main, fps: 25}]}";
    let camera = Ingest::start("cam", both, &nats);
    camera.wait_ready();
    for _ in 0..3 {
        low.more(40).await;
        camera.edit(one);
        camera.wait_for("the rendition to go", |status| {
            !status.renditions.contains_key("low")
        });
        let gone = hub_time_us();
        main.more(10).await;
        // By when it was published: what was on its way to this reader may come later than the status.
        let last = low.last().unwrap();
        assert!(last.published <= gone, "what is removed publishes nothing");
        camera.edit(both);
        low.more(1).await;
    }
    let low = low.metadata();
    for pair in low.windows(2) {
        assert!(pair[0].frame_id < pair[1].frame_id && pair[0].epoch == pair[1].epoch);
    }
    let main = main.metadata();
    assert_numbering(&main);
    assert_eq!(epochs(&main).len(), 1, "the other one is not touched");
}
