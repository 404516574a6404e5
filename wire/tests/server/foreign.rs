//! Clients in another language, written from the documentation.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use streamhub_testkit::{NatsServer, Proc, paths};
use streamhub_wire::feedback::FeedbackRules;

use crate::camera::{Camera, consumer, prefix, publisher, token};

fn rules() -> FeedbackRules {
    let mut rules = FeedbackRules::default();
    for (module, event) in [("perception", "spatial_object"), ("ui", "user_selection")] {
        let events = rules.0.entry(token(module)).or_default();
        // Long enough for a client that stands still meanwhile to find it.
        events.insert(token(event), Duration::from_secs(10));
    }
    rules
}

fn python(name: &str, script: &str, server: &NatsServer, more: &[&str]) -> Proc {
    let mut command = Command::new(paths::python().unwrap());
    command
        .arg(paths::repository().join(script))
        .args(["--url", &server.url(), "--prefix", prefix().as_str()])
        .args(["--camera", "cam", "--rendition", "main"])
        .args(more);
    Proc::spawn(name, &mut command).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_written_from_the_documentation_finds_nothing_wrong() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let jpeg = Bytes::from_static(&[0xff, 0xd8, 0xff, 0xd9]);
    let _camera = Camera::start_with(&publisher, 15, vec![jpeg], rules()).await;
    let mut client = python(
        "foreign-client",
        "wire/tests/foreign_client.py",
        &server,
        &["--frames", "30", "--feedback", "perception.spatial_object"],
    );
    let status = client.wait(Duration::from_mins(1)).unwrap();
    assert!(status.success(), "{}", client.last_words());
    assert!(client.stdout().contains(" 0 failed"), "{}", client.stdout());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_people_that_the_example_finds_are_in_the_frames_that_follow() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let pictures = tempfile::tempdir().unwrap();
    let jpegs = street(pictures.path());
    let _camera = Camera::start_with(&publisher, 10, jpegs, rules()).await;
    let consumer = consumer(&server).await;
    let mut frames = consumer
        .frames(&token("cam"), &token("main"), Duration::from_mins(1))
        .await
        .unwrap();
    let script = "clients/examples/detect_people.py";
    let mut detector = python("detect-people", script, &server, &["--frames", "12"]);

    let mut found = None;
    while found.is_none() && detector.is_running() {
        let frame = frames.next().await.unwrap().unwrap();
        let events = Value::from(frame.metadata.events.to_map());
        let result = &events["perception"]["spatial_object"];
        if result["objects"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
        {
            assert!(result["frame_id"].as_u64() < Some(frame.metadata.frame_id));
            found = Some(result.clone());
        }
    }
    let found = found.unwrap_or_else(|| panic!("nobody found\n{}", detector.last_words()));
    for object in found["objects"].as_array().unwrap() {
        let sides = object["box"].as_array().unwrap();
        assert!(
            sides.len() == 4 && sides.iter().all(Value::is_number),
            "{object}"
        );
        assert!(
            object["id"].is_u64() && object["score"].is_f64(),
            "{object}"
        );
    }
    let status = detector.wait(Duration::from_mins(1)).unwrap();
    assert!(status.success(), "{}", detector.last_words());
}

/// Pictures of a street with pedestrians.
fn street(folder: &Path) -> Vec<Bytes> {
    let script = "import cv2, sys\n\
        film = cv2.VideoCapture(sys.argv[1])\n\
        for i in range(20):\n    cv2.imwrite(f'{sys.argv[2]}/{i:02}.jpg', film.read()[1])\n";
    let made = Command::new(paths::python().unwrap())
        .args(["-c", script])
        .arg(paths::footage("vtest.avi").unwrap())
        .arg(folder)
        .status()
        .unwrap();
    assert!(made.success());
    let read = |i| {
        std::fs::read(folder.join(format!("{i:02}.jpg")))
            .unwrap()
            .into()
    };
    (0..20).map(read).collect()
}
