//! The commands that talk to NATS, against real servers: what they print, and the exit codes that scripts rely on.

mod support;

use std::time::Duration;

use streamhub_testkit::canary::{PASSWORD, Search};
use streamhub_testkit::{Folder, NatsServer, free_port};
use streamhub_wire::status::CameraStatus;
use support::{QUIET, Up, finished, streamhub, test_camera};

fn snapshot(url: &str) -> std::process::Command {
    let mut command = streamhub();
    command.args(["snapshot", "door", "-o", "/dev/null", "--url", url]);
    command
}

#[test]
fn a_wrong_password_is_told_apart_from_a_server_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let server = NatsServer::options()
        .user("viewer", "right")
        .start()
        .unwrap();
    let with_password = |url: &str| {
        let mut command = snapshot(url);
        command
            .args(["--user", "viewer", "--password-file"])
            .arg(&password);
        finished(&mut command)
    };
    let (code, _, errors) = with_password(&server.url());
    assert_eq!(code, 4, "{errors}");
    assert!(
        errors.contains("unauthorized") && Search::default().find(errors.as_bytes()).is_none(),
        "{errors}"
    );

    let nowhere = format!("nats://127.0.0.1:{}", free_port().unwrap());
    let (code, _, errors) = with_password(&nowhere);
    assert_eq!(code, 5, "{errors}");

    std::fs::write(&password, "right\n").unwrap();
    let (code, _, errors) = with_password(&server.url());
    assert_eq!(code, 3, "let in, but there is no camera: {errors}");
    assert!(errors.contains("nobody answers"), "{errors}");
}

#[test]
fn a_tail_without_frames_ends_with_not_found_in_its_time() {
    let server = NatsServer::start().unwrap();
    let (code, out, errors) =
        finished(streamhub().args(["tail", "door", "--timeout", "0.3", "--url", &server.url()]));
    assert_eq!((code, out.as_str()), (3, ""), "{errors}");
}

#[test]
fn a_forbidden_subject_is_unauthorized() {
    let config = "authorization { users: [ { user: viewer, password: p, permissions: { publish: [\"x\"] } } ] }";
    let server = NatsServer::options().config(config).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "p").unwrap();
    let mut send = streamhub();
    send.args([
        "feedback",
        "send",
        "ui",
        "click",
        "{}",
        "--url",
        &server.url(),
        "--user",
        "viewer",
    ]);
    let (code, _, errors) = finished(send.arg("--password-file").arg(&password));
    assert_eq!(code, 4, "{errors}");
    assert!(
        errors.to_lowercase().contains("permissions violation"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_arrives_on_its_subject_and_an_empty_payload_clears() {
    use futures::StreamExt as _;
    let server = NatsServer::start().unwrap();
    let client = server.connect().await.unwrap();
    let subject = "streamhub.site.lobby.feedback.>";
    let mut heard = client.subscribe(subject).await.unwrap();
    client.flush().await.unwrap();
    for payload in ["{\"x\": 1}", ""] {
        let url = server.url();
        let args = [
            "feedback", "send", "ui", "click", payload, "--camera", "door", "-n", "site", "--hub",
            "lobby",
        ];
        let (code, _, errors) = finished(streamhub().args(args).args(["--url", &url]));
        assert_eq!(code, 0, "{errors}");
        let message = tokio::time::timeout(Duration::from_secs(10), heard.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            message.subject.as_str(),
            "streamhub.site.lobby.feedback.ui.click.door"
        );
        assert_eq!(message.payload.is_empty(), payload.is_empty());
    }
}

const LOBBY: &str = "apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {name: lobby}\nspec: {nats: {subjectPrefix: site.one}}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_running_hub_with_its_own_prefix_is_found_with_and_without_its_name() {
    use futures::StreamExt as _;
    let manifests = Folder::new().unwrap();
    manifests.write("hub.yaml", LOBBY).unwrap();
    let door = test_camera("door", ", hubRef: {name: lobby}");
    manifests.write("door.yaml", &door).unwrap();
    let up = Up::start_in(manifests, QUIET, &[]);
    up.wait_for_cameras(&["door"]);
    let nats = async_nats::connect(up.nats_url()).await.unwrap();
    let mut heard = nats.subscribe("site.one.feedback.>").await.unwrap();
    nats.flush().await.unwrap();
    let publisher = nats.clone();
    tokio::spawn(async move {
        let status = CameraStatus {
            camera: "door".into(),
            ..CameraStatus::default()
        };
        loop {
            let sent = publisher.publish("site.one.status.door", status.to_json().into());
            sent.await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let run = |args: &[&str], more: &[&str]| {
        let mut command = streamhub();
        command.args(args).args(more).env_remove("NATS_URL");
        finished(command.arg("--state-dir").arg(up.state()))
    };
    for hub in [&[][..], &["--hub", "lobby"]] {
        let (code, out, errors) = run(&["status", "--wait", "6"], hub);
        assert_eq!(code, 0, "{hub:?}: {errors}");
        assert!(out.contains("door"), "{out}");

        let (code, _, errors) = run(&["feedback", "send", "ui", "click", "{}"], hub);
        assert_eq!(code, 0, "{hub:?}: {errors}");
        let message = tokio::time::timeout(Duration::from_secs(10), heard.next()).await;
        assert_eq!(
            message.unwrap().unwrap().subject.as_str(),
            "site.one.feedback.ui.click"
        );
    }
    let typo = ["--hub", "loby"];
    let (code, _, errors) = run(&["feedback", "send", "ui", "click", "{}"], &typo);
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("default/lobby (site.one at"), "{errors}");

    let yard = test_camera("yard", "");
    up.manifests.write("yard.yaml", &yard).unwrap();
    up.wait_for_cameras(&["door", "yard"]);
    let (code, _, errors) = run(&["status"], &[]);
    assert_eq!(code, 2, "{errors}");
    assert!(
        errors.contains("default/default") && errors.contains("default/lobby"),
        "{errors}"
    );
}
