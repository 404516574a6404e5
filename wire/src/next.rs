//! `P.next.<camera>.<rendition>`: the newest frame, for who asks for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::header::{HeaderMap, HeaderName};
use async_nats::{Client, Message, Subject};
use bytes::Bytes;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::interest::Listeners;
use crate::publish::{SubscribeError, headers};
use crate::subjects::{Prefix, Token};

/// Name of the header of a reply without a frame.
pub const ERROR_HEADER: &str = "Streamhub-Error";

/// The longest that a request may wait.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// How long a request waits that does not say.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// How many requests of one rendition may wait at a time.
pub const MAX_WAITING: usize = 64;

/// A frame newer than the one that was asked for is at most this old, or two intervals where that is longer.
const OLDEST_NEWER: Duration = Duration::from_secs(1);

/// How many replies may be on their way into the connection at a time. The client's few places are shared with the
/// frames, which get one at once or not at all: a crowd that is answered must not take them all.
const MAX_REPLYING: usize = 3;

const ERROR_HEADER_NAME: HeaderName = HeaderName::from_static(ERROR_HEADER);

/// What stands in `Streamhub-Error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NextRefusal {
    /// No frame came while the request waited.
    #[error("timeout")]
    Timeout,
    /// [`MAX_WAITING`] requests wait already.
    #[error("busy")]
    Busy,
    /// The body is no JSON object of the right form.
    #[error("bad-request")]
    BadRequest,
    /// The camera has no such rendition (now).
    #[error("unknown-rendition")]
    UnknownRendition,
}

impl NextRefusal {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [
            Self::Timeout,
            Self::Busy,
            Self::BadRequest,
            Self::UnknownRendition,
        ]
        .into_iter()
        .find(|refusal| refusal.to_string() == text)
    }
}

/// The body of a request; both fields are optional, and so is the body.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NextRequest {
    /// Only a frame with a higher id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How long to wait for it: a number with `ms`, `s` or `m`; at most [`MAX_WAIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
}

impl NextRequest {
    /// Reads a request's body: only frames newer than this, and how long to wait.
    pub fn parse(body: &[u8]) -> Result<(Option<u64>, Duration), NextRefusal> {
        if body.is_empty() {
            return Ok((None, DEFAULT_WAIT));
        }
        let request: Self = crate::parse_object(body).map_err(|_| NextRefusal::BadRequest)?;
        let wait = match &request.wait {
            Some(text) => parse_wait(text).ok_or(NextRefusal::BadRequest)?,
            None => DEFAULT_WAIT,
        };
        Ok((request.after, wait.min(MAX_WAIT)))
    }
}

fn parse_wait(text: &str) -> Option<Duration> {
    let (number, millis) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1e3)
    } else {
        (text.strip_suffix('m')?, 60e3)
    };
    let value: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(value * millis / 1e3).ok()
}

/// A frame that answers requests.
pub(crate) struct StoredFrame {
    pub(crate) frame_id: u64,
    pub(crate) metadata: String,
    pub(crate) message_id: String,
    pub(crate) jpeg: Bytes,
    pub(crate) at: Instant,
}

/// The newest frame of one rendition, and who waits for the one after it.
pub(crate) struct Newest {
    frame: watch::Sender<Option<Arc<StoredFrame>>>,
    places: Arc<Semaphore>,
    interval_us: AtomicU64,
    listeners: Listeners,
}

impl Newest {
    pub(crate) fn new(interval: Duration, listeners: Listeners) -> Self {
        Self {
            listeners,
            frame: watch::Sender::new(None),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            interval_us: AtomicU64::new(interval.as_micros() as u64),
        }
    }

    pub(crate) fn put(&self, frame: StoredFrame) {
        self.frame.send_replace(Some(Arc::new(frame)));
    }

    pub(crate) fn set_interval(&self, interval: Duration) {
        self.interval_us
            .store(interval.as_micros() as u64, Ordering::Relaxed);
    }

    fn oldest_fresh(&self) -> Duration {
        2 * Duration::from_micros(self.interval_us.load(Ordering::Relaxed))
    }

    /// The first frame newer than `after`; without `after` one that is fresh. The last frame of a rendition that has
    /// idled since is nobody's first newer one.
    async fn wait_for(
        &self,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Arc<StoredFrame>, NextRefusal> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(NextRefusal::Busy);
        };
        let mut frames = self.frame.subscribe();
        let suits = |frame: &Option<Arc<StoredFrame>>| {
            frame.as_ref().is_some_and(|frame| match after {
                Some(after) => {
                    frame.frame_id > after
                        && frame.at.elapsed() <= self.oldest_fresh().max(OLDEST_NEWER)
                }
                None => frame.at.elapsed() <= self.oldest_fresh(),
            })
        };
        match tokio::time::timeout(wait, frames.wait_for(suits)).await {
            Ok(Ok(frame)) => frame.clone().ok_or(NextRefusal::Timeout),
            Ok(Err(_)) => Err(NextRefusal::UnknownRendition),
            Err(_) => Err(NextRefusal::Timeout),
        }
    }
}

/// What all answers of one connection share.
pub(crate) struct Answers {
    /// The renditions of the process that have a publisher.
    renditions: Mutex<HashMap<(Token, Token), Arc<Newest>>>,
    answering: AtomicBool,
    replying: Semaphore,
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self {
            renditions: Mutex::default(),
            answering: AtomicBool::new(true),
            replying: Semaphore::new(MAX_REPLYING),
        }
    }

    pub(crate) fn set_answering(&self, answering: bool) {
        self.answering.store(answering, Ordering::Relaxed);
    }

    pub(crate) fn insert(&self, camera: &Token, rendition: &Token, newest: Arc<Newest>) {
        self.lock()
            .insert((camera.clone(), rendition.clone()), newest);
    }

    /// Removes it, unless its place has been taken by a successor.
    pub(crate) fn remove(&self, camera: &Token, rendition: &Token, newest: &Arc<Newest>) {
        let key = (camera.clone(), rendition.clone());
        let mut renditions = self.lock();
        if renditions
            .get(&key)
            .is_some_and(|current| Arc::ptr_eq(current, newest))
        {
            renditions.remove(&key);
        }
    }

    fn get(&self, camera: &str, rendition: &str) -> Option<Arc<Newest>> {
        let key = (Token::new(camera).ok()?, Token::new(rendition).ok()?);
        self.lock().get(&key).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Token, Token), Arc<Newest>>> {
        self.renditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a camera's requests until it is dropped.
#[derive(Debug)]
pub struct NextService {
    task: AbortHandle,
}

impl NextService {
    pub(crate) async fn start(
        client: Client,
        prefix: &Prefix,
        camera: &Token,
        answers: Arc<Answers>,
    ) -> Result<Self, SubscribeError> {
        let mut requests = client
            .subscribe(prefix.next_of_camera(camera))
            .await
            .map_err(|_| SubscribeError)?;
        let prefix = prefix.clone();
        let task = tokio::spawn(async move {
            let mut replies = JoinSet::new();
            loop {
                tokio::select! {
                    request = requests.next() => {
                        let Some(request) = request else { break };
                        let newest = prefix
                            .camera_and_rendition("next", &request.subject)
                            .and_then(|(camera, rendition)| answers.get(camera, rendition));
                        if let Some(newest) = &newest {
                            newest.listeners.somebody(Instant::now());
                        }
                        // Without a reply subject it is a hello.
                        let Some(reply) = request.reply.clone() else { continue };
                        replies.spawn(answer(client.clone(), answers.clone(), newest, request, reply));
                    }
                    Some(_) = replies.join_next() => {}
                }
            }
        });
        Ok(Self {
            task: task.abort_handle(),
        })
    }
}

impl Drop for NextService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    client: Client,
    answers: Arc<Answers>,
    newest: Option<Arc<Newest>>,
    request: Message,
    reply: Subject,
) {
    let (headers, payload) = match find(newest, &request.payload).await {
        Ok(frame) => (
            headers(frame.metadata.clone(), frame.message_id.clone()),
            frame.jpeg.clone(),
        ),
        Err(refusal) => {
            let mut headers = HeaderMap::new();
            headers.insert(ERROR_HEADER_NAME, refusal.to_string());
            (headers, Bytes::new())
        }
    };
    let send = async {
        let place = answers.replying.acquire().await.ok()?;
        // Looked at last: the right to answer may have come or gone while the request waited.
        let may_answer = answers.answering.load(Ordering::Relaxed)
            && client.connection_state() == State::Connected;
        if !may_answer {
            return None;
        }
        client
            .publish_with_headers(reply, headers, payload)
            .await
            .ok()?;
        Some(place)
    };
    // An answer that has to wait this long for its place is no news any more; who asked will ask again.
    if let Ok(Some(_place)) = tokio::time::timeout(Duration::from_secs(1), send).await {
        // Until the reply has left the client it takes up room there, so the next one must wait.
        let _ = client.flush().await;
    }
}

async fn find(newest: Option<Arc<Newest>>, body: &[u8]) -> Result<Arc<StoredFrame>, NextRefusal> {
    let newest = newest.ok_or(NextRefusal::UnknownRendition)?;
    let (after, wait) = NextRequest::parse(body)?;
    newest.wait_for(after, wait).await
}

#[cfg(test)]
mod tests;
