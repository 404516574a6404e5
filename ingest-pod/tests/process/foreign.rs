//! Clients in another language, written from the documentation, at a real camera.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use streamhub_testkit::{NatsServer, Proc, clip, paths};

use crate::recorder::Recorder;
use crate::support::{Ingest, prefix};

/// The payload lives long enough for a client that stands still meanwhile to find it.
const MODULE: &str = "{feedback: {perception: {events: [spatial_object], ttl: 10s}}}";

fn python(name: &str, script: &str, nats: &NatsServer, more: &[&str]) -> Proc {
    let mut command = Command::new(paths::python().unwrap());
    command
        .arg(paths::repository().join(script))
        .args(["--url", &nats.url(), "--prefix", prefix().as_str()])
        .args(["--camera", "cam", "--rendition", "main"])
        .args(more);
    Proc::spawn(name, &mut command).unwrap()
}

#[test]
fn a_python_client_written_from_the_documentation_finds_nothing_wrong_with_a_camera() {
    let film = clip("h264-720p25.mkv").unwrap();
    for (source, fps) in [
        (
            "{test: {width: 320, height: 180, fps: 30}}".to_owned(),
            "15",
        ),
        (format!("{{file: {{uri: {}}}}}", film.display()), "\"25/2\""),
    ] {
        let nats = NatsServer::start().unwrap();
        let spec =
            format!("{{source: {source}, frames: [{{name: main, fps: {fps}, width: 320}}]}}");
        let camera = Ingest::with("cam", &spec, &nats, Some(MODULE), &[]);
        camera.wait_ready();
        let script = "wire/tests/foreign_client.py";
        let more = [
            "--frames",
            "30",
            "--ticks",
            "--feedback",
            "perception.spatial_object",
        ];
        let mut client = python("foreign-client", script, &nats, &more);
        let status = client.wait(Duration::from_mins(2)).unwrap();
        assert!(status.success(), "{}", client.last_words());
        assert!(client.stdout().contains(" 0 failed"), "{}", client.stdout());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_found_in_real_footage_are_in_the_frames_that_follow() {
    let nats = NatsServer::start().unwrap();
    let frames = Recorder::start(&nats.url(), "cam", "main").await;
    let spec = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 10}}]}}",
        paths::footage("vtest.avi").unwrap().display()
    );
    let camera = Ingest::with("cam", &spec, &nats, Some(MODULE), &[]);
    camera.wait_ready();
    let script = "clients/examples/detect_people.py";
    let mut detector = python("detect-people", script, &nats, &["--frames", "8"]);
    let found = frames
        .until("a frame with people in it", |frame| {
            let events = Value::from(frame.events.to_map());
            let objects = events["perception"]["spatial_object"]["objects"].as_array();
            objects.is_some_and(|objects| !objects.is_empty())
        })
        .await;
    let events = Value::from(found.events.to_map());
    let said = &events["perception"]["spatial_object"];
    let looked_at = said["frame_id"]
        .as_u64()
        .expect("the frame that was looked at");
    assert!(looked_at < found.frame_id);
    let known = frames.metadata();
    assert!(known.iter().any(|frame| frame.frame_id == looked_at));
    for object in said["objects"].as_array().unwrap() {
        let sides = object["box"].as_array().unwrap();
        assert!(
            sides.len() == 4 && sides.iter().all(Value::is_number),
            "{object}"
        );
    }
    let status = detector.wait(Duration::from_mins(1)).unwrap();
    assert!(status.success(), "{}", detector.last_words());
}
