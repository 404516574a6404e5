//! Every frame of one rendition in the order in which it came, read by a plain client that drops nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use streamhub_testkit::eventually_async;
use streamhub_wire::hub_time_us;
use streamhub_wire::metadata::{METADATA_HEADER, Metadata};
use tokio::task::JoinHandle;

use crate::support::{PATIENCE, prefix, token};

/// One frame as it was read.
#[derive(Clone)]
pub struct Seen {
    /// UNIX microseconds when it was read.
    pub at: i64,
    pub metadata: Metadata,
    pub jpeg: Bytes,
}

impl Seen {
    /// How long ago it was published when it was read.
    pub fn age(&self) -> Duration {
        Duration::from_micros((self.at - self.metadata.published).max(0).cast_unsigned())
    }
}

/// Reads until dropped, also over interruptions of the server.
pub struct Recorder {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Returns when the server has the subscription.
    pub async fn start(url: &str, camera: &str, rendition: &str) -> Self {
        let client = async_nats::ConnectOptions::new()
            .reconnect_delay_callback(|_| Duration::from_millis(50))
            .connect(url)
            .await
            .expect("connected");
        let subject = prefix().frames(&token(camera), &token(rendition));
        let mut messages = client.subscribe(subject).await.expect("subscribed");
        // What comes back from the server was said after that, and it listens in order. A flush would only send it.
        let echo = client.new_inbox();
        let mut back = client.subscribe(echo.clone()).await.expect("subscribed");
        client.publish(echo, Bytes::new()).await.expect("sent");
        back.next().await.expect("connected");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let record = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // Owned here, as a client that is dropped closes its connection.
            let _client = client;
            while let Some(message) = messages.next().await {
                let at = hub_time_us();
                let headers = message.headers.unwrap_or_default();
                let header = headers.get(METADATA_HEADER).expect("metadata").as_str();
                record.lock().expect("no reader failed").push(Seen {
                    at,
                    metadata: Metadata::parse(header).expect("valid metadata"),
                    jpeg: message.payload,
                });
            }
        });
        Self { seen, task }
    }

    /// All frames so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no reader failed").clone()
    }

    /// The metadata of all frames so far.
    pub fn metadata(&self) -> Vec<Metadata> {
        self.seen().into_iter().map(|seen| seen.metadata).collect()
    }

    /// How many frames there are so far.
    pub fn count(&self) -> usize {
        self.seen.lock().expect("no reader failed").len()
    }

    /// The metadata of the newest frame so far.
    pub fn last(&self) -> Option<Metadata> {
        let seen = self.seen.lock().expect("no reader failed");
        seen.last().map(|seen| seen.metadata.clone())
    }

    /// Waits until the newest frame is as wanted.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Metadata) -> bool) -> Metadata {
        let found = eventually_async(PATIENCE, what, || async { self.last().filter(&wanted) });
        let found = found.await;
        found.unwrap_or_else(|error| {
            panic!("{error}; newest of {}: {:?}", self.count(), self.last())
        })
    }

    /// Waits for so many more frames than there are now.
    pub async fn more(&self, frames: usize) {
        let goal = self.count() + frames;
        let enough = || async { (self.count() >= goal).then_some(()) };
        let found = eventually_async(PATIENCE, "more frames", enough).await;
        found.unwrap_or_else(|error| panic!("{error}: {} of {goal}", self.count()));
    }

    /// Waits for the first frame that is as wanted.
    pub async fn wait_for(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let found = eventually_async(PATIENCE, what, || async {
            self.seen().into_iter().find(&wanted)
        });
        found.await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until there are so many frames.
    pub async fn wait_for_count(&self, count: usize) -> Vec<Seen> {
        let found = eventually_async(PATIENCE, "so many frames", || async {
            Some(self.seen()).filter(|seen| seen.len() >= count)
        });
        found.await.unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}
