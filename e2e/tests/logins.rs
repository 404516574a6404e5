//! A NATS server that asks who is there: users and permissions as the documentation has them.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::ConnectOptions;
use serde_json::{Value, json};
use streamhub_e2e::{Camera, Cluster, Frames, Installation, Namespace, Operator, SYSTEM, until};
use streamhub_testkit::canary::PASSWORD;
use streamhub_testkit::repository;

const SOON: Duration = Duration::from_mins(2);
/// For a login that is refused; not to be seen anywhere either.
const WRONG: &str = "not-the-one-that-it-takes";
const READER: &str = "one-that-reads";
const CALM: &str = "source: {test: {}}, frames: [{name: main, fps: 5, width: 320}]";
const FRAMES: &str = "streamhub.logins.lobby.frames.gate.main";

/// One user of the server: those permissions of the documentation, for another hub.
fn user(name: &str, password: &str, permissions: &str, hub: &str) -> Result<String> {
    let file = repository().join(format!("docs/reference/permissions/{permissions}.conf"));
    let documented = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let prefix = "streamhub.default.lobby";
    ensure!(documented.contains(prefix), "{documented}");
    let permissions = documented.replace(prefix, &format!("streamhub.logins.{hub}"));
    Ok(format!(
        "{{user: {name}, password: \"{password}\"\n{permissions}}}\n"
    ))
}

fn secret(cluster: &Cluster, namespace: &str, name: &str, data: &Value) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
    });
    cluster.apply(namespace, &secret.to_string()).map(drop)
}

/// A hub on the chart's server that names its own Secret.
fn hub(cluster: &Cluster, namespace: &str, name: &str) -> Result<()> {
    let hub = json!({
        "apiVersion": "streamhub.dev/v1alpha1", "kind": "StreamHub", "metadata": {"name": name},
        "spec": {"nats": {
            "url": "nats://streamhub-nats.streamhub-system:4222", "credentialsSecretRef": {"name": name},
        }},
    });
    cluster.apply(namespace, &hub.to_string()).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_log_in_with_the_charts_secret_or_their_hubs_and_a_wrong_password_is_told()
-> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &[])?;
    let users = [
        user("ingest", PASSWORD, "ingest", "default")?,
        user("lobby", PASSWORD, "ingest", "lobby")?,
        user("reader", READER, "viewer", "lobby")?,
    ];
    let auth = format!("authorization {{users: [\n{}]}}\n", users.concat());
    secret(&cluster, SYSTEM, "nats-auth", &json!({"auth.conf": auth}))?;
    let namespace = Namespace::create(&cluster, "logins")?;
    let name = namespace.name();
    for (secret_name, user, password) in [
        ("chart-login", "ingest", PASSWORD),
        ("lobby", "lobby", PASSWORD),
        ("attic", "lobby", WRONG),
    ] {
        let login = json!({"username": user, "password": password});
        secret(&cluster, name, secret_name, &login)?;
    }
    installation.upgrade(&[
        "nats.authSecret=nats-auth",
        "nats.credentialsSecret=chart-login",
    ])?;
    hub(&cluster, name, "lobby")?;
    hub(&cluster, name, "attic")?;

    let door = Camera::apply(&cluster, name, "door", CALM)?;
    let on = |hub: &str| format!("hubRef: {{name: {hub}}}, {CALM}");
    let gate = Camera::apply(&cluster, name, "gate", &on("lobby"))?;
    let loft = Camera::apply(&cluster, name, "loft", &on("attic"))?;
    door.is_ready_within(SOON)?;
    gate.is_ready_within(SOON)?;
    let mut frames = Frames::subscribe_as(&cluster, FRAMES, "reader", READER).await?;
    frames.next(Duration::from_secs(20)).await?;
    let uninvited = Frames::subscribe(&cluster, FRAMES).await;
    ensure!(uninvited.is_err(), "the server takes everyone");

    let message = loft.says("Streaming", "NatsUnauthorized", SOON)?;
    println!("{message}");
    for what in ["camera,pod,event,streamhub", "configmap"] {
        let shown = cluster.kubectl(&["get", what, "-n", name, "-o=json"])?;
        for password in [PASSWORD, WRONG] {
            ensure!(!shown.contains(password), "{what} has a password");
        }
    }
    let log = cluster.kubectl(&["logs", &loft.pod_name(), "-n", name])?;
    ensure!(!log.contains(WRONG), "the pod's log has the password");

    // The password is mended, and nothing else.
    let right = json!({"username": "lobby", "password": PASSWORD});
    secret(&cluster, name, "attic", &right)?;
    // This user has no permissions on that hub.
    loft.says("Streaming", "NatsDenied", SOON).map(drop)
}

/// A server of the user's own, which the chart has not brought. Its password is in a file: every user of a machine sees
/// the command lines of all.
fn server(cluster: &Cluster, namespace: &str) -> Result<()> {
    let image = Operator::of(cluster).ingest_image()?;
    let settings = format!("authorization {{user: owner, password: \"{PASSWORD}\"}}\n");
    secret(cluster, namespace, "bus", &json!({"bus.conf": settings}))?;
    let labels = json!({"app": "bus"});
    let unprivileged =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "bus"},
        "spec": {"selector": labels, "ports": [{"port": 4222}]},
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bus", "labels": labels},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "settings", "secret": {"secretName": "bus"}}],
            "containers": [{
                "name": "nats", "image": image, "securityContext": unprivileged,
                "command": ["nats-server", "--config", "/etc/bus/bus.conf"],
                "volumeMounts": [{"name": "settings", "mountPath": "/etc/bus"}],
                "readinessProbe": {"tcpSocket": {"port": 4222}, "periodSeconds": 1},
            }],
        },
    });
    for object in [service, pod] {
        cluster.apply(namespace, &object.to_string())?;
    }
    let ready = ["wait", "pod/bus", "--for=condition=Ready", "--timeout=60s"];
    cluster.kubectl(&[&ready[..], &["-n", namespace]].concat())?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_without_a_server_gives_cameras_ones_own() -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &[])?;
    let messaging = Namespace::create(&cluster, "messaging")?;
    server(&cluster, messaging.name())?;
    let namespace = Namespace::create(&cluster, "tenants")?;
    let login = json!({"username": "owner", "password": PASSWORD});
    secret(&cluster, namespace.name(), "owner", &login)?;
    installation.upgrade(&[
        "nats.enabled=false",
        "nats.url=nats://bus.messaging.svc:4222",
        "nats.credentialsSecret=owner",
    ])?;

    let door = Camera::apply(&cluster, namespace.name(), "door", CALM)?;
    door.is_ready_within(SOON)?;
    let login = ConnectOptions::with_user_and_password("owner".to_owned(), PASSWORD.to_owned());
    let subject = "streamhub.tenants.default.frames.door.main";
    let bus = (messaging.name(), "bus");
    let mut frames = Frames::subscribe_with(&cluster, bus, subject, login).await?;
    frames.next(Duration::from_secs(20)).await?;
    until(SOON, || {
        let kinds = "deployments,statefulsets,services";
        let left = cluster.kubectl(&["get", kinds, "-n", SYSTEM, "-o=name"])?;
        ensure!(
            !left.contains("nats"),
            "the chart's server is there: {left}"
        );
        Ok(())
    })
}
