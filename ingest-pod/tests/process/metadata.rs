//! What every field of the metadata says, for each kind of source.

use std::collections::{BTreeMap, BTreeSet};

use async_nats::{Message, Subscriber};
use futures::StreamExt as _;
use serde_json::{Map, Value, json};
use streamhub_ingest::picture::test_card::read_frame_number;
use streamhub_testkit::{NatsServer, Testcam, clip};
use streamhub_wire::hub_time_us;
use streamhub_wire::metadata::{CaptureSource, METADATA_HEADER, Metadata};
use streamhub_wire::tick::TickGrid;
use turbojpeg::{PixelFormat, decompress};

use crate::numbering::assert_numbering;
use crate::support::{Ingest, PATIENCE, prefix, token};

/// One message of a rendition.
struct Sent {
    message: Message,
    header: String,
    metadata: Metadata,
}

impl Sent {
    fn read(message: Message) -> Self {
        let headers = message.headers.as_ref().expect("frames have headers");
        let header = headers.get(METADATA_HEADER).expect("metadata").to_string();
        let metadata = Metadata::parse(&header).expect("valid metadata");
        Self {
            message,
            header,
            metadata,
        }
    }
}

async fn subscribe(nats: &NatsServer, subject: String) -> Subscriber {
    let client = nats.connect().await.expect("connected");
    let subscriber = client.subscribe(subject).await.expect("subscribed");
    client.flush().await.expect("flushed");
    subscriber
}

async fn frames_of(nats: &NatsServer, camera: &str, rendition: &str) -> Subscriber {
    subscribe(nats, prefix().frames(&token(camera), &token(rendition))).await
}

/// The next so many frames.
async fn take(subscriber: &mut Subscriber, count: usize) -> Vec<Sent> {
    let messages = subscriber.by_ref().take(count).map(Sent::read);
    tokio::time::timeout(PATIENCE, messages.collect())
        .await
        .expect("frames within patience")
}

/// The brightness of a JPEG's pixels, and its width and height.
pub fn grey(jpeg: &[u8]) -> (Vec<u8>, u32, u32) {
    let image = decompress(jpeg, PixelFormat::GRAY).expect("the JPEG decodes");
    (image.pixels, image.width as u32, image.height as u32)
}

/// What holds for every frame of every camera; `more` are the fields that this one has besides.
fn check(sent: &Sent, camera: &str, rendition: &str, more: &[&str]) {
    let Sent {
        message,
        header,
        metadata,
    } = sent;
    assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let fields: Map<String, Value> = serde_json::from_str(header).expect("one JSON object");
    let first_stream_hub = [
        "stream_id",
        "frame_id",
        "timestamp",
        "source",
        "events",
        "frame_size",
    ];
    let ours = [
        "v",
        "rendition",
        "epoch",
        "tick",
        "width",
        "height",
        "fps",
        "capture",
        "published",
    ];
    let expected: BTreeSet<&str> = first_stream_hub
        .iter()
        .chain(&ours)
        .chain(more)
        .copied()
        .collect();
    let found: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
    assert_eq!(found, expected);
    let order: Vec<&str> = fields.keys().take(6).map(String::as_str).collect();
    assert_eq!(order, first_stream_hub);

    assert_eq!(fields["v"], 1);
    assert_eq!(fields["stream_id"], camera);
    assert_eq!(fields["rendition"], rendition);
    assert_eq!(fields["frame_size"], message.payload.len());
    assert!(fields["capture"].get("error_ms").is_some());
    let (_, width, height) = grey(&message.payload);
    assert_eq!(
        (fields["width"].clone(), fields["height"].clone()),
        (width.into(), height.into())
    );

    let id = metadata.frame_id;
    assert!(id < 1 << 53);
    let headers = message.headers.as_ref().expect("headers");
    let message_id = headers.get("Nats-Msg-Id").expect("message id").as_str();
    assert_eq!(message_id, format!("{}/{id}", message.subject));
    assert_eq!(
        *message.subject,
        *prefix().frames(&token(camera), &token(rendition))
    );

    // Seconds with all six decimals, and the order of things: numbering, light, hand-over, now.
    for name in ["timestamp", "published"] {
        let text = header.split(&format!("\"{name}\":")).nth(1).expect("field");
        let (_, decimals) = text.split_once('.').expect("a decimal point");
        let digits = decimals.bytes().take_while(u8::is_ascii_digit).count();
        assert_eq!(digits, 6, "{name} in {header}");
    }
    let Metadata {
        timestamp,
        published,
        tick,
        ..
    } = *metadata;
    assert!(
        metadata.epoch as i64 / 1000 <= timestamp / 1_000_000 + 1,
        "{metadata:?}"
    );
    assert!(
        timestamp <= published && published <= hub_time_us(),
        "{metadata:?}"
    );
    assert!(published - timestamp < 5_000_000, "{metadata:?}");

    let grid = TickGrid::new((metadata.fps * 1000.0).round() as u32, 1000).expect("a rate");
    assert_eq!(grid.tick_us(grid.nearest(tick)), tick, "{metadata:?}");
    assert!(
        (tick - timestamp).abs() as f64 <= 2.0 * grid.interval_us(),
        "{metadata:?}"
    );
}

fn numbers(frames: &[Sent]) -> Vec<Metadata> {
    frames.iter().map(|sent| sent.metadata.clone()).collect()
}

fn assert_own_inboxes(frames: &[Sent]) {
    let inboxes: BTreeSet<String> = frames
        .iter()
        .filter_map(|sent| sent.message.reply.as_ref())
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        inboxes.len(),
        frames.len(),
        "each frame has a reply inbox of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_camera_says_everything_and_its_burnt_in_number_is_the_ticks() {
    let nats = NatsServer::start().unwrap();
    let (mut main, mut low) = (
        frames_of(&nats, "cam", "main").await,
        frames_of(&nats, "cam", "low").await,
    );
    let mut metas = subscribe(&nats, format!("{}.meta.cam.*", prefix())).await;
    let camera = Ingest::with(
        "cam",
        "{source: {test: {width: 640, height: 360, fps: 25}}, \
         frames: [{name: main, fps: 25, quality: 85}, {name: low, fps: \"12.5\", width: 320, meta: true}]}",
        &nats,
        Some(
            "{feedback: {ui: {events: [user_selection]}, perception: {events: [spatial_object]}}}",
        ),
        &[],
    );
    let status = camera.wait_ready();
    let main = take(&mut main, 40).await;
    let low = take(&mut low, 20).await;
    for sent in &main {
        check(sent, "cam", "main", &["quality"]);
        let metadata = &sent.metadata;
        assert_eq!(metadata.source, "test://cam");
        assert_eq!(metadata.quality, Some(85));
        assert_eq!((metadata.width, metadata.height), (640, 360));
        assert!((metadata.fps - 25.0).abs() < f64::EPSILON);
        assert_eq!(metadata.capture.source, CaptureSource::Test);
        assert_eq!(metadata.timestamp, metadata.tick, "it is drawn on the grid");
        assert!(metadata.epoch >= status.started && metadata.frame_id >= status.incarnation);
        assert_eq!(
            Value::from(metadata.events.to_map()),
            json!({"ui": {}, "perception": {}})
        );
    }
    assert_own_inboxes(&main);
    let grid = TickGrid::new(25, 1).unwrap();
    for sent in main.iter().chain(&low) {
        let (luma, width, height) = grey(&sent.message.payload);
        let number = read_frame_number(&luma, width as usize, width, height);
        let tick = grid.nearest(sent.metadata.timestamp);
        assert_eq!(number, Some(tick as u32), "{:?}", sent.metadata);
    }
    for sent in &low {
        check(sent, "cam", "low", &["quality"]);
        assert_eq!((sent.metadata.width, sent.metadata.height), (320, 180));
        assert_eq!(sent.metadata.quality, Some(80));
    }
    assert_numbering(&numbers(&main));
    assert_numbering(&numbers(&low));

    // The same without the picture, for the one rendition that asks for it.
    let headers: BTreeMap<u64, &str> = low
        .iter()
        .map(|sent| (sent.metadata.frame_id, sent.header.as_str()))
        .collect();
    let mut compared = 0;
    while compared < 10 {
        let meta = metas.next().await.unwrap();
        assert_eq!(*meta.subject, *prefix().meta(&token("cam"), &token("low")));
        let text = std::str::from_utf8(&meta.payload).unwrap();
        let id = Metadata::parse(text).unwrap().frame_id;
        if let Some(header) = headers.get(&id) {
            assert_eq!(text, *header);
            let message_id = meta.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap();
            assert_eq!(message_id.as_str(), format!("{}/{id}", meta.subject));
            compared += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_camera_follows_the_films_own_times() {
    let nats = NatsServer::start().unwrap();
    let mut recording = frames_of(&nats, "film", "main").await;
    let path = clip("h264-720p25.mkv").unwrap();
    let spec = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 25, height: 360}}]}}",
        path.display()
    );
    let camera = Ingest::start("film", &spec, &nats);
    let status = camera.wait_ready();
    assert_eq!(
        (status.source.kind.as_str(), status.source.codec.as_str()),
        ("file", "h264")
    );
    assert_eq!((status.source.width, status.source.height), (1280, 720));
    let sent = take(&mut recording, 50).await;
    for sent in &sent {
        check(sent, "film", "main", &["quality"]);
        let metadata = &sent.metadata;
        assert_eq!(metadata.source, format!("file://{}", path.display()));
        assert_eq!(metadata.capture.source, CaptureSource::File);
        assert_eq!((metadata.width, metadata.height), (640, 360));
    }
    for pair in sent.windows(2) {
        let (a, b) = (&pair[0].metadata, &pair[1].metadata);
        // A picture that a busy machine showed too late is left out; the next one keeps its time.
        let off = (b.timestamp - a.timestamp + 20_000).rem_euclid(40_000) - 20_000;
        assert!(off.abs() < 2_000, "{a:?}\n{b:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_sends_jpeg_is_passed_through_and_only_a_smaller_size_is_encoded() {
    let nats = NatsServer::start().unwrap();
    let (mut main, mut low) = (
        frames_of(&nats, "cam", "main").await,
        frames_of(&nats, "cam", "low").await,
    );
    let spec = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 25}}, {{name: low, fps: 5, width: 320, quality: 60}}]}}",
        clip("mjpeg-720p25.avi").unwrap().display()
    );
    let camera = Ingest::start("cam", &spec, &nats);
    let status = camera.wait_ready();
    assert_eq!(status.source.decoder, "", "nothing is decoded by GStreamer");
    let main = take(&mut main, 30).await;
    let low = take(&mut low, 8).await;
    for sent in &main {
        check(sent, "cam", "main", &[]);
        assert_eq!((sent.metadata.width, sent.metadata.height), (1280, 720));
    }
    for sent in &low {
        check(sent, "cam", "low", &["quality"]);
        assert_eq!(sent.metadata.quality, Some(60));
        assert_eq!((sent.metadata.width, sent.metadata.height), (320, 180));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rtsp_camera_is_shown_without_the_query_of_its_url() {
    let nats = NatsServer::start().unwrap();
    let server = Testcam::of_clip("h264-720p25.mkv").unwrap();
    let mut recording = frames_of(&nats, "cam", "main").await;
    let spec = format!(
        "{{source: {{rtsp: {{url: \"{}?token=hush\"}}}}, frames: [{{name: main, fps: 10, width: 640, height: 640}}]}}",
        server.url("/cam")
    );
    let camera = Ingest::start("cam", &spec, &nats);
    let status = camera.wait_ready();
    assert_eq!(status.source.url, server.url("/cam"));
    for sent in &take(&mut recording, 20).await {
        check(sent, "cam", "main", &["quality"]);
        let metadata = &sent.metadata;
        assert_eq!(metadata.source, server.url("/cam"));
        // Its sender reports take over as soon as one has come.
        let by = [CaptureSource::Arrival, CaptureSource::Rtcp];
        assert!(by.contains(&metadata.capture.source), "{metadata:?}");
        assert_eq!(
            (metadata.width, metadata.height),
            (640, 360),
            "the aspect is kept"
        );
    }
    assert!(!camera.proc.stderr().contains("hush"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_held_last_frame_of_a_film_says_that_it_is_repeated() {
    let nats = NatsServer::start().unwrap();
    let mut recording = frames_of(&nats, "film", "main").await;
    let spec = format!(
        "{{source: {{file: {{uri: {}, fps: 100, onEnd: HoldLast}}}}, frames: [{{name: main, fps: 10, width: 320}}]}}",
        clip("h264-720p25.mkv").unwrap().display()
    );
    let _camera = Ingest::start("film", &spec, &nats);
    // Five seconds at 25 frames a second are through after 1.25 s at 100.
    let sent = take(&mut recording, 40).await;
    let (moving, held): (Vec<&Sent>, Vec<&Sent>) =
        sent.iter().partition(|sent| !sent.metadata.repeated);
    assert!(!moving.is_empty() && held.len() >= 10);
    for sent in moving {
        check(sent, "film", "main", &["quality"]);
    }
    for sent in &held {
        check(sent, "film", "main", &["quality", "repeated"]);
        assert_eq!(sent.metadata.timestamp, sent.metadata.tick);
    }
    let pictures: BTreeSet<&[u8]> = held.iter().map(|sent| &*sent.message.payload).collect();
    assert_eq!(pictures.len(), 1, "it is one and the same picture");
    assert_numbering(&numbers(&sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_too_large_for_the_server_are_made_smaller_and_say_so() {
    let limit = 48 * 1024;
    let nats = NatsServer::options()
        .config(&format!("max_payload: {limit}"))
        .start()
        .unwrap();
    let mut recording = frames_of(&nats, "film", "main").await;
    let spec = format!(
        "{{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 10, quality: 100}}]}}",
        clip("h264-720p25.mkv").unwrap().display()
    );
    let camera = Ingest::start("film", &spec, &nats);
    let status = camera.wait_ready();
    assert_eq!(status.nats.max_payload, limit);
    for sent in &take(&mut recording, 15).await {
        let Sent {
            message,
            header,
            metadata,
        } = sent;
        check(sent, "film", "main", &["quality", "reduced"]);
        assert!(message.payload.len() + header.len() < limit as usize);
        assert!(
            metadata.quality < Some(100) || metadata.width < 1280,
            "{metadata:?}"
        );
    }
}
