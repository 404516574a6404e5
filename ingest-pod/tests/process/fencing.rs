//! Two processes for one camera: the higher one publishes, the lower one never again.

use std::time::Duration;

use streamhub_testkit::NatsServer;
use streamhub_wire::status::CameraState;

use crate::numbering::{assert_numbering, epochs};
use crate::recorder::Recorder;
use crate::support::{Ingest, PATIENCE};

const SPEC: &str =
    "{source: {test: {width: 64, height: 64, fps: 25}}, frames: [{name: main, fps: 25}]}";

/// Long enough for a process that still published to show it.
const WHILE: Duration = Duration::from_secs(2);

/// A process for the camera `cam`; without a uid the name is its identity.
fn start(nats: &NatsServer, uid: Option<&str>, more: &[&str]) -> Ingest {
    let uid = uid.map(|uid| format!(", uid: {uid}")).unwrap_or_default();
    let document = format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: cam{uid}}}\nspec: {SPEC}\n"
    );
    Ingest::of_document("cam", &document, nats, None, more, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_process_of_a_camera_is_fenced_and_ends() {
    for uid in [None, Some("7c9e6679-7425-40de-944b-e07fc1f90ae7")] {
        let nats = NatsServer::start().unwrap();
        let recording = Recorder::start(&nats.url(), "cam", "main").await;
        let mut old = start(&nats, uid, &[]);
        old.wait_ready();
        recording.more(10).await;
        let mut new = start(&nats, uid, &[]);
        new.wait_ready();
        let ended = old.proc.wait(PATIENCE).unwrap();
        assert_eq!(ended.code(), Some(76), "{}", old.proc.last_words());
        assert!(
            old.proc
                .stderr()
                .contains("fenced: a newer instance of this camera publishes")
        );
        recording.more(25).await;
        // Rising ids and epochs also say that the two were never mixed.
        let frames = recording.metadata();
        assert_numbering(&frames);
        assert_eq!(epochs(&frames).len(), 2);
        assert!(new.proc.is_running());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_with_a_lower_incarnation_never_publishes() {
    let nats = NatsServer::start().unwrap();
    let recording = Recorder::start(&nats.url(), "cam", "main").await;
    let first = start(&nats, None, &[]);
    first.wait_ready();
    recording.more(10).await;
    let mut late = start(&nats, None, &["--incarnation", "5"]);
    assert_eq!(late.proc.wait(PATIENCE).unwrap().code(), Some(76));
    recording.more(10).await;
    let frames = recording.metadata();
    assert_numbering(&frames);
    assert_eq!(epochs(&frames).len(), 1);
    assert_eq!(first.status().unwrap().state, CameraState::Streaming);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_process_that_stays_up_stays_silent_whatever_happens() {
    let mut nats = NatsServer::start().unwrap();
    let recording = Recorder::start(&nats.url(), "cam", "main").await;
    let mut old = start(&nats, None, &["--on-permanent-error", "stay"]);
    let status = old.wait_ready();
    recording.more(10).await;
    let mut new = start(
        &nats,
        None,
        &["--incarnation", &(status.incarnation + 1).to_string()],
    );
    let fenced = |old: &Ingest| {
        let status = old.wait_for("fenced", |status| status.state == CameraState::Fenced);
        assert!(!status.ready, "{status:#?}");
        assert_eq!(status.reason, "Fenced");
        assert!(status.message.contains("is newer"), "{}", status.message);
        let (code, body) = old.get("/readyz").unwrap();
        assert!(code == 503 && body.contains("Fenced"), "{code} {body}");
        assert_eq!(old.get("/healthz").unwrap().0, 200);
    };
    fenced(&old);
    let newer = new.wait_ready();
    let seen = recording
        .until("frames of the newer one", |frame| {
            frame.epoch >= newer.started
        })
        .await;

    // A server that comes back asks everybody anew.
    nats.stop().unwrap();
    nats.restart().unwrap();
    old.wait_for("connected again", |status| {
        status.nats.reconnects > 0 && status.nats.state == "connected"
    });
    fenced(&old);
    new.wait_ready();
    recording.more(5).await;

    // Nobody publishes any more, and still it is not its turn.
    new.proc.kill().unwrap();
    old.edit(&SPEC.replace("fps: 25}]", "fps: 20}]"));
    tokio::time::sleep(WHILE).await;
    fenced(&old);
    // A frame of its own would be of an older epoch, which must not follow, or of a newer one.
    let frames = recording.metadata();
    assert_numbering(&frames);
    assert!(frames.iter().all(|frame| frame.epoch <= seen.epoch));
    let status = old.proc.terminate(PATIENCE).unwrap();
    assert_eq!(status.code(), Some(0), "it ends as asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_camera_on_the_same_subjects_publishes_nothing_until_they_are_free() {
    let nats = NatsServer::start().unwrap();
    let recording = Recorder::start(&nats.url(), "cam", "main").await;
    let mut first = start(&nats, Some("aaaa"), &[]);
    first.wait_ready();
    recording.more(10).await;
    // Neither its later start nor a higher incarnation helps: it is another camera.
    let mut newcomer = start(&nats, Some("bbbb"), &["--incarnation", "9000000000000"]);
    let status = newcomer.wait_for("refused", |status| {
        status.state == CameraState::SubjectInUse
    });
    assert!(!status.ready);
    assert_eq!(status.reason, "SubjectInUse");
    assert!(status.message.contains("aaaa"), "{}", status.message);
    assert!(status.remedy.contains("subjectPrefix"), "{}", status.remedy);
    let (code, body) = newcomer.get("/readyz").unwrap();
    assert!(
        code == 503 && body.contains("SubjectInUse"),
        "{code} {body}"
    );
    recording.more(25).await;
    let frames = recording.metadata();
    assert_numbering(&frames);
    assert_eq!(epochs(&frames).len(), 1, "only the first one publishes");
    assert!(newcomer.proc.is_running());

    let epoch = recording.last().unwrap().epoch;
    assert_eq!(first.proc.terminate(PATIENCE).unwrap().code(), Some(0));
    recording
        .until("the newcomer to take the subjects over", |frame| {
            frame.epoch != epoch
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_frozen_while_another_took_over_does_not_publish_when_it_thaws() {
    let nats = NatsServer::start().unwrap();
    let recording = Recorder::start(&nats.url(), "cam", "main").await;
    let mut old = start(&nats, None, &[]);
    old.wait_ready();
    recording.more(10).await;
    old.proc.freeze().unwrap();
    let new = start(&nats, None, &[]);
    new.wait_ready();
    recording.more(50).await;
    old.proc.thaw().unwrap();
    assert_eq!(old.proc.wait(PATIENCE).unwrap().code(), Some(76));
    recording.more(25).await;
    // An id of the old process after one of the new would go back.
    assert_numbering(&recording.metadata());
}
