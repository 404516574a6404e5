//! Pushed frames are the newest, and nobody holds anybody back.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use streamhub_testkit::{NatsServer, eventually_async};
use streamhub_wire::hub_time_us;
use streamhub_wire::metadata::{MESSAGE_ID_HEADER, METADATA_HEADER, Metadata};

use crate::camera::{Camera, consumer, prefix, publisher, settled, token};

const LONG: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_has_its_picture_its_metadata_and_a_reply_inbox_of_its_own() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let reader = server.connect().await.unwrap();
    let mut frames = reader.subscribe("test.hub.frames.cam.main").await.unwrap();
    let mut metas = reader.subscribe("test.hub.meta.cam.main").await.unwrap();
    reader.flush().await.unwrap();
    let _camera = Camera::start(&publisher, 30, 5_000).await;
    let mut inboxes = HashSet::new();
    let mut last = None;
    for _ in 0..10 {
        let frame = frames.next().await.unwrap();
        let headers = frame.headers.unwrap();
        let header = headers.get(METADATA_HEADER).unwrap().as_str();
        let metadata = Metadata::parse(header).unwrap();
        assert_eq!(metadata.frame_size, 5_000);
        assert_eq!(frame.payload.len(), 5_000);
        assert_eq!(
            headers.get(MESSAGE_ID_HEADER).unwrap().as_str(),
            format!("{}/{}", frame.subject, metadata.frame_id)
        );
        assert!(metadata.published >= metadata.timestamp);
        assert!(last.is_none_or(|last| metadata.frame_id > last));
        last = Some(metadata.frame_id);
        assert!(inboxes.insert(frame.reply.unwrap().to_string()));
        let meta = metas.next().await.unwrap();
        assert_eq!(meta.payload, header.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_slower_than_the_camera_gets_the_newest() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let consumer = consumer(&server).await;
    let mut frames = consumer
        .frames(&token("cam"), &token("main"), LONG)
        .await
        .unwrap();
    let _camera = Camera::start(&publisher, 50, 110_000).await;
    let mut ages_us = Vec::new();
    for _ in 0..20 {
        let frame = frames.next().await.unwrap().unwrap();
        ages_us.push(hub_time_us() - frame.metadata.published);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // In a queue the last one would be 3.6 s old.
    ages_us.sort_unstable();
    assert!(ages_us[10] < 100_000, "median age {} us", ages_us[10]);
    assert!(frames.skipped() > 100, "{}", frames.skipped());
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_older_than_the_reader_wants_are_passed_over() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let consumer = consumer(&server).await;
    let mut frames = consumer
        .frames(&token("cam"), &token("main"), Duration::from_millis(100))
        .await
        .unwrap();
    let camera = Camera::start(&publisher, 50, 1_000).await;
    frames.next().await.unwrap().unwrap();
    let (skipped, stale) = (frames.skipped(), frames.stale());
    // Where one was replaced another one waits.
    let waits = || async { (frames.skipped() > skipped).then_some(()) };
    eventually_async(LONG, "a frame that waits", waits)
        .await
        .unwrap();
    drop(camera);
    // The server has the last one, and says that nobody answers after it has sent it.
    settled(&publisher).await;
    let nobody = consumer.snapshot(&token("nobody"), &token("main")).await;
    assert!(nobody.is_err());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let nothing = tokio::time::timeout(Duration::from_millis(300), frames.next()).await;
    assert!(nothing.is_err());
    assert_eq!(frames.stale(), stale + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_everything_finds_cameras_of_all_names() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let consumer = consumer(&server).await;
    let mut frames = consumer.all_frames(LONG).await.unwrap();
    let _camera = Camera::start(&publisher, 20, 1_000).await;
    let frame = frames.next().await.unwrap().unwrap();
    assert_eq!(frame.metadata.stream_id, "cam");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_stand_still_slow_neither_the_camera_nor_other_readers() {
    let server = NatsServer::start().unwrap();
    let publisher = publisher(&server).await;
    let consumer = consumer(&server).await;
    let mut stopped: Vec<TcpStream> = (0..3).map(|_| deaf_reader(server.port())).collect();
    let mut frames = consumer
        .frames(&token("cam"), &token("main"), LONG)
        .await
        .unwrap();
    let camera = Camera::start(&publisher, 30, 200_000).await;
    let begin = Instant::now();
    let (mut read, mut late) = (0, 0);
    while read < 150 {
        let frame = frames.next().await.unwrap().unwrap();
        read += 1;
        late += i32::from(hub_time_us() - frame.metadata.published > 250_000);
    }
    let attempts = camera.attempts();
    let dropped = attempts.iter().filter(|a| a.result.is_err()).count();
    assert!(
        dropped * 20 <= attempts.len(),
        "{dropped} of {}",
        attempts.len()
    );
    assert!(late * 20 <= read, "{late} of {read} late");
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(25), "{took:?}, five when idle");
    // 30 MB went by: the server has given up on the deaf ones.
    for reader in &mut stopped {
        let mut rest = Vec::new();
        reader
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert!(
            !matches!(reader.read_to_end(&mut rest), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_store_the_frames_and_its_acknowledgements_change_nothing() {
    let store = tempfile::tempdir().unwrap();
    let server = NatsServer::options()
        .config(&format!("jetstream {{ store_dir: {:?} }}", store.path()))
        .start()
        .unwrap();
    let client = server.connect().await.unwrap();
    let stream = r#"{"name": "FRAMES", "subjects": ["test.hub.frames.>"], "storage": "memory"}"#;
    let answer = client
        .request("$JS.API.STREAM.CREATE.FRAMES", stream.into())
        .await
        .unwrap();
    assert!(
        !String::from_utf8_lossy(&answer.payload).contains("\"error\""),
        "{answer:?}"
    );
    let publisher = publisher(&server).await;
    let camera = Camera::start(&publisher, 50, 1_000).await;
    let attempts = eventually_async(LONG, "a hundred attempts", || async {
        Some(camera.attempts()).filter(|attempts| attempts.len() >= 100)
    });
    let attempts = attempts.await.unwrap();
    drop(camera);
    publisher.round_trip().await.unwrap();
    let taken = attempts.iter().filter(|a| a.result.is_ok()).count();
    assert!(
        taken * 20 >= attempts.len() * 19,
        "{taken} of {}",
        attempts.len()
    );
    let info = eventually_async(
        Duration::from_secs(10),
        "the stream to have them",
        || async {
            let info = client
                .request("$JS.API.STREAM.INFO.FRAMES", "".into())
                .await
                .ok()?;
            let info: serde_json::Value = serde_json::from_slice(&info.payload).ok()?;
            (info["state"]["messages"].as_u64()? >= taken as u64).then_some(info)
        },
    )
    .await;
    assert!(info.is_ok(), "{info:?}");
}

/// Subscribes to the frames and never reads.
fn deaf_reader(port: u16) -> TcpStream {
    let mut reader = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        reader,
        "CONNECT {{\"verbose\":false}}\r\nSUB {}.frames.> 1\r\nPING\r\n",
        prefix()
    )
    .unwrap();
    reader
}
