//! A camera without pictures: publishes frames of any size and rate from a thread of its own, as an ingest does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use streamhub_testkit::{NatsServer, eventually_async};
use streamhub_wire::connect::{ConnState, NatsSettings, ingest_inbox};
use streamhub_wire::feedback::{FeedbackRules, FeedbackStore};
use streamhub_wire::hub_time_us;
use streamhub_wire::ids::FrameIds;
use streamhub_wire::metadata::{Capture, CaptureSource, Events, METADATA_VERSION, Metadata};
use streamhub_wire::next::NextService;
use streamhub_wire::publish::{DropReason, Publisher, RenditionOptions, RenditionPublisher};
use streamhub_wire::subjects::{Prefix, Token};
use streamhub_wire::subscribe::Consumer;
use tokio::sync::watch;

pub fn token(name: &str) -> Token {
    Token::new(name).unwrap()
}

pub fn prefix() -> Prefix {
    Prefix::new("test.hub").unwrap()
}

pub fn settings(url: &str) -> NatsSettings {
    NatsSettings {
        url: url.to_owned(),
        secrets: None,
        name: "test".into(),
        inbox_prefix: ingest_inbox(&token("cam")),
    }
}

pub fn consumer_settings(url: &str) -> NatsSettings {
    NatsSettings {
        inbox_prefix: "_INBOX".into(),
        ..settings(url)
    }
}

pub async fn connected(mut state: watch::Receiver<ConnState>) {
    let connected = state.wait_for(|state| matches!(state, ConnState::Connected { .. }));
    tokio::time::timeout(Duration::from_secs(20), connected)
        .await
        .expect("a connection within 20 s")
        .expect("a client");
}

/// Waits until the server has all that this one has said and subscribed to; a frame may be in the way of asking.
pub async fn settled(publisher: &Publisher) {
    let back = || async { publisher.round_trip().await.ok() };
    eventually_async(Duration::from_secs(20), "the way there and back", back)
        .await
        .unwrap();
}

pub async fn publisher(server: &NatsServer) -> Publisher {
    let publisher = Publisher::connect(&settings(&server.url()), prefix())
        .await
        .unwrap();
    connected(publisher.state()).await;
    publisher
}

pub async fn consumer(server: &NatsServer) -> Consumer {
    let consumer = Consumer::connect(&consumer_settings(&server.url()), prefix())
        .await
        .unwrap();
    connected(consumer.state()).await;
    consumer
}

pub fn rendition(publisher: &Publisher, fps: u32) -> RenditionPublisher {
    let options = RenditionOptions {
        interval: Duration::from_secs(1) / fps,
        meta: true,
    };
    publisher.rendition(&token("cam"), &token("main"), options)
}

pub fn metadata(frame_id: u64, events: Events) -> Metadata {
    let now = hub_time_us();
    Metadata {
        stream_id: "cam".into(),
        frame_id,
        timestamp: now,
        source: "test://cam/".into(),
        events,
        frame_size: 0,
        v: METADATA_VERSION,
        rendition: "main".into(),
        epoch: 1,
        tick: now,
        width: 640,
        height: 480,
        fps: 15.0,
        quality: Some(80),
        capture: Capture {
            source: CaptureSource::Test,
            error_ms: Some(0.1),
        },
        published: 0,
        repeated: false,
        reduced: false,
        events_omitted: Vec::new(),
    }
}

/// One attempt to publish.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub at_us: i64,
    pub took: Duration,
    pub result: Result<(), DropReason>,
}

/// A running camera; it ends with this value.
pub struct Camera {
    stop: Arc<AtomicBool>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    thread: Option<JoinHandle<()>>,
    _next: NextService,
}

impl Camera {
    /// A camera whose frames are no pictures, only that many bytes.
    pub async fn start(publisher: &Publisher, fps: u32, bytes: usize) -> Self {
        let filler = vec![0x55; bytes - 4];
        let jpeg = Bytes::from([&[0xff, 0xd8][..], &filler, &[0xff, 0xd9]].concat());
        Self::start_with(publisher, fps, vec![jpeg], FeedbackRules::default()).await
    }

    pub async fn start_with(
        publisher: &Publisher,
        fps: u32,
        jpegs: Vec<Bytes>,
        rules: FeedbackRules,
    ) -> Self {
        let next = publisher.serve_next(&token("cam")).await.unwrap();
        let feedback = Arc::new(Mutex::new(FeedbackStore::new(token("cam"), rules)));
        let store = feedback.clone();
        let mut messages = publisher.feedback().await.unwrap();
        tokio::spawn(async move {
            while let Some((tail, payload)) = messages.next().await {
                let _ = store
                    .lock()
                    .unwrap()
                    .accept(&tail, &payload, Instant::now());
            }
        });
        let mut rendition = rendition(publisher, fps);
        let stop = Arc::new(AtomicBool::new(false));
        let attempts: Arc<Mutex<Vec<Attempt>>> = Arc::default();
        let (stopped, log) = (stop.clone(), attempts.clone());
        let thread = std::thread::spawn(move || {
            let mut ids = FrameIds::new(0, (hub_time_us() / 1_000) as u64);
            let interval = Duration::from_secs(1) / fps;
            let mut due = Instant::now();
            for jpeg in jpegs.iter().cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let frame_id = ids.take();
                let events = feedback.lock().unwrap().events(Instant::now()).0;
                let started = Instant::now();
                let result = rendition.publish(&mut metadata(frame_id, events), jpeg.clone());
                log.lock().unwrap().push(Attempt {
                    at_us: hub_time_us(),
                    took: started.elapsed(),
                    result,
                });
                // What was due while the machine stood still is left out, as an ingest does.
                due = (due + interval).max(Instant::now());
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Self {
            stop,
            attempts,
            thread: Some(thread),
            _next: next,
        }
    }

    pub fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().unwrap().clone()
    }

    /// The attempts made since `at_us`.
    pub fn attempts_since(&self, at_us: i64) -> Vec<Attempt> {
        let mut attempts = self.attempts();
        attempts.retain(|attempt| attempt.at_us >= at_us);
        attempts
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
