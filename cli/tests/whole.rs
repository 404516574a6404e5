//! A whole hub by one command: the real ingest program, read with the other commands as a person would.

mod support;

use std::path::Path;
use std::process::Command;

use streamhub_testkit::{
    Folder, Proc, Signal, eventually, footage, free_port, paths::nats_server_bin, target_bin,
};
use support::{SOON, finished, streamhub, test_camera, wait_until_gone};

const HUB: &str = "apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {name: default}\nspec: {feedback: {ui: {events: [click], ttl: 1m}}}\n";

fn with_home(home: &Path, args: &[&str]) -> Command {
    let mut command = streamhub();
    command
        .args(args)
        .env("XDG_STATE_HOME", home)
        .env_remove("NATS_URL")
        .env_remove("RUST_LOG");
    command
}

#[test]
fn up_makes_frames_that_the_other_commands_find_by_name() {
    let (manifests, home) = (Folder::new().unwrap(), tempfile::tempdir().unwrap());
    std::fs::copy(
        footage("vtest.avi").unwrap(),
        manifests.path().join("vtest.avi"),
    )
    .unwrap();
    manifests.write("hub.yaml", HUB).unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let street = test_camera("street", ", frames: [{name: low, width: 320, fps: 5}]")
        .replace("test: {}", "file: {uri: vtest.avi}");
    manifests.write("street.yaml", &street).unwrap();
    let port = free_port().unwrap().to_string();
    let mut up = with_home(
        home.path(),
        &["up", "--output", "json", "--nats-port", &port, "-f"],
    );
    up.arg(manifests.path())
        .arg("--ingest")
        .arg(target_bin("streamhub-ingest").unwrap());
    let mut up = Proc::spawn(
        "up",
        up.env("STREAMHUB_NATS_SERVER", nats_server_bin().unwrap()),
    )
    .unwrap();
    let streaming = eventually(SOON, "two cameras that stream", || {
        let text = up.stdout();
        let record: serde_json::Value = serde_json::from_str(text.lines().next_back()?).ok()?;
        let rows = record["cameras"].as_array()?.clone();
        (rows.len() == 2
            && rows
                .iter()
                .all(|row| row["state"] == "Streaming" && row["ageMs"].is_u64()))
        .then_some(rows)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", up.last_words()));
    assert_eq!(
        (streaming[0]["size"].as_str(), streaming[1]["size"].as_str()),
        (Some("1280x720"), Some("320x240"))
    );

    let picture = home.path().join("street.jpg");
    let (code, _, errors) =
        finished(with_home(home.path(), &["snapshot", "street", "-r", "low", "-o"]).arg(&picture));
    assert_eq!(code, 0, "{errors}");
    assert!(
        std::fs::read(&picture)
            .unwrap()
            .starts_with(&[0xff, 0xd8, 0xff])
    );

    let (code, _, errors) = finished(&mut with_home(
        home.path(),
        &["feedback", "send", "ui", "click", "{\"x\": 1}"],
    ));
    assert_eq!(code, 0, "{errors}");
    // A slow camera may still be at work on frames of before the click.
    eventually(SOON, "the click in a frame", || {
        let (code, out, errors) = finished(&mut with_home(
            home.path(),
            &["tail", "door", "--count", "5", "--output", "json"],
        ));
        assert_eq!(code, 0, "{errors}");
        let frames: Vec<serde_json::Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let ids: Vec<u64> = frames
            .iter()
            .map(|frame| frame["frame_id"].as_u64().unwrap())
            .collect();
        assert!(ids.len() == 5 && ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        (frames[4]["events"]["ui"]["click"]["x"] == 1).then_some(())
    })
    .unwrap();

    let (code, out, errors) = finished(&mut with_home(home.path(), &["status"]));
    assert_eq!(code, 0, "{errors}");
    assert!(
        out.lines()
            .filter(|line| line.contains("Streaming"))
            .count()
            == 2,
        "{out}"
    );

    let runtime = std::fs::read_dir(home.path().join("streamhub"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let runtime: serde_json::Value =
        serde_json::from_slice(&std::fs::read(runtime.join("runtime.json")).unwrap()).unwrap();
    let cameras = runtime["cameras"].as_array().unwrap();
    let pids: Vec<u64> = cameras
        .iter()
        .chain([&runtime["nats"]])
        .filter_map(|process| process["pid"].as_u64())
        .collect();
    assert_eq!(pids.len(), 3);
    up.signal(Signal::INT).unwrap();
    assert_eq!(up.wait(SOON).unwrap().code(), Some(0));
    wait_until_gone(&pids);
}
