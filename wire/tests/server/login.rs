//! Credentials and certificates as files.

use std::path::Path;
use std::time::Duration;

use streamhub_testkit::canary::{PASSWORD, Search};
use streamhub_testkit::{Certificates, JwtAccount, NatsOptions, NatsServer};
use streamhub_wire::connect::{ConnState, NatsSettings};
use streamhub_wire::publish::Publisher;
use tempfile::TempDir;

use crate::camera::{connected, prefix, settings};

fn secrets(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (key, text) in files {
        std::fs::write(folder.path().join(key), text).unwrap();
    }
    folder
}

async fn publisher(url: &str, secrets: &Path) -> Publisher {
    let settings = NatsSettings {
        secrets: Some(secrets.to_owned()),
        ..settings(url)
    };
    Publisher::connect(&settings, prefix()).await.unwrap()
}

async fn state_that(publisher: &Publisher, wanted: impl FnMut(&ConnState) -> bool) -> ConnState {
    let mut state = publisher.state();
    let state = tokio::time::timeout(Duration::from_secs(20), state.wait_for(wanted)).await;
    state.expect("the state within 20 s").unwrap().clone()
}

async fn logs_in(options: NatsOptions, files: &[(&str, &str)]) {
    let server = options.start().unwrap();
    let secrets = secrets(files);
    let publisher = publisher(&server.url(), secrets.path()).await;
    connected(publisher.state()).await;
    publisher.round_trip().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_shows_as_unauthorized_until_the_file_has_the_right_one() {
    let server = NatsServer::options().user("cam", PASSWORD).start().unwrap();
    let wrong = format!("wrong-{PASSWORD}");
    let secrets = secrets(&[("username", "cam"), ("password", &wrong)]);
    let publisher = publisher(&server.url(), secrets.path()).await;
    let refused = |state: &ConnState| matches!(state, ConnState::Unauthorized { .. });
    let state = state_that(&publisher, refused).await;
    assert_eq!(state.as_str(), "unauthorized");
    assert!(state.reason().contains("refuses these credentials"));
    assert_eq!(
        Search::default().find(format!("{state:?}").as_bytes()),
        None
    );
    std::fs::write(secrets.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    connected(publisher.state()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_changed_on_both_sides_is_used_at_the_next_connection() {
    let old = format!("old-{PASSWORD}");
    let mut server = NatsServer::options().user("cam", &old).start().unwrap();
    let secrets = secrets(&[("username", "cam"), ("password", &old)]);
    let publisher = publisher(&server.url(), secrets.path()).await;
    connected(publisher.state()).await;
    std::fs::write(secrets.path().join("password"), PASSWORD).unwrap();
    server
        .restart_with(&format!(
            "authorization {{ user: cam, password: {PASSWORD:?} }}"
        ))
        .unwrap();
    let again = |state: &ConnState| matches!(state, ConnState::Connected { number } if *number > 1);
    state_that(&publisher, again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_login_names_the_missing_file() {
    let server = NatsServer::options().user("cam", PASSWORD).start().unwrap();
    let secrets = secrets(&[("username", "cam")]);
    let publisher = publisher(&server.url(), secrets.path()).await;
    let refused = |state: &ConnState| matches!(state, ConnState::Unauthorized { .. });
    let state = state_that(&publisher, refused).await;
    assert!(state.reason().contains("`password`"), "{state:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_logs_in() {
    logs_in(
        NatsServer::options().token(PASSWORD),
        &[("token", PASSWORD)],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creds_file_logs_in() {
    let account = JwtAccount::generate();
    let creds = account.user(&serde_json::json!({})).unwrap();
    let options = NatsServer::options().config(&account.config().unwrap());
    logs_in(options, &[("nats.creds", &creds)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_an_own_authority_and_a_client_certificate() {
    let certificates = Certificates::generate().unwrap();
    let read = |path| std::fs::read_to_string(path).unwrap();
    let files = [
        ("ca.crt", read(certificates.ca())),
        ("tls.crt", read(certificates.client_certificate())),
        ("tls.key", read(certificates.client_key())),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(key, text)| (*key, text.as_str()))
        .collect();
    logs_in(NatsServer::options().mutual_tls(&certificates), &files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_authority_is_not_trusted() {
    let server = NatsServer::options()
        .tls(&Certificates::generate().unwrap())
        .start()
        .unwrap();
    let other = Certificates::generate().unwrap();
    let secrets = secrets(&[("ca.crt", &std::fs::read_to_string(other.ca()).unwrap())]);
    let publisher = publisher(&server.url(), secrets.path()).await;
    // A first attempt may have been too slow to come that far.
    let distrusted = |state: &ConnState| state.reason().contains("certificate");
    state_that(&publisher, distrusted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_authority_given_nothing_is_said_to_a_server_without_tls() {
    let server = NatsServer::start().unwrap();
    let certificates = Certificates::generate().unwrap();
    let secrets = secrets(&[
        (
            "ca.crt",
            &std::fs::read_to_string(certificates.ca()).unwrap(),
        ),
        ("token", PASSWORD),
    ]);
    let publisher = publisher(&server.url(), secrets.path()).await;
    let failed = |state: &ConnState| !state.reason().is_empty();
    let state = state_that(&publisher, failed).await;
    assert_eq!(state.as_str(), "connecting");
}
