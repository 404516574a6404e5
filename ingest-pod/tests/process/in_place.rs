//! Changed documents are taken over in place: what did not change keeps flowing.

use std::collections::BTreeMap;

use streamhub_testkit::{NatsServer, clip};
use streamhub_wire::metadata::{CaptureSource, Metadata};
use streamhub_wire::status::{CameraState, CameraStatus};

use crate::numbering::{assert_numbering, epochs};
use crate::recorder::Recorder;
use crate::support::Ingest;

const SOURCE: &str = "source: {test: {width: 320, height: 180, fps: 25}}";
const MAIN: &str = "{name: main, fps: 25}";

fn with_low(low: &str) -> String {
    format!("{{{SOURCE}, frames: [{MAIN}, {low}]}}")
}

/// All frames came in one epoch, and every id that is missing is a drop that the status counts.
fn assert_unbroken(frames: &[Metadata], before: &CameraStatus, after: &CameraStatus) {
    assert_numbering(frames);
    assert_eq!(epochs(frames).len(), 1);
    let drops = |status: &CameraStatus| status.renditions["main"].drops.values().sum::<u64>();
    let ids = frames[frames.len() - 1].frame_id - frames[0].frame_id + 1;
    let missing = ids - frames.len() as u64;
    let counted = drops(after) - drops(before);
    assert!(
        missing <= counted,
        "{missing} ids are missing, {counted} drops counted"
    );
    assert!(missing * 10 <= ids, "{missing} of {ids} dropped");
    let paused = frames
        .windows(2)
        .find(|pair| pair[1].published - pair[0].published > 2_000_000);
    assert!(paused.is_none(), "{paused:?}");
    assert_eq!(before.instance, after.instance, "the process stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rendition_changes_while_the_other_keeps_flowing() {
    let nats = NatsServer::start().unwrap();
    let low = Recorder::start(&nats.url(), "cam", "low").await;
    let third = Recorder::start(&nats.url(), "cam", "third").await;
    let camera = Ingest::start(
        "cam",
        &with_low("{name: low, fps: 10, width: 160, quality: 80}"),
        &nats,
    );
    let before = camera.wait_ready();
    let main = Recorder::start(&nats.url(), "cam", "main").await;
    main.more(5).await;
    low.more(3).await;
    let large = low.last().unwrap();
    assert_eq!(
        (large.width, large.height, large.quality),
        (160, 90, Some(80))
    );

    camera.edit(&with_low("{name: low, fps: 10, width: 160, quality: 20}"));
    let coarse = low
        .until("the new quality", |frame| frame.quality == Some(20))
        .await;
    assert!(coarse.frame_size < large.frame_size && coarse.width == 160);
    camera.edit(&with_low("{name: low, fps: 10, width: 80, quality: 20}"));
    low.until("the new width", |frame| {
        (frame.width, frame.height) == (80, 46)
    })
    .await;
    camera.edit(&with_low("{name: low, fps: 5, width: 80, quality: 20}"));
    let slow = low
        .until("the new rate", |frame| (frame.fps - 5.0).abs() < 0.01)
        .await;
    low.more(6).await;
    let steps: Vec<i64> = low
        .metadata()
        .windows(2)
        .filter(|pair| pair[0].frame_id >= slow.frame_id)
        .map(|pair| pair[1].tick - pair[0].tick)
        .collect();
    assert!(steps.iter().all(|step| step % 200_000 == 0), "{steps:?}");

    camera.edit(&format!(
        "{{{SOURCE}, frames: [{MAIN}, {{name: third, fps: 10}}]}}"
    ));
    third.more(3).await;
    let status = camera.wait_for("low to be gone", |status| {
        !status.renditions.contains_key("low")
    });
    let names: Vec<&String> = status.renditions.keys().collect();
    assert_eq!(names, ["main", "third"]);
    let (_, metrics) = camera.get("/metrics").unwrap();
    assert!(!metrics.contains("rendition=\"low\""), "{metrics}");
    main.more(5).await;

    // The frames first: a drop between the two must be counted.
    let frames = main.metadata();
    let after = camera.status().unwrap();
    assert_ne!(before.config.hash, after.config.hash);
    assert_unbroken(&frames, &before, &after);
    assert_numbering(&low.metadata());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_changes_in_place() {
    let nats = NatsServer::start().unwrap();
    let frames = Recorder::start(&nats.url(), "cam", "main").await;
    let camera = Ingest::start("cam", &format!("{{{SOURCE}, frames: [{MAIN}]}}"), &nats);
    let before = camera.wait_ready();
    frames.more(10).await;
    let test = frames.last().unwrap();
    assert_eq!(test.source, "test://cam");

    let film = clip("h264-720p25.mkv").unwrap();
    let source = format!("source: {{file: {{uri: {}}}}}", film.display());
    camera.edit(&format!(
        "{{{source}, frames: [{{name: main, fps: 25, width: 160}}]}}"
    ));
    let first = frames
        .until("frames of the film", |frame| {
            frame.capture.source == CaptureSource::File
        })
        .await;
    assert_eq!(first.source, format!("file://{}", film.display()));
    assert!(first.epoch > test.epoch && first.frame_id > test.frame_id);
    let status = camera.wait_for("the film to be told", |status| {
        status.ready && status.source.kind == "file" && status.source.codec == "h264"
    });
    assert_eq!(status.source.reconnects, 0, "nothing was lost");

    camera.edit(&format!("{{{SOURCE}, enabled: false, frames: [{MAIN}]}}"));
    let status = camera.wait_for("disabled", |status| status.state == CameraState::Disabled);
    assert!(!status.ready);
    let resting = frames.count();
    camera.edit(&format!("{{{SOURCE}, frames: [{MAIN}]}}"));
    frames
        .until("the test picture again", |frame| {
            frame.capture.source == CaptureSource::Test
        })
        .await;
    let after = camera.wait_ready();
    assert!(frames.count() > resting);
    assert_numbering(&frames.metadata());
    assert_eq!(before.instance, after.instance, "the process stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_document_is_refused_and_the_last_good_one_stays_in_use() {
    let nats = NatsServer::start().unwrap();
    let good = format!("{{{SOURCE}, frames: [{MAIN}]}}");
    let mut camera = Ingest::start("cam", &good, &nats);
    let before = camera.wait_ready();
    let frames = Recorder::start(&nats.url(), "cam", "main").await;
    frames.more(5).await;

    let zero = format!("{{{SOURCE}, frames: [{{name: main, fps: 0}}]}}");
    let two = "{source: {test: {}, file: {uri: a.mp4}}}";
    for (wrong, told) in [
        (zero.as_str(), "spec.frames[0].fps"),
        (
            two,
            "exactly one of rtsp, v4l2, http, file and test must be set",
        ),
        ("{source: {test: {}}, colour: red}", "spec.colour"),
        ("{source: [", "camera.yaml"),
    ] {
        camera.edit(wrong);
        let status = camera.wait_for("the refusal", |status| status.config.refused.contains(told));
        assert_eq!((status.state, status.ready), (CameraState::Streaming, true));
        assert_eq!(status.reason, "ConfigRefused");
        assert_eq!(status.config.hash, before.config.hash);
        assert!(
            camera
                .proc
                .stderr()
                .contains("the last good one stays in use")
        );
    }
    let renamed = good_document("door", &good);
    camera.folder.write("camera.yaml", &renamed).unwrap();
    camera.wait_for("the refusal of another name", |status| {
        status.config.refused.contains("metadata.name") && status.config.refused.contains("restart")
    });
    camera.folder.remove("camera.yaml").unwrap();
    camera.wait_for("the refusal of no document", |status| {
        status.config.refused.contains("No such file")
    });
    frames.more(5).await;
    let seen = frames.metadata();
    let refused = camera.status().unwrap();
    assert_unbroken(&seen, &before, &refused);

    camera.edit(&good.replace("fps: 25}]", "fps: 12}]"));
    let status = camera.wait_for("recovery", |status| status.config.refused.is_empty());
    assert_eq!(status.reason, "");
    assert_ne!(status.config.hash, before.config.hash);
    frames
        .until("the new rate", |frame| (frame.fps - 12.0).abs() < 0.01)
        .await;
    assert!(camera.proc.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_camera_that_stays_up_recovers_when_its_document_is_corrected() {
    let nats = NatsServer::start().unwrap();
    let frames = Recorder::start(&nats.url(), "cam", "main").await;
    let spec = "{source: {file: {uri: missing.mp4}}}";
    let camera = Ingest::with("cam", spec, &nats, None, &["--on-permanent-error", "stay"]);
    let status = camera.wait_for("stalled", |status| status.state == CameraState::Stalled);
    assert_eq!(
        (status.reason.as_str(), status.ready),
        ("FileNotFound", false)
    );
    assert!(status.message.contains("missing.mp4") && !status.remedy.is_empty());
    assert_eq!(camera.get("/readyz").unwrap().0, 503);
    assert_eq!(
        camera.get("/healthz").unwrap().0,
        200,
        "a restart would not help"
    );
    let film = clip("h264-720p25.mkv").unwrap();
    camera.edit(&format!(
        "{{source: {{file: {{uri: {}}}}}}}",
        film.display()
    ));
    let ready = camera.wait_ready();
    assert_eq!(ready.instance, status.instance);
    frames.more(5).await;
    let reasons: BTreeMap<_, _> = ready.renditions["main"].drops.iter().collect();
    assert!(!reasons.contains_key(&"encoder".to_owned()), "{reasons:?}");
}

fn good_document(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}
