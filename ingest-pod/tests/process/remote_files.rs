//! Files on servers: fetched once, kept, fetched again when they have changed.

use std::path::Path;

use streamhub_testkit::canary::{PASSWORD, Search};
use streamhub_testkit::{Folder, NatsServer, clip};
use streamhub_wire::metadata::CaptureSource;
use streamhub_wire::status::CameraState;

use crate::support::{Ingest, SecretFolder, consumer, frames, next};
use crate::web::{Web, text};

const FRAMES: &str = "frames: [{name: main, fps: 25}]";

/// A server with a film of 320x180 in it.
fn server() -> Web {
    let web = Web::start();
    film(&web, "320:180");
    web
}

fn film(web: &Web, size: &str) {
    let clip = clip("h264-720p25.mkv").unwrap();
    let scaled = format!("scale={size}");
    let options = [
        "-i",
        text(&clip),
        "-vf",
        &scaled,
        "-frames:v",
        "50",
        "-c:v",
        "mjpeg",
    ];
    web.ffmpeg(&[&options[..], &["aside.avi"]].concat());
    let name = |name: &str| web.folder.path().join(name);
    std::fs::rename(name("aside.avi"), name("a film.avi")).unwrap();
}

fn start(name: &str, file: &str, nats: &NatsServer, cache: &Path, more: &[&str]) -> Ingest {
    let spec = format!("{{source: {{file: {{{file}}}}}, {FRAMES}}}");
    let cache = ["--media-cache", text(cache)];
    Ingest::with(name, &spec, nats, None, &[&cache[..], more].concat())
}

async fn width(nats: &NatsServer, camera: &str) -> u32 {
    let consumer = consumer(nats).await;
    let frame = next(&mut frames(&consumer, camera, "main").await).await;
    assert_eq!(frame.metadata.capture.source, CaptureSource::File);
    frame.metadata.width
}

fn kept(cache: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(cache).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains(".lock"))
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_fetched_once_and_again_when_it_has_changed() {
    let nats = NatsServer::start().unwrap();
    let (mut web, cache) = (server(), Folder::new().unwrap());
    let file = format!("uri: '{}'", web.url("/file/a%20film.avi"));
    let ingest = start("a", &file, &nats, cache.path(), &[]);
    assert_eq!(width(&nats, "a").await, 320);
    let status = ingest.wait_ready();
    assert_eq!(status.source.url, web.url("/file/a%20film.avi"));
    drop(ingest);
    // As it is, and by another camera of the machine: the server says that it is the same.
    let ingest = start("b", &file, &nats, cache.path(), &[]);
    assert_eq!(width(&nats, "b").await, 320);
    assert!(ingest.proc.stderr().contains("still what the server has"));
    drop(ingest);
    film(&web, "640:360");
    let ingest = start("c", &file, &nats, cache.path(), &[]);
    assert_eq!(width(&nats, "c").await, 640);
    assert_eq!(kept(cache.path()).len(), 2, "one film and its version");
    drop(ingest);

    // Nobody answers: the copy is played, and it is said.
    web.stop();
    let ingest = start("d", &file, &nats, cache.path(), &[]);
    assert_eq!(width(&nats, "d").await, 640);
    let status = ingest.wait_for("notice", |status| status.reason == "CachedCopy");
    assert_eq!((status.state, status.ready), (CameraState::Streaming, true));
    assert!(
        ingest
            .proc
            .stderr()
            .contains("the copy of the cache is played")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_is_tried_again_and_nothing_half_is_played() {
    let nats = NatsServer::start().unwrap();
    let (web, cache) = (server(), Folder::new().unwrap());
    let file = format!("uri: '{}'", web.url("/cut/a%20film.avi"));
    let ingest = start("cut", &file, &nats, cache.path(), &[]);
    assert_eq!(width(&nats, "cut").await, 320);
    ingest.wait_ready();
    assert_eq!(web.requests().len(), 2);
    assert!(ingest.proc.stderr().contains("ConnectionLost"));
    assert_eq!(kept(cache.path()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_how_far_it_is() {
    let nats = NatsServer::start().unwrap();
    let (web, cache) = (server(), Folder::new().unwrap());
    let file = format!("uri: '{}'", web.url("/slow/a%20film.avi"));
    let ingest = start("slow", &file, &nats, cache.path(), &[]);
    let status = ingest.wait_for("progress", |status| status.reason == "Fetching");
    assert_eq!(status.state, CameraState::Connecting);
    assert!(status.message.contains("MB fetched"), "{}", status.message);
    web.folder.write("go", "").unwrap();
    ingest.wait_ready();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_person_can_change_is_said_at_once() {
    let nats = NatsServer::start().unwrap();
    let (web, cache) = (server(), Folder::new().unwrap());
    let stay = ["--on-permanent-error", "stay"];
    let missing = format!("uri: '{}'", web.url("/file/none.mp4"));
    let forbidden = format!("uri: '{}'", web.url("/status/403"));
    let large = format!("uri: '{}'", web.url("/file/a%20film.avi"));
    let small = [&stay[..], &["--media-cache-size", "1KiB"]].concat();
    let running = [
        (
            start("missing", &missing, &nats, cache.path(), &stay),
            "FileNotFound",
        ),
        (
            start("forbidden", &forbidden, &nats, cache.path(), &stay),
            "Forbidden",
        ),
        (
            start("large", &large, &nats, cache.path(), &small),
            "FileTooLarge",
        ),
    ];
    for (ingest, reason) in running {
        let status = ingest.wait_for(reason, |status| status.state == CameraState::Stalled);
        assert_eq!(status.reason, reason, "{}", status.message);
    }
    assert_eq!(kept(cache.path()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_a_bucket_is_fetched_with_the_keys_of_its_secret() {
    let nats = NatsServer::start().unwrap();
    let (web, cache) = (server(), Folder::new().unwrap());
    let secrets = SecretFolder::of("s3", &[("username", "viewer"), ("password", PASSWORD)]);
    secrets.put("wrong", "username", "viewer");
    secrets.put("wrong", "password", "not-the-one");
    let key = service_account();
    secrets.put("gs", "key.json", &key);
    let more = [
        "--secrets",
        secrets.path(),
        "--log-level",
        "trace",
        "--on-permanent-error",
        "stay",
    ];
    let file = |scheme: &str, name: &str, secret: &str| {
        let endpoint = web.url(&format!("/{scheme}"));
        format!(
            "uri: '{scheme}://films/{name}', endpoint: '{endpoint}', credentialsSecretRef: {{name: {secret}}}"
        )
    };
    let begin = |name: &str, file: &str| start(name, file, &nats, cache.path(), &more);
    let s3 = begin("s3", &file("s3", "a film.avi", "s3"));
    let gs = begin("gs", &file("gs", "a film.avi", "gs"));
    for (name, ingest) in [("s3", &s3), ("gs", &gs)] {
        assert_eq!(width(&nats, name).await, 320, "{name}");
        let status = ingest.wait_ready();
        assert_eq!(status.source.url, format!("{name}://films/a film.avi"));
    }
    let wrong = begin("wrong", &file("s3", "a film.avi", "wrong"));
    let missing = begin("missing", &file("s3", "none.avi", "s3"));
    for (ingest, reason) in [(&wrong, "Forbidden"), (&missing, "FileNotFound")] {
        let status = ingest.wait_for(reason, |status| status.state == CameraState::Stalled);
        assert_eq!(status.reason, reason, "{}", status.message);
    }
    let secret = key.split("\\n").nth(3).unwrap();
    let search = Search::default();
    for ingest in [&s3, &gs, &wrong, &missing] {
        for text in [ingest.proc.stderr(), ingest.get("/status").unwrap().1] {
            assert_eq!(search.find(text.as_bytes()), None, "{text}");
            assert!(
                !text.contains("not-the-one") && !text.contains(secret),
                "{text}"
            );
        }
    }
}

/// The key file of a service account that exists nowhere.
fn service_account() -> String {
    let key = std::process::Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ])
        .output()
        .unwrap();
    let pem = String::from_utf8(key.stdout).unwrap();
    let file = serde_json::json!({
        "type": "service_account",
        "private_key": pem,
        "private_key_id": "1",
        "client_email": "cam@films.example",
    });
    file.to_string()
}
