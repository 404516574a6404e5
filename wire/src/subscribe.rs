//! The consumers' side: frames by push, drained to the newest, or by `next`, or by the better of the two; status; feedback.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, Message, Request, RequestErrorKind, Subject, Subscriber};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::connect::{self, ConnState, Connection, NatsSettings, SettingsError};
use crate::hub_time_us;
use crate::metadata::Metadata;
use crate::next::{DEFAULT_WAIT, ERROR_HEADER, MAX_WAIT, NextRefusal, NextRequest};
use crate::publish::{METADATA_HEADER_NAME, SubscribeError};
use crate::status::CameraStatus;
use crate::subjects::{Prefix, Token};

mod follow;
mod way;

pub use follow::Followed;
pub use way::{Mode, Way};

/// A frame as it arrived.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What is known about it.
    pub metadata: Metadata,
    /// The metadata as the header has it.
    pub header: String,
    /// The picture.
    pub jpeg: Bytes,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Nobody answers: no such camera, or it does not run.
    #[error("nobody answers: the camera does not run, or its name or the subject prefix is wrong")]
    NoResponders,
    /// The camera answers, without a frame.
    #[error("the camera answers `{0}`")]
    Refused(NextRefusal),
    /// No answer at all within the time.
    #[error("no answer in time: the connection to NATS is down or the camera hangs")]
    NoAnswer,
    /// The message is not a frame.
    #[error("the message is not a frame: {0}")]
    Malformed(String),
}

/// A consumer's connection.
#[derive(Debug, Clone)]
pub struct Consumer {
    connection: Connection,
    prefix: Prefix,
}

impl Consumer {
    /// Starts connecting and returns at once. Must be called inside Tokio.
    pub async fn connect(settings: &NatsSettings, prefix: Prefix) -> Result<Self, SettingsError> {
        // Consumers send little, and that little may wait.
        let connection = connect::connect(settings, 64).await?;
        Ok(Self { connection, prefix })
    }

    /// The state of the connection, to look at or to wait for.
    pub fn state(&self) -> watch::Receiver<ConnState> {
        self.connection.state.clone()
    }

    /// The last thing the server did not permit this account to do.
    pub fn denied(&self) -> watch::Receiver<Option<String>> {
        self.connection.denied.clone()
    }

    /// The subjects' prefix.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Subscribes to the frames of one rendition and says hello to it, on every new connection again.
    pub async fn frames(
        &self,
        camera: &Token,
        rendition: &Token,
        max_age: Duration,
    ) -> Result<FrameStream, SubscribeError> {
        let subject = self.prefix.frames(camera, rendition);
        let subscriber = self.subscribe(subject).await?;
        let greeter = tokio::spawn(self.clone().greet(camera.clone(), rendition.clone()));
        Ok(FrameStream::start(
            subscriber,
            max_age,
            greeter.abort_handle(),
        ))
    }

    /// Subscribes to all renditions of all cameras. Each idle rendition gets a hello when its camera's status is heard.
    pub async fn all_frames(&self, max_age: Duration) -> Result<FrameStream, SubscribeError> {
        let subscriber = self
            .subscribe(format!("{}.frames.*.*", self.prefix))
            .await?;
        let mut statuses = self.all_statuses().await?;
        let consumer = self.clone();
        let greeter = tokio::spawn(async move {
            while let Some(status) = statuses.next().await {
                let Ok(camera) = Token::new(status.camera) else {
                    continue;
                };
                let idle = status.renditions.into_iter().filter(|(_, r)| !r.active);
                for rendition in idle.filter_map(|(name, _)| Token::new(name).ok()) {
                    consumer.hello(&camera, &rendition).await;
                }
            }
        });
        Ok(FrameStream::start(
            subscriber,
            max_age,
            greeter.abort_handle(),
        ))
    }

    /// Asks for the first frame newer than `after`, or without it a fresh one; waits at most `wait` (and never more than [`MAX_WAIT`]).
    pub async fn next(
        &self,
        camera: &Token,
        rendition: &Token,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Frame, FrameError> {
        let wait = wait.min(MAX_WAIT);
        let body = NextRequest {
            after,
            wait: Some(format!("{}ms", wait.as_millis())),
        };
        let request = Request::new()
            .payload(
                serde_json::to_vec(&body)
                    .map_err(|error| FrameError::Malformed(error.to_string()))?
                    .into(),
            )
            // The frame itself may need a while on a slow link.
            .timeout(Some(wait + Duration::from_secs(10)));
        let reply = self
            .client()
            .send_request(self.prefix.next(camera, rendition), request)
            .await
            .map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => FrameError::NoResponders,
                _ => FrameError::NoAnswer,
            })?;
        Frame::read(reply)
    }

    /// A fresh frame: [`Consumer::next`] with the defaults.
    pub async fn snapshot(&self, camera: &Token, rendition: &Token) -> Result<Frame, FrameError> {
        self.next(
            camera,
            rendition,
            None,
            DEFAULT_WAIT.max(Duration::from_secs(5)),
        )
        .await
    }

    /// Publishes feedback, for one camera or for all; `None` as payload clears the event. Returns when the server has it.
    pub async fn send_feedback(
        &self,
        module: &Token,
        event: &Token,
        camera: Option<&Token>,
        payload: Option<&serde_json::Map<String, serde_json::Value>>,
    ) -> Result<(), SubscribeError> {
        let payload = payload
            .and_then(|payload| serde_json::to_vec(payload).ok())
            .unwrap_or_default();
        self.client()
            .publish(self.prefix.feedback(module, event, camera), payload.into())
            .await
            .map_err(|_| SubscribeError)?;
        self.client().flush().await.map_err(|_| SubscribeError)
    }

    /// The statuses of one camera.
    pub async fn statuses(&self, camera: &Token) -> Result<StatusStream, SubscribeError> {
        self.subscribe(self.prefix.status(camera))
            .await
            .map(StatusStream)
    }

    /// The statuses of all cameras of the hub.
    pub async fn all_statuses(&self) -> Result<StatusStream, SubscribeError> {
        self.subscribe(self.prefix.status_wildcard())
            .await
            .map(StatusStream)
    }

    /// Says hello on this connection and on each that follows. The client has
    /// subscribed anew before it sends anything else.
    async fn greet(self, camera: Token, rendition: Token) {
        let mut state = self.state();
        let mut greeted = 0;
        loop {
            let ConnState::Connected { number } = *state.borrow_and_update() else {
                if state.changed().await.is_err() {
                    return;
                }
                continue;
            };
            if number != greeted {
                self.hello(&camera, &rendition).await;
                greeted = number;
            }
            if state.changed().await.is_err() {
                return;
            }
        }
    }

    async fn hello(&self, camera: &Token, rendition: &Token) {
        let subject = self.prefix.next(camera, rendition);
        // Without it frames come as well, a second later.
        let _ = self.client().publish(subject, Bytes::new()).await;
    }

    async fn subscribe(&self, subject: String) -> Result<Subscriber, SubscribeError> {
        self.client()
            .subscribe(subject)
            .await
            .map_err(|_| SubscribeError)
    }

    fn client(&self) -> &Client {
        &self.connection.client
    }
}

impl Frame {
    /// Microseconds since it was published, by two clocks that may differ; what cannot be true is very old or very young.
    fn age_us(&self) -> i64 {
        hub_time_us().saturating_sub(self.metadata.published)
    }

    fn read(message: Message) -> Result<Self, FrameError> {
        let headers = message.headers.unwrap_or_default();
        if let Some(refusal) = headers.get(ERROR_HEADER) {
            return Err(NextRefusal::parse(refusal.as_str()).map_or_else(
                || FrameError::Malformed(format!("unknown refusal `{refusal}`")),
                FrameError::Refused,
            ));
        }
        let header = headers
            .get(METADATA_HEADER_NAME)
            .ok_or_else(|| FrameError::Malformed("it has no metadata".to_owned()))?;
        let metadata = Metadata::parse(header.as_str())
            .map_err(|error| FrameError::Malformed(error.to_string()))?;
        Ok(Self {
            metadata,
            header: header.as_str().to_owned(),
            jpeg: message.payload,
        })
    }
}

/// Statuses as they come; what is no status is passed over.
pub struct StatusStream(Subscriber);

impl Stream for StatusStream {
    type Item = CameraStatus;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        use std::task::Poll;
        loop {
            match self.0.poll_next_unpin(context) {
                Poll::Ready(Some(message)) => {
                    if let Ok(status) = CameraStatus::parse(&message.payload) {
                        return Poll::Ready(Some(status));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Pushed frames, only ever the newest of each subject: what arrives while the caller is busy replaces what it has not taken.
pub struct FrameStream {
    slots: Arc<Slots>,
    max_age_us: i64,
    stale: u64,
    tasks: [AbortHandle; 2],
}

#[derive(Default)]
struct Slots {
    pending: Mutex<Pending>,
    arrived: Notify,
}

#[derive(Default)]
struct Pending {
    newest: BTreeMap<Subject, Message>,
    /// Subjects in the order in which their frames began to wait.
    order: VecDeque<Subject>,
    skipped: u64,
    closed: bool,
}

impl FrameStream {
    fn start(mut subscriber: Subscriber, max_age: Duration, greeter: AbortHandle) -> Self {
        let slots: Arc<Slots> = Arc::default();
        let drain = slots.clone();
        let task = tokio::spawn(async move {
            while let Some(message) = subscriber.next().await {
                drain.lock().put(message);
                drain.arrived.notify_one();
            }
            drain.lock().closed = true;
            drain.arrived.notify_one();
        });
        Self {
            slots,
            max_age_us: i64::try_from(max_age.as_micros()).unwrap_or(i64::MAX),
            stale: 0,
            tasks: [task.abort_handle(), greeter],
        }
    }

    /// The newest frame that was not taken yet; waits for one. `None` when the client is closed. Frames that were
    /// published longer ago than the maximum age are passed over and counted.
    pub async fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        loop {
            let taken = self.slots.lock().take();
            let message = match taken {
                Taken::Message(message) => message,
                Taken::Closed => return None,
                Taken::Nothing => {
                    self.slots.arrived.notified().await;
                    continue;
                }
            };
            match Frame::read(message) {
                Ok(frame) if frame.age_us() > self.max_age_us => {
                    self.stale += 1;
                }
                result => return Some(result),
            }
        }
    }

    /// Frames that were replaced by newer ones before they were taken.
    pub fn skipped(&self) -> u64 {
        self.slots.lock().skipped
    }

    /// Frames that were too old when their turn came.
    pub fn stale(&self) -> u64 {
        self.stale
    }
}

impl Drop for FrameStream {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Slots {
    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn put(&mut self, message: Message) {
        let subject = message.subject.clone();
        if self.newest.insert(subject.clone(), message).is_some() {
            self.skipped += 1;
        } else {
            self.order.push_back(subject);
        }
    }

    fn take(&mut self) -> Taken {
        let message = self
            .order
            .pop_front()
            .and_then(|subject| self.newest.remove(&subject));
        match message {
            Some(message) => Taken::Message(message),
            None if self.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }
}

enum Taken {
    Message(Message),
    Nothing,
    Closed,
}
