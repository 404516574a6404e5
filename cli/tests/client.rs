//! The commands that talk to NATS, against real servers: what they print, and the exit codes that scripts rely on.

mod support;

use std::time::Duration;

use streamhub_testkit::canary::{PASSWORD, Search};
use streamhub_testkit::{NatsServer, free_port};
use support::{finished, streamhub};

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
    let mut heard = server
        .connect()
        .await
        .unwrap()
        .subscribe("streamhub.site.lobby.feedback.>")
        .await
        .unwrap();
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
