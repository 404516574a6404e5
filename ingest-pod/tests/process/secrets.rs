//! No password is seen outside the files that hold it, and the search that says so finds what is there.

use std::process::Command;

use streamhub_testkit::canary::{Leak, NatsSearch, PASSWORD, Search};
use streamhub_testkit::{
    Certificates, Folder, JwtAccount, NatsOptions, NatsServer, Proc, Signal, Testcam,
    eventually_async, target_bin,
};
use streamhub_wire::status::CameraState;

use crate::support::{Ingest, PATIENCE, SecretFolder};

/// Stands for a password that a program gives away. Not [`PASSWORD`], which the search of the whole run looks for.
const PLANTED: &str = "pLaNtEd-in-the-open-8";

const TEST_CAMERA: &str =
    "{source: {test: {width: 320, height: 180}}, frames: [{name: main, fps: 10}]}";

/// All that a camera's process lets others see, but NATS: log, HTTP pages, and every process of this machine.
fn places(ingest: &Ingest, search: &Search) -> Vec<Leak> {
    let mut leaks = search.processes().unwrap();
    let mut look = |place: &str, text: &str| {
        leaks.extend(search.find(text.as_bytes()).map(|form| Leak {
            place: place.to_owned(),
            form,
        }));
    };
    look("log", &ingest.proc.stderr());
    look("standard output", &ingest.proc.stdout());
    for page in ["/status", "/metrics", "/readyz", "/healthz"] {
        look(page, &ingest.get(page).expect("page").1);
    }
    leaks
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_seen_in_logs_on_nats_or_in_processes_whatever_fails() {
    let mut nats = NatsServer::options().user("cam", PASSWORD).start().unwrap();
    let login =
        || async_nats::ConnectOptions::with_user_and_password("cam".into(), PASSWORD.into());
    let reader = login().connect(nats.url()).await.unwrap();
    let watch = NatsSearch::start(&reader, Search::default()).await.unwrap();
    let mut server = Testcam::options()
        .test_picture("/cam", "h264:320x180@10")
        .basic("viewer", PASSWORD)
        .start()
        .unwrap();
    let secrets = SecretFolder::of("nats", &[("username", "cam"), ("password", PASSWORD)]);
    secrets.put("door", "username", "viewer");
    secrets.put("door", "password", &format!("{PASSWORD}-wrong"));
    // A camera that wants its password in the query: the whole URL is secret.
    let escaped = PASSWORD.replace('%', "%25");
    let url_watch = NatsSearch::start(&reader, Search::new(&escaped))
        .await
        .unwrap();
    let url = format!("{}?password={escaped}", server.url("/cam"));
    secrets.put("door", "url", &url);
    let spec = "{source: {rtsp: {urlSecretRef: {name: door, key: url}, credentialsSecretRef: {name: door}}}, \
                frames: [{name: main, fps: 5, meta: true}]}";
    let ingest = Ingest::with(
        "door",
        spec,
        &nats,
        Some("{nats: {credentialsSecretRef: {name: nats}}}"),
        &["--secrets", secrets.path(), "--log-level", "trace"],
    );
    let search = Search::default();
    let search_url = Search::new(&escaped);
    let leaks = || [places(&ingest, &search), places(&ingest, &search_url)].concat();
    ingest.wait_for("refused", |status| status.reason == "Unauthorized");
    assert_eq!(leaks(), []);
    secrets.put("door", "password", PASSWORD);
    ingest.wait_ready();
    assert_eq!(leaks(), []);
    server.stop().unwrap();
    ingest.wait_for("lost", |status| status.state == CameraState::Reconnecting);
    server.restart().unwrap();
    ingest.wait_ready();
    // The password changes on the server's side only.
    nats.restart_with("authorization { user: cam, password: other }")
        .unwrap();
    ingest.wait_for("refused", |status| status.reason == "NatsUnauthorized");
    secrets.put("nats", "password", "other");
    ingest.wait_ready();
    assert_eq!(leaks(), []);
    assert_eq!(watch.leaks(), []);
    assert_eq!(url_watch.leaks(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_search_finds_what_a_camera_gives_away() {
    let nats = NatsServer::start().unwrap();
    let search = Search::new(PLANTED);
    let watch = NatsSearch::start(&nats.connect().await.unwrap(), Search::new(PLANTED))
        .await
        .unwrap();
    // A password where none may be: in the path of a URL that the manifest shows to everybody.
    let spec = format!("{{source: {{rtsp: {{url: 'rtsp://127.0.0.1:9/{PLANTED}'}}}}}}");
    let ingest = Ingest::with(
        "leaky",
        &spec,
        &nats,
        None,
        &["--secrets", &format!("/nowhere/{PLANTED}")],
    );
    ingest.wait_for("a failure", |status| {
        status.state == CameraState::Reconnecting
    });
    let leaks = places(&ingest, &search);
    let command_line = format!("/proc/{}/cmdline", ingest.proc.id());
    for place in [&command_line, "log", "/status"] {
        assert!(
            leaks.iter().any(|leak| leak.place.starts_with(place)),
            "{place}: {leaks:?}"
        );
    }
    let told = eventually_async(PATIENCE, "the status on NATS", || async {
        watch
            .leaks()
            .into_iter()
            .find(|leak| leak.place.ends_with(".status.leaky"))
    });
    assert_eq!(told.await.unwrap().form, "plain");
}

#[test]
fn the_watch_of_the_whole_run_finds_a_planted_leak_and_says_where() {
    let logs = Folder::new().unwrap();
    let clean = || {
        let mut command = Command::new(target_bin("leakwatch").unwrap());
        let mut watch = Proc::spawn("leakwatch", command.arg(logs.path())).unwrap();
        watch.wait_for_line("watching", PATIENCE).unwrap();
        watch.signal(Signal::TERM).unwrap();
        let status = watch.wait(PATIENCE).unwrap();
        (status.code(), watch.stdout())
    };
    logs.write("camera.log", "nothing here").unwrap();
    assert_eq!(clean().0, Some(0));
    logs.write("camera.log", &format!("cannot log in as viewer:{PASSWORD}"))
        .unwrap();
    let (code, text) = clean();
    assert_eq!(code, Some(1));
    assert!(text.contains("camera.log (plain)"), "{text}");
    assert!(!text.contains(PASSWORD));
}

/// Starts a camera against a server with these credentials in its Secret and waits until it is ready.
fn logs_in(name: &str, options: NatsOptions, keys: &[(&str, &str)], secret: &str) {
    let nats = options.start().unwrap();
    let secrets = SecretFolder::of("nats", keys);
    let ingest = Ingest::with(
        name,
        TEST_CAMERA,
        &nats,
        Some("{nats: {credentialsSecretRef: {name: nats}}}"),
        &["--secrets", secrets.path(), "--log-level", "trace"],
    );
    let status = ingest.wait_ready();
    assert_eq!(status.nats.url, nats.url());
    assert_eq!(places(&ingest, &Search::new(secret)), []);
}

#[test]
fn cameras_log_in_to_nats_with_user_and_password_and_with_a_token() {
    let options = NatsServer::options();
    let keys = [("username", "cam"), ("password", PASSWORD)];
    logs_in(
        "with-password",
        options.user("cam", PASSWORD),
        &keys,
        PASSWORD,
    );
    let options = NatsServer::options().token(PASSWORD);
    logs_in("with-token", options, &[("token", PASSWORD)], PASSWORD);
}

#[test]
fn cameras_log_in_to_nats_with_a_creds_file() {
    let account = JwtAccount::generate();
    let creds = account.user(&serde_json::json!({})).unwrap();
    let seed = creds
        .lines()
        .find(|line| line.starts_with("SU"))
        .expect("a user's seed");
    let options = NatsServer::options().config(&account.config().unwrap());
    logs_in("with-creds", options, &[("nats.creds", &creds)], seed);
}

#[test]
fn cameras_log_in_to_nats_with_a_client_certificate() {
    let certificates = Certificates::generate().unwrap();
    let read = |path| std::fs::read_to_string(path).unwrap();
    let key = read(certificates.client_key());
    let keys = [
        ("ca.crt", read(certificates.ca())),
        ("tls.crt", read(certificates.client_certificate())),
        ("tls.key", key.clone()),
    ];
    let keys = keys.each_ref().map(|(name, text)| (*name, text.as_str()));
    let line = key.lines().nth(1).expect("the key's first line");
    let options = NatsServer::options().mutual_tls(&certificates);
    logs_in("with-certificate", options, &keys, line);
}

#[test]
fn a_camera_without_the_right_nats_password_keeps_reading_and_says_why_nothing_is_published() {
    let nats = NatsServer::options().user("cam", PASSWORD).start().unwrap();
    let secrets = SecretFolder::of("nats", &[("username", "cam"), ("password", "not-this-one")]);
    let hub = Some("{nats: {credentialsSecretRef: {name: nats}}}");
    let ingest = Ingest::with(
        "locked-out",
        TEST_CAMERA,
        &nats,
        hub,
        &["--secrets", secrets.path()],
    );
    let status = ingest.wait_for("refused", |status| status.reason == "NatsUnauthorized");
    assert!(
        !status.ready && status.message.contains("unauthorized"),
        "{status:#?}"
    );
    assert_eq!(places(&ingest, &Search::new("not-this-one")), []);
    secrets.put("nats", "password", PASSWORD);
    ingest.wait_ready();
}
