//! The ingest's side of NATS: frames that are never queued behind older ones, status, events.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use async_nats::{Client, PublishError, PublishErrorKind, Subject};
use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::watch;

use crate::connect::{self, ConnState, Connection, NatsSettings, SettingsError};
use crate::hub_time_us;
use crate::interest::Listeners;
use crate::metadata::{MESSAGE_ID_HEADER, METADATA_HEADER, Metadata};
use crate::next::{Answers, Newest, NextService, StoredFrame};
use crate::status::CameraStatus;
use crate::subjects::{Prefix, Token};

mod echo;

use echo::{Echo, EchoTable};

/// How many messages may wait between us and the connection: with the client's default of thousands a camera
/// would send minutes of old frames after an outage.
const CLIENT_CAPACITY: usize = 8;

/// How many frames of a rendition may be under way to the server and not back as echo.
const MAX_UNACKNOWLEDGED: u64 = 2;

pub(crate) const METADATA_HEADER_NAME: HeaderName = HeaderName::from_static(METADATA_HEADER);
pub(crate) const MESSAGE_ID_HEADER_NAME: HeaderName = HeaderName::from_static(MESSAGE_ID_HEADER);

/// Why a message was not sent. It is gone; nothing is kept for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DropReason {
    /// There is no connection to NATS.
    #[error("not connected to NATS")]
    NotConnected,
    /// The client does not take it at once: the connection is slower than what is sent.
    #[error("the connection to NATS is busy")]
    QueueFull,
    /// Two frames of the rendition are still on their way to the server.
    #[error("NATS has not taken the last two frames yet")]
    Unacknowledged,
    /// The server would refuse it and close the connection.
    #[error("larger than the server's max_payload leaves room for ({limit} bytes)")]
    TooLarge {
        /// The most payload bytes that fit beside these headers now.
        limit: usize,
    },
}

impl DropReason {
    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::QueueFull => "queue_full",
            Self::Unacknowledged => "unacknowledged",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

/// A process's connection for publishing. Clones share it; it closes when the last one and all renditions are gone.
#[derive(Clone)]
pub struct Publisher {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    prefix: Prefix,
    url: String,
    echoes: Arc<EchoTable>,
    answers: Arc<Answers>,
}

/// What a rendition's publisher must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenditionOptions {
    /// Time between two frames; what `next` calls new is at most two of these old.
    pub interval: Duration,
    /// Whether the metadata also goes to the `meta` subject.
    pub meta: bool,
}

impl Publisher {
    /// Starts connecting and returns at once; the connection comes, goes and comes again by itself. Must be called inside Tokio.
    pub async fn connect(settings: &NatsSettings, prefix: Prefix) -> Result<Self, SettingsError> {
        let connection = connect::connect(settings, CLIENT_CAPACITY).await?;
        let echoes = EchoTable::subscribe(&connection.client)
            .await
            .map_err(|error| SettingsError::Start(error.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                connection,
                prefix,
                url: connect::display_address(&settings.url),
                echoes,
                answers: Arc::new(Answers::new()),
            }),
        })
    }

    /// The state of the connection, to look at or to wait for.
    pub fn state(&self) -> watch::Receiver<ConnState> {
        self.inner.connection.state.clone()
    }

    /// The last thing the server did not permit this account to do.
    pub fn denied(&self) -> watch::Receiver<Option<String>> {
        self.inner.connection.denied.clone()
    }

    /// Scheme, host and port of the server.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The subjects' prefix.
    pub fn prefix(&self) -> &Prefix {
        &self.inner.prefix
    }

    /// The server's `max_payload` in bytes, which counts headers too; renewed at each connection, 1 MiB before the first.
    pub fn max_payload(&self) -> usize {
        self.inner.connection.client.max_payload()
    }

    /// A publisher for one rendition of a camera; the frames it gets also answer `next` while it lives.
    pub fn rendition(
        &self,
        camera: &Token,
        rendition: &Token,
        options: RenditionOptions,
    ) -> RenditionPublisher {
        let listeners = Listeners::default();
        let newest = Arc::new(Newest::new(options.interval, listeners.clone()));
        self.inner.answers.insert(camera, rendition, newest.clone());
        RenditionPublisher {
            publisher: self.clone(),
            key: (camera.clone(), rendition.clone()),
            frames: self.inner.prefix.frames(camera, rendition).into(),
            meta: options
                .meta
                .then(|| self.inner.prefix.meta(camera, rendition).into()),
            echo: self.inner.echoes.add(listeners.clone()),
            listeners,
            newest,
            header: String::new(),
        }
    }

    /// Answers requests on `P.next.<camera>.*` until the returned value is dropped.
    pub async fn serve_next(&self, camera: &Token) -> Result<NextService, SubscribeError> {
        NextService::start(
            self.inner.connection.client.clone(),
            &self.inner.prefix,
            camera,
            self.inner.answers.clone(),
        )
        .await
    }

    /// Whether requests for `next` get replies from this connection; they do until it is told otherwise. The first
    /// reply is the one that counts, so an instance that may not publish must keep silent, or its refusals and old
    /// frames overtake the frames of the instance that may. Requests that wait meanwhile are decided when their reply
    /// is due.
    pub fn set_answering(&self, answering: bool) {
        self.inner.answers.set_answering(answering);
    }

    /// Publishes a camera's status now or not at all.
    pub fn publish_status(&self, status: &CameraStatus, camera: &Token) -> Result<(), DropReason> {
        self.send_plain(
            self.inner.prefix.status(camera).into(),
            status.to_json().into(),
        )
    }

    /// Publishes an event such as `connected` or `lost` now or not at all.
    pub fn publish_event(
        &self,
        camera: &Token,
        kind: &Token,
        body: &serde_json::Value,
    ) -> Result<(), DropReason> {
        self.send_plain(
            self.inner.prefix.event(camera, kind).into(),
            body.to_string().into(),
        )
    }

    /// The statuses of a camera as anybody publishes them, our own too; what is no status is passed over.
    pub async fn statuses(
        &self,
        camera: &Token,
    ) -> Result<impl Stream<Item = CameraStatus> + Send + Unpin + use<>, SubscribeError> {
        let subscriber = self
            .inner
            .connection
            .client
            .subscribe(self.inner.prefix.status(camera))
            .await
            .map_err(|_| SubscribeError)?;
        Ok(subscriber
            .filter_map(|message| std::future::ready(CameraStatus::parse(&message.payload).ok())))
    }

    /// Feedback messages of the hub: what follows `<prefix>.feedback.` in the subject, and the payload.
    pub async fn feedback(
        &self,
    ) -> Result<impl Stream<Item = (String, Bytes)> + Send + Unpin + use<>, SubscribeError> {
        let subscriber = self
            .inner
            .connection
            .client
            .subscribe(self.inner.prefix.feedback_wildcard())
            .await
            .map_err(|_| SubscribeError)?;
        let prefix = self.inner.prefix.clone();
        Ok(subscriber.filter_map(move |message| {
            let tail = prefix.feedback_tail(&message.subject).map(str::to_owned);
            std::future::ready(tail.map(|tail| (tail, message.payload)))
        }))
    }

    /// Sends an empty message to our own inbox and waits, at most five seconds, until it is back: then the server has
    /// taken everything sent and subscribed before.
    pub async fn round_trip(&self) -> Result<(), DropReason> {
        let (subject, back) = self.inner.echoes.round_trip();
        self.send_plain(subject, Bytes::new())?;
        match tokio::time::timeout(Duration::from_secs(5), back).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(DropReason::Unacknowledged),
        }
    }

    /// Waits, at most two seconds, until what was published has reached the server: the last thing before a process ends.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), async {
            if self.is_connected() {
                let _ = self.round_trip().await;
            }
        })
        .await;
    }

    fn client(&self) -> &Client {
        &self.inner.connection.client
    }

    fn is_connected(&self) -> bool {
        self.client().connection_state() == State::Connected
    }

    fn send_plain(&self, subject: Subject, payload: Bytes) -> Result<(), DropReason> {
        if !self.is_connected() {
            return Err(DropReason::NotConnected);
        }
        at_once(self.client().publish(subject, payload))
    }
}

/// NATS subscriptions fail only when the client is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the NATS client is closed")]
pub struct SubscribeError;

/// Publishes one rendition from any thread, without ever waiting.
pub struct RenditionPublisher {
    publisher: Publisher,
    key: (Token, Token),
    frames: Subject,
    meta: Option<Subject>,
    echo: Arc<Echo>,
    listeners: Listeners,
    newest: Arc<Newest>,
    header: String,
}

impl RenditionPublisher {
    /// Publishes a frame now or not at all; fills in `frame_size` and `published`. Unless it is too large, it answers
    /// `next` requests in either case.
    pub fn publish(&mut self, metadata: &mut Metadata, jpeg: Bytes) -> Result<(), DropReason> {
        metadata.frame_size = jpeg.len() as u64;
        metadata.published = hub_time_us();
        metadata.to_header(&mut self.header);
        let message_id = format!("{}/{}", self.frames, metadata.frame_id);

        let limit = self
            .publisher
            .max_payload()
            .saturating_sub(header_block_len(&self.header, &message_id));
        if jpeg.len() > limit {
            return Err(DropReason::TooLarge { limit });
        }
        let at = Instant::now();
        let sent = self.send(metadata.frame_id, message_id.clone(), jpeg.clone());
        // After the frame itself: the replies that this wakes want the same places of the client.
        self.newest.put(StoredFrame {
            frame_id: metadata.frame_id,
            metadata: self.header.clone(),
            message_id,
            jpeg,
            at,
        });
        sent
    }

    /// Whether anybody listens to the frames, learnt from publishing them and from `next`.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Changes the time between two frames, and whether metadata goes to the `meta` subject.
    pub fn set_options(&mut self, options: RenditionOptions) {
        self.newest.set_interval(options.interval);
        let (camera, rendition) = &self.key;
        self.meta = options
            .meta
            .then(|| self.publisher.inner.prefix.meta(camera, rendition).into());
    }

    fn send(&mut self, frame_id: u64, message_id: String, jpeg: Bytes) -> Result<(), DropReason> {
        let client = self.publisher.client();
        if !self.publisher.is_connected() {
            return Err(DropReason::NotConnected);
        }
        self.echo
            .enter_connection(client.statistics().connects.load(Ordering::Relaxed));
        self.settle_barrier()?;
        if self.echo.unacknowledged() >= MAX_UNACKNOWLEDGED {
            return Err(DropReason::Unacknowledged);
        }
        let headers = headers(self.header.clone(), message_id);
        at_once(client.publish_with_reply_and_headers(
            self.frames.clone(),
            self.echo.frame(),
            headers,
            jpeg,
        ))
        .inspect_err(|_| self.echo.frame_refused())?;
        if let Some(meta) = &self.meta {
            // The frame is out; a metadata message that finds no room is not worth a drop of its own.
            let payload = Bytes::copy_from_slice(self.header.as_bytes());
            let mut headers = HeaderMap::new();
            let message_id = format!("{meta}/{frame_id}");
            headers.insert(MESSAGE_ID_HEADER_NAME, HeaderValue::from(message_id));
            let _ = at_once(client.publish_with_reply_and_headers(
                meta.clone(),
                self.echo.meta(),
                headers,
                payload,
            ))
            .inspect_err(|_| self.echo.meta_refused());
        }
        // A barrier that finds no room is owed, and asked for again before the next frame.
        let _ = self.settle_barrier();
        Ok(())
    }

    fn settle_barrier(&self) -> Result<(), DropReason> {
        let Some(inbox) = self.echo.owed_barrier() else {
            return Ok(());
        };
        at_once(self.publisher.client().publish(inbox, Bytes::new()))?;
        self.echo.barrier_sent();
        Ok(())
    }
}

impl Drop for RenditionPublisher {
    fn drop(&mut self) {
        let (camera, rendition) = &self.key;
        self.publisher
            .inner
            .answers
            .remove(camera, rendition, &self.newest);
        self.publisher.inner.echoes.remove(&self.echo);
    }
}

/// Bytes of the header block as the server counts them.
fn header_block_len(metadata: &str, message_id: &str) -> usize {
    const FRAMING: usize = "NATS/1.0\r\n".len() + "\r\n".len();
    const PER_HEADER: usize = ": ".len() + "\r\n".len();
    FRAMING
        + 2 * PER_HEADER
        + METADATA_HEADER.len()
        + metadata.len()
        + MESSAGE_ID_HEADER.len()
        + message_id.len()
}

pub(crate) fn headers(metadata: String, message_id: String) -> HeaderMap {
    let mut headers = HeaderMap::new();
    // Both are ASCII without control characters, so the conversions cannot fail.
    headers.insert(METADATA_HEADER_NAME, HeaderValue::from(metadata));
    headers.insert(MESSAGE_ID_HEADER_NAME, HeaderValue::from(message_id));
    headers
}

/// Lets the client take a message if it does so at once.
fn at_once(publish: impl Future<Output = Result<(), PublishError>>) -> Result<(), DropReason> {
    // Unconstrained: inside a Tokio task that has used up its budget, a free place would look taken.
    match tokio::task::unconstrained(publish).now_or_never() {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
            Err(DropReason::TooLarge { limit: 0 })
        }
        Some(Err(_)) => Err(DropReason::NotConnected),
        None => Err(DropReason::QueueFull),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_block_is_counted_as_it_is_written() {
        let written = b"NATS/1.0\r\nStreamhub-Metadata: {}\r\nNats-Msg-Id: s/1\r\n\r\n";
        assert_eq!(header_block_len("{}", "s/1"), written.len());
    }
}
