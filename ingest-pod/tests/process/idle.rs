//! Who listens keeps a rendition awake, wherever he is; while nobody does it costs next to nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use streamhub_testkit::{Folder, NatsServer, Testcam, eventually_async, free_port};
use streamhub_wire::status::CameraStatus;
use streamhub_wire::subscribe::Frame;
use tokio::io::AsyncWriteExt as _;

use crate::recorder::Recorder;
use crate::support::{Ingest, PATIENCE, consumer, frames, next, prefix, token};

const FPS: u32 = 25;
/// Luma of the first picture of a clip; each that follows is a step brighter.
const DARKEST: u32 = 40;

fn test_camera(nats: &NatsServer, frames: &str) -> Ingest {
    let spec =
        format!("{{source: {{test: {{width: 320, height: 180, fps: 25}}}}, frames: [{frames}]}}");
    let ingest = Ingest::start("quiet", &spec, nats);
    ingest.wait_ready();
    ingest
}

fn is_active(status: &CameraStatus, rendition: &str) -> bool {
    status.renditions[rendition].active
}

async fn wait_active(ingest: &Ingest, rendition: &str, active: bool, who: &str) -> CameraStatus {
    let what = format!(
        "{rendition} to be {} {who}",
        if active { "active" } else { "idle" }
    );
    let status = eventually_async(PATIENCE, &what, async || {
        ingest
            .status()
            .filter(|status| is_active(status, rendition) == active)
    });
    status.await.unwrap_or_else(|error| {
        panic!(
            "{error}; {:#?}\n{}",
            ingest.status(),
            ingest.proc.last_words()
        )
    })
}

/// Published frames of a rendition in so many seconds, and how many seconds that were.
async fn published_in(ingest: &Ingest, rendition: &str, seconds: u64) -> (u64, f64) {
    let count = |status: CameraStatus| status.renditions[rendition].published;
    let (before, begin) = (count(ingest.status().unwrap()), Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = count(ingest.status().unwrap());
    (after - before, begin.elapsed().as_secs_f64())
}

/// The value of a metric without labels of its own.
fn metric(ingest: &Ingest, name: &str) -> u64 {
    let (_, text) = ingest.get("/metrics").unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}{{")));
    let value = line
        .and_then(|line| line.rsplit_once(' '))
        .expect("the metric");
    value.1.parse().unwrap()
}

/// A busy machine makes fewer, and never as few as an idle rendition has.
fn is_about(count: u64, per_second: f64, seconds: f64) -> bool {
    let expected = per_second * seconds;
    (f64::max(1.0, expected * 0.4)..=expected * 1.2 + 2.0).contains(&(count as f64))
}

/// A film of so many pictures, each in one shade of grey that tells its number.
fn film(folder: &Folder, name: &str, pictures: u32, encoder: &[&str]) -> PathBuf {
    let path = folder.path().join(name);
    let source = format!(
        "color=black:size=320x180:rate={FPS},format=yuv420p,geq=lum='{DARKEST}+mod(N,150)':cb=128:cr=128"
    );
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &source])
        .args([
            "-frames:v",
            &pictures.to_string(),
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
        ])
        .args(encoder)
        .arg(&path)
        .output()
        .expect("ffmpeg runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    path
}

fn rtsp_camera(name: &str, film: &Path, nats: &NatsServer, frames: &str) -> (Ingest, Testcam) {
    let server = Testcam::options().film("/cam", film).start().unwrap();
    let url = server.url("/cam");
    let spec = format!("{{source: {{rtsp: {{url: '{url}'}}}}, frames: [{frames}]}}");
    (Ingest::start(name, &spec, nats), server)
}

/// Which picture of the film a frame shows. Limited range is stretched to full range in a JPEG.
fn picture(frame: &Frame) -> u32 {
    let image = turbojpeg::decompress(&frame.jpeg, turbojpeg::PixelFormat::GRAY).expect("a JPEG");
    let sum: u64 = image.pixels.iter().map(|luma| u64::from(*luma)).sum();
    let luma = sum as f64 / image.pixels.len() as f64;
    (luma * 219.0 / 255.0 + 16.0 - f64::from(DARKEST)).round() as u32
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_of_every_kind_keep_a_camera_awake_and_nobody_lets_it_idle() {
    let store = Folder::new().unwrap();
    let leaf_port = free_port().unwrap();
    let nats = NatsServer::options()
        .config(&format!("jetstream {{ store_dir: {:?} }}", store.path()))
        .config(&format!(
            "leafnodes {{ listen: \"127.0.0.1:{leaf_port}\" }}"
        ))
        .start()
        .unwrap();
    let leaf = NatsServer::options()
        .config(&format!(
            "leafnodes {{ remotes: [ {{ url: \"nats-leaf://127.0.0.1:{leaf_port}\" }} ] }}"
        ))
        .start()
        .unwrap();
    let ingest = test_camera(&nats, "{name: main, fps: 25, meta: true}");
    wait_active(&ingest, "main", false, "from the start").await;
    let (count, seconds) = published_in(&ingest, "main", 5).await;
    assert!(
        is_about(count, 1.0, seconds),
        "{count} frames in {seconds} s"
    );
    let status = ingest.wait_ready();
    assert!(
        (10.0..30.0).contains(&status.source.fps),
        "{}",
        status.source.fps
    );
    assert_eq!(metric(&ingest, "streamhub_rendition_active"), 0);
    assert_eq!(ingest.get("/readyz").unwrap().0, 200);

    let (here, there) = (nats.connect().await.unwrap(), leaf.connect().await.unwrap());
    let prefix = prefix();
    let exact = prefix.frames(&token("quiet"), &token("main"));
    let meta = prefix.meta(&token("quiet"), &token("main"));
    for (kind, client, subject, queue) in [
        ("exact", &here, exact.clone(), None),
        ("metadata only", &here, meta, None),
        ("wildcard", &here, format!("{prefix}.frames.*.*"), None),
        ("everything", &here, ">".to_owned(), None),
        ("queue group", &here, exact.clone(), Some("models")),
        ("leaf node", &there, exact.clone(), None),
    ] {
        let mut messages = match queue {
            Some(queue) => client.queue_subscribe(subject, queue.to_owned()).await,
            None => client.subscribe(subject).await,
        }
        .unwrap();
        wait_active(&ingest, "main", true, kind).await;
        for _ in 0..10 {
            let message = tokio::time::timeout(PATIENCE, messages.next()).await;
            assert!(matches!(message, Ok(Some(_))), "{kind}");
        }
        assert_eq!(metric(&ingest, "streamhub_rendition_active"), 1, "{kind}");
        messages.unsubscribe().await.unwrap();
        drop(messages);
        wait_active(&ingest, "main", false, &format!("after {kind}")).await;
    }

    // A stream keeps it awake for ever, and is no reader whose acknowledgements are misread.
    let ask = |what: &str, body: String| {
        let subject = format!("$JS.API.STREAM.{what}.keep");
        here.request(subject, body.into())
    };
    let made = ask(
        "CREATE",
        format!("{{\"name\": \"keep\", \"subjects\": [\"{exact}\"], \"max_msgs\": 10}}"),
    );
    let made = String::from_utf8(made.await.unwrap().payload.to_vec()).unwrap();
    assert!(made.contains("\"config\""), "{made}");
    wait_active(&ingest, "main", true, "for a stream").await;
    let (count, seconds) = published_in(&ingest, "main", 4).await;
    assert!(
        is_about(count, 25.0, seconds),
        "{count} frames in {seconds} s"
    );
    assert!(is_active(&ingest.status().unwrap(), "main"));
    ask("DELETE", String::new()).await.unwrap();
    wait_active(&ingest, "main", false, "after the stream").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_only_asks_keeps_it_awake_and_one_that_vanished_does_not() {
    let nats = NatsServer::start().unwrap();
    let ingest = test_camera(
        &nats,
        "{name: main, fps: 25}, {name: low, fps: 25, width: 160}",
    );
    wait_active(&ingest, "main", false, "from the start").await;
    let reader = consumer(&nats).await;
    let (camera, main) = (token("quiet"), token("main"));
    // The request itself wakes it, and its frame is no old one.
    let asked = streamhub_wire::hub_time_us();
    let mut frame = reader.snapshot(&camera, &main).await.unwrap();
    let interval = 1_000_000 / i64::from(FPS);
    assert!(frame.metadata.timestamp > asked - 2 * interval - 1_000);
    for _ in 0..50 {
        let after = frame.metadata.frame_id;
        let asking = reader.next(&camera, &main, Some(after), PATIENCE);
        frame = asking.await.unwrap();
        assert!(frame.metadata.frame_id <= after + 10, "every tick is due");
    }
    let status = ingest.status().unwrap();
    assert!(is_active(&status, "main") && !is_active(&status, "low"));
    // Nobody has asked for `low` in all that time.
    assert!(status.renditions["low"].published < status.renditions["main"].published / 3);
    wait_active(&ingest, "main", false, "after the last request").await;
    // What is newer than its last frame is a new one, and not the last probe.
    let asked = streamhub_wire::hub_time_us();
    let after = Some(frame.metadata.frame_id);
    let late = reader.next(&camera, &main, after, PATIENCE).await.unwrap();
    assert!(late.metadata.timestamp > asked - 1_500_000);

    let mut vanishing = tokio::net::TcpStream::connect(("127.0.0.1", nats.port()))
        .await
        .unwrap();
    let mut words = String::new();
    write!(
        words,
        "CONNECT {{\"verbose\":false}}\r\nSUB {} 1\r\n",
        prefix().frames(&camera, &token("low"))
    )
    .unwrap();
    vanishing.write_all(words.as_bytes()).await.unwrap();
    wait_active(&ingest, "low", true, "for a reader").await;
    vanishing.set_zero_linger().unwrap();
    drop(vanishing);
    wait_active(
        &ingest,
        "low",
        false,
        "after its reader's connection was cut",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_nats_was_restarted_readers_have_ten_seconds_to_come_back() {
    let mut nats = NatsServer::start().unwrap();
    let ingest = test_camera(
        &nats,
        "{name: main, fps: 25}, {name: low, fps: 25, width: 160}, {name: always, fps: 25, width: 160, publish: Always}",
    );
    let recorder = Recorder::start(&nats.url(), "quiet", "main").await;
    recorder.wait_for_count(50).await;
    wait_active(&ingest, "low", false, "without a reader").await;
    nats.stop().unwrap();
    ingest.wait_for("away", |status| status.reason == "NatsUnavailable");
    // This reader never comes back.
    drop(recorder);
    nats.restart().unwrap();
    // Of the ten seconds enough must be left for a busy machine.
    ingest.wait_ready();
    let (count, seconds) = published_in(&ingest, "main", 3).await;
    assert!(
        is_about(count, 25.0, seconds),
        "{count} frames in {seconds} s"
    );
    let status = ingest.status().unwrap();
    assert!(is_active(&status, "main") && !is_active(&status, "low"));
    let status = wait_active(&ingest, "main", false, "ten seconds later").await;
    assert!(
        is_active(&status, "always"),
        "whether anybody listens or not"
    );
    let (count, seconds) = published_in(&ingest, "always", 3).await;
    assert!(
        is_about(count, 25.0, seconds),
        "{count} frames in {seconds} s"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_watched_rendition_keeps_the_decoder_running_and_the_other_idles() {
    let nats = NatsServer::start().unwrap();
    let folder = Folder::new().unwrap();
    let film = film(&folder, "short.mp4", 150, &["-g", "25"]);
    let (ingest, _server) = rtsp_camera(
        "quiet",
        &film,
        &nats,
        "{name: main, fps: 25}, {name: low, fps: 10, width: 160}",
    );
    ingest.wait_ready();
    let decoded = || metric(&ingest, "streamhub_access_units_decoded_total");
    let received = || metric(&ingest, "streamhub_access_units_total");
    // The first two key frames show that it has some.
    let rests = || async {
        let before = decoded();
        tokio::time::sleep(Duration::from_secs(2)).await;
        (decoded() - before <= 4).then_some(())
    };
    eventually_async(PATIENCE, "only key frames to be decoded", rests)
        .await
        .unwrap();
    let (before, came, begin) = (decoded(), received(), Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (idle, came, seconds) = (
        decoded() - before,
        received() - came,
        begin.elapsed().as_secs_f64(),
    );
    assert!(
        idle as f64 <= seconds + 1.0 && idle >= 2,
        "{idle} decoded in {seconds} s"
    );
    assert!(
        is_about(came, 25.0, seconds),
        "{came} received in {seconds} s"
    );
    let status = ingest.wait_ready();
    assert!(
        (10.0..30.0).contains(&status.source.fps),
        "{}",
        status.source.fps
    );
    assert!(!is_active(&status, "main") && !is_active(&status, "low"));

    let reader = consumer(&nats).await;
    let mut main = frames(&reader, "quiet", "main").await;
    next(&mut main).await;
    let begin = Instant::now();
    let (before, low) = (
        decoded(),
        ingest.status().unwrap().renditions["low"].published,
    );
    while begin.elapsed() < Duration::from_secs(5) {
        next(&mut main).await;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let (watched, status) = (decoded() - before, ingest.status().unwrap());
    assert!(
        is_about(watched, 25.0, seconds),
        "{watched} decoded in {seconds} s"
    );
    let low = status.renditions["low"].published - low;
    assert!(
        is_about(low, 1.0, seconds),
        "{low} frames of the idle one in {seconds} s"
    );
    assert!(is_active(&status, "main") && !is_active(&status, "low"));
}

/// Wakes an idle camera whose key frames are six seconds apart; what is seen first must be the picture of that moment,
/// give or take so many: one that is sent before its turn, for others to refer to, is stamped when it came.
async fn wakes_at_once(name: &str, film: &Path, nats: &NatsServer, tolerance: u32) {
    let (ingest, _server) = rtsp_camera(name, film, nats, "{name: main, fps: 25}");
    let reader = consumer(nats).await;
    let mut watching = frames(&reader, name, "main").await;
    // While it is watched, and after its clock's one step: which picture was taken when.
    let mut last = next(&mut watching).await;
    for _ in 0..160 {
        last = next(&mut watching).await;
    }
    let known = (picture(&last), last.metadata.timestamp);
    let expected = |frame: &Frame| {
        let passed = (frame.metadata.timestamp - known.1) as f64 / 1e6 * f64::from(FPS);
        (known.0 + passed.round() as u32) % 150
    };
    drop(watching);
    wait_active(&ingest, "main", false, "once nobody watches").await;
    for round in 0..2 {
        // A probe has just gone out: the next key frame is six seconds away.
        let published = |status: &CameraStatus| status.renditions["main"].published;
        let before = published(&ingest.status().unwrap());
        eventually_async(PATIENCE, "a probe", async || {
            (published(&ingest.status()?) > before).then_some(())
        })
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let (asked, begin) = (streamhub_wire::hub_time_us(), Instant::now());
        let mut seen = Vec::new();
        if round == 0 {
            seen.push(reader.snapshot(&token(name), &token("main")).await.unwrap());
        } else {
            let mut watching = frames(&reader, name, "main").await;
            while seen.len() < 30 {
                seen.push(next(&mut watching).await);
            }
        }
        let waited = begin
            .elapsed()
            .saturating_sub(Duration::from_millis(40) * (seen.len() as u32 - 1));
        println!("{name}: first picture after {waited:?}");
        assert!(
            waited < Duration::from_secs(3),
            "{name}: {waited:?}: it waited for a key frame"
        );
        for frame in &seen {
            let (shown, expected) = (picture(frame), expected(frame));
            let off = (shown + 150 - expected) % 150;
            assert!(
                off <= tolerance || off >= 150 - tolerance,
                "{name}: picture {shown} and not {expected}"
            );
            assert!(
                // The key frame that was kept is a second and a half old.
                frame.metadata.timestamp > asked - 1_000_000,
                "{name}: an old picture"
            );
        }
        assert!(seen.is_sorted_by(|a, b| a.metadata.frame_id < b.metadata.frame_id));
        wait_active(&ingest, "main", false, "again").await;
    }
    let status = ingest.status().unwrap();
    assert_eq!(status.source.reconnects, 0);
    let decoded = metric(&ingest, "streamhub_access_units_decoded_total");
    let received = metric(&ingest, "streamhub_access_units_total");
    assert!(
        decoded < received * 9 / 10,
        "{name}: {decoded} of {received} decoded"
    );
}

/// A camera that has one key frame in twelve seconds is decoded whether it is watched or not.
async fn never_idles(name: &str, film: &Path, nats: &NatsServer) {
    let (ingest, _server) = rtsp_camera(name, film, nats, "{name: main, fps: 25}");
    ingest.wait_ready();
    let decoded = || metric(&ingest, "streamhub_access_units_decoded_total");
    let (before, begin) = (decoded(), Instant::now());
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (count, seconds) = (decoded() - before, begin.elapsed().as_secs_f64());
    assert!(
        is_about(count, 25.0, seconds),
        "{name}: {count} decoded in {seconds} s"
    );
    let status = ingest.status().unwrap();
    assert!(!is_active(&status, "main"), "nobody listens all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_shows_the_picture_of_that_moment_long_before_the_next_key_frame() {
    let nats = NatsServer::start().unwrap();
    let folder = Folder::new().unwrap();
    let plain = film(&folder, "plain.mp4", 150, &["-g", "150", "-bf", "0"]);
    let reordered = film(
        &folder,
        "reordered.mp4",
        150,
        &["-g", "150", "-bf", "3", "-b_strategy", "0"],
    );
    let refresh = film(
        &folder,
        "refresh.mp4",
        300,
        &["-x264-params", "keyint=infinite:intra-refresh=1"],
    );
    tokio::join!(
        wakes_at_once("plain", &plain, &nats, 2),
        wakes_at_once("reordered", &reordered, &nats, 8),
        never_idles("refresh", &refresh, &nats),
    );
}
