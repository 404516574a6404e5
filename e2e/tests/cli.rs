//! `kubectl streamhub`, from a machine that reaches the API server and nothing else.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use streamhub_e2e::{
    Cluster, Doorway, Faults, Frames, Installation, Laptop, Namespace, Operator, SYSTEM, Said,
};
use streamhub_testkit::canary::{PASSWORD, Search};
use streamhub_testkit::{Testcam, eventually};

const DOOR: &str = "\
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: door}, spec: {source: {test: {}}}}
";
/// The hub of that camera, where people may click.
const LISTENS: &str = "\
{apiVersion: streamhub.dev/v1alpha1, kind: StreamHub, metadata: {name: default},
 spec: {feedback: {ui: {events: [click], ttl: 8s}}}}
";
/// Each has something else that is wrong with it.
const ILL: &str = "\
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: away}, spec: {source: {rtsp: {url: \"rtsp://192.0.2.1/a\"}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: locked},
 spec: {source: {rtsp: {url: \"rtsp://192.0.2.1/b\", credentialsSecretRef: {name: nobody}}}}}
---
{apiVersion: streamhub.dev/v1alpha1, kind: Camera, metadata: {name: stray}, spec: {hubRef: {name: roof}, source: {test: {}}}}
";
const SOON: Duration = Duration::from_mins(1);

/// Asks until the answer is right; the last answer is in the error.
fn until(what: &str, ask: impl Fn() -> Result<Said>, is: impl Fn(&Said) -> bool) -> Result<Said> {
    let mut last = None;
    let found = eventually(SOON, what, || {
        let said = ask().ok()?;
        if is(&said) {
            return Some(said);
        }
        last = Some(said);
        None
    });
    found.with_context(|| format!("{last:#?}"))
}

/// What `--output json` prints.
fn objects(said: &Said) -> Result<Vec<Value>> {
    let lines = said.out.lines();
    lines
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

fn wait_ready(cluster: &Cluster, namespace: &Namespace, camera: &str) -> Result<()> {
    let camera = format!("camera/{camera}");
    let wait = ["wait", "--for=condition=Ready", "--timeout=60s", &camera];
    cluster
        .kubectl(&[&wait[..], &["-n", namespace.name()]].concat())
        .map(drop)
}

/// The reasons that `doctor` finds about one thing, problems only.
fn problems(laptop: &Laptop, words: &[&str]) -> Result<Vec<String>> {
    let said = laptop.streamhub(&[&["doctor", "--output", "json"], words].concat())?;
    ensure!(said.code <= 1, "{said:#?}");
    let found = objects(&said)?;
    let problems: Vec<String> = found
        .iter()
        .filter(|finding| finding["severity"] == "Problem")
        .filter_map(|finding| Some(finding["reason"].as_str()?.to_owned()))
        .collect();
    ensure!((said.code == 1) != problems.is_empty(), "{said:#?}");
    Ok(problems)
}

/// Asks the doctor until all that it says is this.
fn finds(laptop: &Laptop, words: &[&str], reasons: &[&str]) -> Result<()> {
    let mut last = None;
    let found = eventually(SOON, "the doctor's findings", || {
        let found = problems(laptop, words);
        let right = found.as_ref().is_ok_and(|found| found == reasons);
        last = Some(found);
        right.then_some(())
    });
    found.with_context(|| format!("{words:?}: {last:#?}"))
}

#[test]
fn cameras_are_listed_followed_and_photographed_through_the_api_server_alone() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let laptop = Laptop::new(&cluster)?;
    let site = Namespace::create(&cluster, "site")?;
    cluster.apply(site.name(), DOOR)?;
    wait_ready(&cluster, &site, "door")?;

    // Nobody reads its frames, so it publishes one a second.
    let top = until(
        "the camera's rate",
        || laptop.streamhub(&["top", "-n", "site", "--output", "json"]),
        |said| {
            let rows = objects(said).unwrap_or_default();
            rows.first()
                .is_some_and(|row| row["fps"].as_f64() > Some(0.5))
        },
    )?;
    let rows = objects(&top)?;
    let row = rows.first().context("no row")?;
    ensure!(
        row["camera"] == "door" && row["state"] == "Streaming" && row["node"].is_string(),
        "{row}"
    );
    let top = laptop.streamhub(&["top", "-A"])?;
    println!("{}", top.out);
    ensure!(top.code == 0 && top.out.contains("NAMESPACE"), "{top:#?}");

    for mode in ["push", "pull"] {
        let tail = [
            "tail",
            "door",
            "-n",
            "site",
            "--count",
            "5",
            "--timeout",
            "20",
        ];
        let tail =
            laptop.streamhub(&[&tail[..], &["--mode", mode, "--output", "json"]].concat())?;
        let frames = objects(&tail)?;
        ensure!(tail.code == 0 && frames.len() == 5, "{mode}: {tail:#?}");
        let ids: Vec<u64> = frames
            .iter()
            .filter_map(|frame| frame["frame_id"].as_u64())
            .collect();
        ensure!(ids.is_sorted_by(|one, next| one < next), "{mode}: {ids:?}");
    }
    println!(
        "{}",
        laptop
            .streamhub(&["tail", "door", "-n", "site", "--count", "3"])?
            .out
    );

    let file = laptop.folder().join("door.jpg");
    let shot = laptop.streamhub(&["snapshot", "door", "-n", "site", "-o", "door.jpg"])?;
    ensure!(shot.code == 0, "{shot:#?}");
    ensure!(fs::read(&file)?.starts_with(&[0xff, 0xd8]), "{shot:#?}");

    let nobody = laptop.streamhub(&["tail", "gate", "-n", "site"])?;
    ensure!(
        nobody.code == 3
            && nobody
                .err
                .contains("there is no Camera gate in namespace site"),
        "{nobody:#?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_from_a_laptop_is_in_the_frames_that_follow() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::share(&cluster, &[])?;
    let laptop = Laptop::new(&cluster)?;
    let site = Namespace::create(&cluster, "kitchen")?;
    cluster.apply(site.name(), &format!("{DOOR}---\n{LISTENS}"))?;
    wait_ready(&cluster, &site, "door")?;
    let mut frames =
        Frames::subscribe(&cluster, "streamhub.kitchen.default.frames.door.main").await?;
    frames.next(SOON).await?;

    let send = ["feedback", "send", "ui", "click", r#"{"at": [3, 4]}"#];
    let said = laptop.streamhub(&[&send[..], &["--camera", "door", "-n", "kitchen"]].concat())?;
    ensure!(said.code == 0, "{said:#?}");
    let end = Instant::now() + SOON;
    // It is in the frames of some seconds, and then gone.
    for held in [true, false] {
        loop {
            let events = frames.next(SOON).await?.metadata["events"].clone();
            if held == (events["ui"]["click"]["at"] == json!([3, 4])) {
                break;
            }
            ensure!(Instant::now() < end, "held: {held}, {events}");
        }
    }
    Ok(())
}

#[test]
fn the_doctor_says_what_is_wrong_with_a_camera_a_hub_and_the_installation() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let laptop = Laptop::new(&cluster)?;
    let site = Namespace::create(&cluster, "clinic")?;
    cluster.apply(site.name(), DOOR)?;
    wait_ready(&cluster, &site, "door")?;
    finds(&laptop, &["-n", "clinic"], &[])?;
    let well = laptop.streamhub(&["doctor", "-n", "clinic"])?;
    println!("{}", well.out);
    ensure!(
        well.code == 0 && well.out.contains("no problem found"),
        "{well:#?}"
    );

    cluster.apply(site.name(), ILL)?;
    finds(&laptop, &["camera/away", "-n", "clinic"], &["Unreachable"])?;
    finds(
        &laptop,
        &["camera/locked", "-n", "clinic"],
        &["SecretMissing"],
    )?;
    finds(&laptop, &["camera/stray", "-n", "clinic"], &["HubNotFound"])?;
    finds(
        &laptop,
        &["hub/roof", "-n", "clinic"],
        &["HubNotFound", "NotFound"],
    )?;
    finds(&laptop, &["camera/gate", "-n", "clinic"], &["NotFound"])?;
    finds(&laptop, &["door", "-n", "clinic"], &[])?;
    finds(&laptop, &["installation"], &[])?;
    println!("{}", laptop.streamhub(&["doctor", "-n", "clinic"])?.out);

    // The server goes, and comes back.
    let nats = "deployment/streamhub-nats";
    cluster.kubectl(&["scale", "-n", SYSTEM, nats, "--replicas=0"])?;
    finds(
        &laptop,
        &["door", "-n", "clinic"],
        &["NatsUnreachable", "NatsUnavailable"],
    )?;
    let tail = laptop.streamhub(&["tail", "door", "-n", "clinic", "--count", "1"])?;
    ensure!(tail.code == 3 && tail.err.contains("is ready"), "{tail:#?}");
    println!(
        "{}",
        laptop.streamhub(&["doctor", "door", "-n", "clinic"])?.out
    );
    cluster.kubectl(&["scale", "-n", SYSTEM, nats, "--replicas=1"])?;
    finds(&laptop, &["door", "-n", "clinic"], &[])?;

    // So does the operator, and a Camera is made meanwhile.
    let operator = Operator::of(&cluster);
    operator.stop()?;
    finds(&laptop, &["installation"], &["ScaledToZero"])?;
    cluster.apply(site.name(), &DOOR.replace("door", "late"))?;
    finds(
        &laptop,
        &["late", "-n", "clinic"],
        &["NotObserved", "ScaledToZero"],
    )?;
    println!(
        "{}",
        laptop.streamhub(&["doctor", "late", "-n", "clinic"])?.out
    );
    operator.start()?;
    finds(&laptop, &["late", "-n", "clinic"], &[])
}

/// In the environment of somebody's pod, where [`PASSWORD`] must never be.
const OTHERS: &str = "0tH3rS+k9/Zq%u2=Xw~7";

/// A camera with a login, a Secret with it, and somebody's pod that holds another camera's name and a password of its own.
fn guarded(address: &str, image: &str) -> String {
    format!(
        r#"
apiVersion: v1
kind: Secret
metadata: {{name: guarded}}
stringData: {{username: viewer, password: "{PASSWORD}"}}
---
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {{name: guarded}}
spec: {{source: {{rtsp: {{url: "rtsp://{address}/a", transport: tcp, credentialsSecretRef: {{name: guarded}}}}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: cam-taken}}
spec:
  securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
    - name: nats
      image: {image}
      command: [nats-server]
      env: [{{name: OTHERS_PASSWORD, value: "{OTHERS}"}}]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
---
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {{name: taken}}
spec: {{source: {{test: {{}}}}}}
"#
    )
}

// The doorway works while kubectl is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_tells_all_but_secrets() -> Result<()> {
    // Its camera is on this machine, where only our own nodes see it.
    if Faults::here().is_none() {
        return Ok(());
    }
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let laptop = Laptop::new(&cluster)?;
    let site = Namespace::create(&cluster, "vault")?;
    let options = Testcam::options().test_picture("/a", "h264:640x360@15");
    let testcam = options.digest("viewer", PASSWORD).start()?;
    let doorway = Doorway::to(testcam.port()).await?;
    let address = doorway.address().to_string();
    let image = Operator::of(&cluster).ingest_image()?;
    cluster.apply(site.name(), &guarded(&address, &image))?;
    wait_ready(&cluster, &site, "guarded")?;
    finds(&laptop, &["taken", "-n", "vault"], &["NameTaken"])?;

    let bundle = laptop.streamhub(&["doctor", "-A", "--bundle", "report.tar.gz"])?;
    ensure!(bundle.code == 1, "{bundle:#?}");
    let opened = laptop.folder().join("opened");
    fs::create_dir(&opened)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(laptop.folder().join("report.tar.gz"));
    ensure!(
        tar.arg("-C").arg(&opened).status()?.success(),
        "{bundle:#?}"
    );
    let root = opened.join("streamhub");
    for part in [
        "findings.txt",
        "cameras/vault/guarded.json",
        "statuses/vault/guarded.json",
        "pods/vault/cam-guarded.json",
        "pods/vault/cam-taken.json",
        "logs/vault/cam-guarded.ingest.log",
        "deployments/streamhub-system/streamhub-nats.json",
        "configmaps/streamhub-system/streamhub-nats.json",
        "events.json",
    ] {
        let text = fs::read_to_string(root.join(part)).with_context(|| part.to_owned())?;
        ensure!(text.len() > 2, "{part} is empty");
    }
    ensure!(
        !root.join("logs/vault/cam-taken.nats.log").exists(),
        "another's log was read"
    );
    let said = format!("{}{}", bundle.out, bundle.err);
    for search in [Search::default(), Search::new(OTHERS)] {
        let leaks = search.folder(&opened)?;
        if !leaks.is_empty() {
            bail!("a password is in the bundle: {leaks:#?}");
        }
        ensure!(search.find(said.as_bytes()).is_none(), "{said}");
    }
    Ok(())
}
