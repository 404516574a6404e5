//! A camera's login is created late, and changed.

use anyhow::{Result, ensure};
use streamhub_e2e::{Camera, Cluster, Doorway, Faults, Namespace};
use streamhub_testkit::Testcam;
use streamhub_testkit::canary::PASSWORD;

use crate::support::{SOON, share};

const OTHER: &str = "another-one-than-before";

fn login(cluster: &Cluster, namespace: &Namespace, password: &str) -> Result<()> {
    let secret = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: login}}, \
         stringData: {{username: viewer, password: {password:?}}}}}"
    );
    cluster.apply(namespace.name(), &secret).map(drop)
}

// The doorway works while kubectl is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_named_while_it_is_missing_and_read_again_when_it_changes() -> Result<()> {
    // Its camera is on this machine, where only our own nodes see it.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "secrets")?;
    let serve = |password: &str| {
        let picture = Testcam::options().test_picture("/cam", "h264:320x240@10");
        picture.digest("viewer", password).tcp_only().start()
    };
    let before = serve(PASSWORD)?;
    let doorway = Doorway::to(before.port()).await?;

    let spec = format!(
        "source: {{rtsp: {{url: \"rtsp://{}/cam\", transport: tcp, credentialsSecretRef: {{name: login}}}}}}",
        doorway.address()
    );
    let camera = Camera::apply(&cluster, namespace.name(), "door", &spec)?;
    let message = camera.says("Reconnecting", "SecretMissing", SOON)?;
    ensure!(message.contains("Secret login"), "{message}");
    login(&cluster, &namespace, PASSWORD)?;
    let pod = camera.is_ready_within(SOON)?;

    // The camera's password is changed first, as a person would do it.
    let after = serve(OTHER)?;
    drop(before);
    doorway.lead_to(after.port());
    let message = camera.says("Reconnecting", "Unauthorized", SOON)?;
    ensure!(!message.contains(PASSWORD), "the status has the password");
    login(&cluster, &namespace, OTHER)?;
    ensure!(
        camera.is_ready_within(SOON)? == pod,
        "the pod was replaced for a Secret"
    );
    Ok(())
}
