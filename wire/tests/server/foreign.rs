//! A client in another language, written from the documentation.

use std::process::Command;
use std::time::Duration;

use streamhub_testkit::{NatsServer, Proc, paths};
use streamhub_wire::feedback::FeedbackRules;

use crate::camera::{Camera, prefix, publisher, token};

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_written_from_the_documentation_finds_nothing_wrong() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let mut rules = FeedbackRules::default();
    for (module, event) in [("perception", "spatial_object"), ("ui", "user_selection")] {
        rules
            .0
            .entry(token(module))
            .or_default()
            .insert(token(event), Duration::from_secs(1));
    }
    let _camera = Camera::start_with(&publisher, 15, 20_000, rules).await;
    let mut client = Proc::spawn(
        "foreign-client",
        Command::new(paths::python().unwrap())
            .arg(paths::repository().join("wire/tests/foreign_client.py"))
            .args(["--url", &server.url(), "--prefix", prefix().as_str()])
            .args(["--camera", "cam", "--rendition", "main", "--frames", "30"])
            .args(["--feedback", "perception.spatial_object"]),
    )
    .unwrap();
    let status = client.wait(Duration::from_mins(1)).unwrap();
    assert!(status.success(), "{}", client.last_words());
    assert!(client.stdout().contains(" 0 failed"), "{}", client.stdout());
}
