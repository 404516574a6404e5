//! Sums over the frames of one rendition.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use streamhub_testkit::{NatsServer, eventually_async};
use streamhub_wire::metadata::{METADATA_HEADER, Metadata};
use tokio::task::JoinHandle;

use crate::support::{PATIENCE, prefix, token};

/// Checks frames as they come and keeps sums only, so that it can go on for hours.
pub struct Watch {
    tally: Arc<Mutex<Tally>>,
    task: JoinHandle<()>,
}

pub struct Tally {
    /// What must hold for a frame and the next one.
    check: fn(&Metadata, &Metadata),
    last: Option<Metadata>,
    pub received: u64,
    /// Ids between two frames of one epoch that did not come.
    pub missing: u64,
    pub epochs: u64,
    /// When the last one came.
    pub came: Instant,
    pub longest_silence: Duration,
}

impl Tally {
    fn take(&mut self, frame: Metadata) {
        if let Some(last) = &self.last {
            (self.check)(last, &frame);
            if last.epoch == frame.epoch {
                self.missing += frame.frame_id - last.frame_id - 1;
            }
            self.longest_silence = self.longest_silence.max(self.came.elapsed());
        }
        let known = self.last.as_ref().map(|last| last.epoch);
        self.epochs += u64::from(known != Some(frame.epoch));
        self.received += 1;
        self.came = Instant::now();
        self.last = Some(frame);
    }
}

impl Watch {
    /// Returns when the server has the subscription; it outlives the server.
    pub async fn start(
        nats: &NatsServer,
        camera: &str,
        rendition: &str,
        check: fn(&Metadata, &Metadata),
    ) -> Self {
        let client = patient_client(nats).await;
        let subject = prefix().frames(&token(camera), &token(rendition));
        let mut messages = client.subscribe(subject).await.expect("subscribed");
        client.flush().await.expect("connected");
        let tally = Arc::new(Mutex::new(Tally {
            check,
            last: None,
            received: 0,
            missing: 0,
            epochs: 0,
            came: Instant::now(),
            longest_silence: Duration::ZERO,
        }));
        let sums = Arc::clone(&tally);
        let task = tokio::spawn(async move {
            // Owned here, as a client that is dropped closes its connection.
            let _client = client;
            while let Some(message) = messages.next().await {
                let headers = message.headers.unwrap_or_default();
                let header = headers.get(METADATA_HEADER).expect("metadata").as_str();
                let frame = Metadata::parse(header).expect("valid metadata");
                sums.lock()
                    .expect("all frames before were right")
                    .take(frame);
            }
        });
        Self { tally, task }
    }

    /// The sums so far; fails after a frame that was not right.
    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("all frames were right")
    }

    pub async fn until(&self, what: &str, wanted: impl Fn(&Tally) -> bool) {
        let reached = eventually_async(PATIENCE, what, || async {
            wanted(&self.tally()).then_some(())
        });
        reached.await.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client that is back soon after the server.
pub async fn patient_client(nats: &NatsServer) -> async_nats::Client {
    async_nats::ConnectOptions::new()
        .reconnect_delay_callback(|_| Duration::from_millis(50))
        .connect(nats.url())
        .await
        .expect("connected")
}
