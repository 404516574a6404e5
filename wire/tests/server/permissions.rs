//! The permission templates on a server that enforces them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use futures::StreamExt as _;
use streamhub_testkit::{NatsServer, eventually_async, paths};
use streamhub_wire::connect::NatsSettings;
use streamhub_wire::publish::Publisher;
use streamhub_wire::server::{LocalServer, Permissions};
use streamhub_wire::status::CameraStatus;
use streamhub_wire::subjects::Prefix;
use streamhub_wire::subscribe::Consumer;

use crate::camera::{Camera, connected, consumer_settings, prefix, settings, token};

fn templates(prefix: &Prefix) -> [(&'static str, Permissions); 4] {
    [
        ("ingest", Permissions::ingest(prefix, None)),
        (
            "ingest-cam",
            Permissions::ingest(prefix, Some(&token("cam"))),
        ),
        ("module", Permissions::module(prefix, &token("ui"))),
        ("viewer", Permissions::viewer(prefix)),
    ]
}

fn server() -> NatsServer {
    let users = templates(&prefix()).map(|(user, permissions)| {
        let permissions = permissions.config();
        format!("{{ user: {user}, password: x, permissions: {permissions} }}")
    });
    let users = users.join("\n");
    NatsServer::options()
        .config(&format!("authorization {{ users: [\n{users}] }}"))
        .start()
        .unwrap()
}

/// A Secret's folder for a user; all have the same password.
fn secrets(parent: &Path, user: &str) -> PathBuf {
    let folder = parent.join(user);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("username"), user).unwrap();
    std::fs::write(folder.join("password"), "x").unwrap();
    folder
}

/// A client that keeps what it was told it may not do.
async fn login(server: &NatsServer, user: &str) -> (Client, Arc<Mutex<Vec<String>>>) {
    let refusals: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = refusals.clone();
    let client = ConnectOptions::with_user_and_password(user.into(), "x".into())
        .event_callback(move |event| {
            if let Event::ServerError(error) = event {
                log.lock().unwrap().push(error.to_string());
            }
            std::future::ready(())
        })
        .connect(server.url())
        .await
        .unwrap();
    (client, refusals)
}

/// Whether the server says no. A refusal that is `expected` may take its time.
async fn refused(
    server: &NatsServer,
    user: &str,
    subscribe: bool,
    subject: &str,
    expected: bool,
) -> bool {
    let (client, refusals) = login(server, user).await;
    let subject = subject.to_owned();
    let _subscriber = if subscribe {
        Some(client.subscribe(subject).await.unwrap())
    } else {
        client.publish(subject, "{}".into()).await.unwrap();
        None
    };
    let said = || {
        let refusals = refusals.lock().unwrap();
        refusals
            .iter()
            .any(|text| text.contains("Permissions Violation"))
    };
    if expected {
        let refusal = || async { said().then_some(()) };
        return eventually_async(Duration::from_secs(20), "a refusal", refusal)
            .await
            .is_ok();
    }
    settle(&client).await;
    said()
}

/// The server answers in order: a refusal of what was sent before comes before the refusal of this request.
async fn settle(client: &Client) {
    let _ = tokio::time::timeout(
        Duration::from_millis(300),
        client.request("test.hub.next.cam.main", "".into()),
    )
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_speak_for_another() {
    let server = server();
    let forbidden = [
        ("viewer", false, "test.hub.frames.cam.main"),
        ("viewer", false, "test.hub.feedback.ui.click"),
        ("viewer", false, "test.hub.status.cam"),
        ("viewer", false, "_INBOX_ingest.cam.x"),
        ("viewer", true, "test.hub.next.cam.main"),
        ("viewer", true, "_INBOX_ingest.>"),
        ("viewer", true, ">"),
        ("viewer", true, "test.other.frames.>"),
        (
            "module",
            false,
            "test.hub.feedback.perception.spatial_object",
        ),
        ("module", false, "test.hub.frames.cam.main"),
        ("module", true, "test.hub.next.>"),
        ("ingest", false, "test.hub.feedback.ui.click"),
        ("ingest", true, "test.hub.frames.>"),
        ("ingest-cam", false, "test.hub.frames.other.main"),
        ("ingest-cam", false, "test.hub.status.other"),
        ("ingest-cam", true, "test.hub.next.other.*"),
        ("ingest-cam", true, "_INBOX_ingest.other.>"),
    ];
    let allowed = [
        ("viewer", false, "test.hub.next.cam.main"),
        ("viewer", true, "test.hub.frames.>"),
        ("viewer", true, "test.hub.feedback.>"),
        ("module", false, "test.hub.feedback.ui.click"),
        ("module", false, "test.hub.feedback.ui.click.cam"),
        ("module", true, "test.hub.status.*"),
    ];
    for (cases, expected) in [(&forbidden[..], true), (&allowed[..], false)] {
        let answers = cases.iter().map(|(user, subscribe, subject)| {
            refused(&server, user, *subscribe, subject, expected)
        });
        for (case, refused) in cases.iter().zip(futures::future::join_all(answers).await) {
            assert_eq!(refused, expected, "{case:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_do_his_work() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let login = |user: &str, base: NatsSettings| NatsSettings {
        secrets: Some(secrets(folder.path(), user)),
        ..base
    };
    let url = server.url();
    let viewer = login("viewer", consumer_settings(&url));
    let reader = Consumer::connect(&viewer, prefix()).await.unwrap();
    connected(reader.state()).await;
    for user in ["ingest", "ingest-cam"] {
        let account = login(user, settings(&url));
        let ingest = Publisher::connect(&account, prefix()).await.unwrap();
        connected(ingest.state()).await;
        let mut statuses = ingest.statuses(&token("cam")).await.unwrap();
        ingest.round_trip().await.unwrap();
        let camera = Camera::start(&ingest, 20, 2_000).await;
        let status = CameraStatus::default();
        ingest.publish_status(&status, &token("cam")).unwrap();
        statuses.next().await.unwrap();
        let event = serde_json::json!({});
        ingest
            .publish_event(&token("cam"), &token("connected"), &event)
            .unwrap();
        let mut frames = reader
            .frames(&token("cam"), &token("main"), Duration::from_secs(10))
            .await
            .unwrap();
        for _ in 0..10 {
            frames.next().await.unwrap().unwrap();
        }
        reader
            .snapshot(&token("cam"), &token("main"))
            .await
            .unwrap();
        assert_eq!(*reader.denied().borrow(), None);
        assert_eq!(*ingest.denied().borrow(), None);
        drop(camera);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_the_right_is_told_what_it_lacks() {
    let server = NatsServer::options()
        .config("authorization { users: [{ user: a, password: x, permissions: { publish: { deny: \"test.hub.status.*\" } } }] }")
        .start()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = NatsSettings {
        secrets: Some(secrets(folder.path(), "a")),
        ..settings(&server.url())
    };
    let publisher = Publisher::connect(&settings, prefix()).await.unwrap();
    connected(publisher.state()).await;
    let status = CameraStatus::default();
    publisher.publish_status(&status, &token("cam")).unwrap();
    let mut denied = publisher.denied();
    let denied = tokio::time::timeout(Duration::from_secs(10), denied.wait_for(Option::is_some))
        .await
        .expect("a refusal")
        .unwrap()
        .clone();
    assert!(denied.unwrap().contains("test.hub.status.cam"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_too_many_does_not_look_like_a_lost_connection() {
    let server = NatsServer::options().config("max_subs: 1").start().unwrap();
    let publisher = Publisher::connect(&settings(&server.url()), prefix())
        .await
        .unwrap();
    connected(publisher.state()).await;
    let mut state = publisher.state();
    state.mark_unchanged();
    let _statuses = publisher.statuses(&token("cam")).await.unwrap();
    for _ in 0..3 {
        publisher.round_trip().await.unwrap();
    }
    assert!(!state.has_changed().unwrap(), "{:?}", state.borrow());
}

#[test]
fn the_local_servers_configuration_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nats.conf");
    for port in [0, 4222] {
        let server = LocalServer {
            host: [127, 0, 0, 1].into(),
            port,
        };
        std::fs::write(&file, server.config()).unwrap();
        let check = Command::new(paths::nats_server_bin().unwrap())
            .arg("-t")
            .arg("-c")
            .arg(&file)
            .output()
            .unwrap();
        assert!(check.status.success(), "{check:?}");
        assert!(!server.config().contains("no_fast_producer_stall"));
    }
}
