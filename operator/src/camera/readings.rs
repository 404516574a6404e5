//! Asks pods how they are: `/status` of each, when it may have changed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use streamhub_plan::CameraKey;
use streamhub_wire::status::CameraStatus;

use super::memory::{ASKED, Memory, Reading, lock};
use crate::backoff;
use crate::context::Context;
use crate::error::chain;
use crate::metrics::{ControllerLabel, ResultLabel};
use crate::names;
use crate::queue::Work;
use crate::world::PodFacts;

/// While it is not ready.
const NOT_READY: Duration = Duration::from_secs(10);
/// While it has to take new configuration over.
const PATCHED: Duration = Duration::from_secs(1);
/// For so long: the source that it names may be the one before, until the next is there.
pub(super) const PATCHED_FOR: Duration = Duration::from_secs(30);
/// While it is ready and has something to complain of: that passes without a word.
const WARNS: Duration = Duration::from_mins(1);
/// Once more after it became ready: by then its rate is measured.
const SETTLED: Duration = Duration::from_secs(10);
/// A process that has just started listens soon.
const SOON: Duration = Duration::from_secs(2);
/// So often.
const EAGER: u32 = 5;
const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(3);
/// A pod that is there refuses sooner; many that are not would hold up those that are.
const SLOW: Duration = Duration::from_millis(500);
const LARGEST: usize = 256 * 1024;

/// When a pod is to be asked next; `None`: not before it changes.
pub fn due(pod: &PodFacts, memory: &Memory) -> Option<Instant> {
    let dead = pod.is_finished() || pod.deleting_since.is_some();
    if dead || !pod.container.running || pod.ip.is_none() {
        return None;
    }
    let Some(reading) = memory
        .reading
        .as_ref()
        .filter(|reading| reading.uid == pod.uid)
    else {
        return Some(Instant::now());
    };
    let ready = pod.ready.is_some();
    if reading.ready != pod.ready {
        return Some(Instant::now());
    }
    let patched = memory.patched;
    let patched = patched.is_some_and(|at| reading.asked < at + PATCHED_FOR);
    if reading.failed > 0 {
        let wait = match reading.failed {
            ..=EAGER if !ready || patched => SOON,
            failed if ready => spread(pod, backoff::READING.after(failed) * 2),
            failed => spread(pod, backoff::READING.after(failed.saturating_sub(EAGER))),
        };
        return Some(reading.asked + wait);
    }
    if patched {
        return Some(reading.asked + PATCHED);
    }
    let said = reading.said.as_ref();
    let behind = said.is_some_and(|said| !runs_what_it_carries(pod, said));
    let warns = said.is_some_and(|said| !said.reason.is_empty());
    match (ready, reading.asked_since_flip) {
        (false, _) => Some(reading.asked + NOT_READY),
        (true, _) if behind => Some(reading.asked + NOT_READY),
        (true, ..=1) => Some(reading.asked + SETTLED),
        (true, _) => warns.then(|| reading.asked + WARNS),
    }
}

/// Whether a pod says that it runs the configuration that it was given.
pub fn runs_what_it_carries(pod: &PodFacts, said: &CameraStatus) -> bool {
    pod.annotation(names::CONFIG_HASH) == Some(said.config.hash.as_str())
}

/// Between all and four fifths of a wait, always the same for a pod, so that many that fell silent at once are not all
/// asked at once for ever.
fn spread(pod: &PodFacts, wait: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    pod.uid.hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 200).unwrap_or_default();
    wait * (1000 - part) / 1000
}

/// Asks pods. Those whose silence had to be waited for are asked again by another one, so that they hold up no others.
#[derive(Clone)]
pub struct Readings {
    context: Arc<Context>,
    client: Client<HttpConnector, Empty<Bytes>>,
    retries: bool,
}

impl Readings {
    /// For first attempts, or for the further ones.
    pub fn new(context: Arc<Context>, retries: bool) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        // Connections are not kept: they would be as many as there are cameras.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        Self {
            context,
            client,
            retries,
        }
    }

    async fn ask(&self, pod: &PodFacts, key: &CameraKey) -> Result<CameraStatus, String> {
        let ip = pod.ip.as_deref().unwrap_or_default();
        let host = if ip.contains(':') {
            format!("[{ip}]")
        } else {
            ip.to_owned()
        };
        let url = format!("http://{host}:{}/status", names::HTTP_PORT);
        let url = url.parse().map_err(|_| "its address is none".to_owned())?;
        let answer = async {
            let answer = self.client.get(url).await.map_err(|error| chain(&error))?;
            if !answer.status().is_success() {
                return Err(format!("/status says {}", answer.status()));
            }
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            CameraStatus::parse(&body).map_err(|error| error.to_string())
        };
        let said = tokio::time::timeout(ANSWER, answer)
            .await
            .map_err(|_| "no answer".to_owned())??;
        // Addresses are given to other pods again.
        if Some(said.uid.as_str()) != pod.owner.as_deref() || said.camera != key.name {
            return Err("another pod answers at its address".to_owned());
        }
        Ok(said)
    }
}

impl Readings {
    /// The other one asks it from now on; not both.
    fn hand_over(&self, key: CameraKey, at: Instant) -> Option<Duration> {
        let other = if self.retries {
            &self.context.readings
        } else {
            &self.context.retries
        };
        other.ask_at(key, at);
        None
    }
}

impl Work<CameraKey> for Readings {
    async fn work(self, key: CameraKey) -> Option<Duration> {
        let pod = lock(&self.context.world).pod(&key).cloned()?;
        let memory = self.context.memories.of(&key);
        {
            let memory = lock(&memory);
            let due = due(&pod, &memory)?;
            if slow(&memory, &pod) != self.retries {
                return self.hand_over(key, due);
            }
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                return Some(wait);
            }
        }
        let begin = Instant::now();
        let said = self.ask(&pod, &key).await;
        let took = begin.elapsed();
        let metrics = &self.context.metrics;
        let label = ControllerLabel {
            controller: "status",
        };
        metrics
            .durations
            .get_or_create(&label)
            .observe(took.as_secs_f64());
        let result = if said.is_ok() { "ok" } else { "error" };
        metrics
            .readings
            .get_or_create(&ResultLabel { result })
            .inc();
        let (news, next, slow) = {
            let mut memory = lock(&memory);
            let news = keep(&mut memory, &pod, said, took);
            (news, due(&pod, &memory), slow(&memory, &pod))
        };
        if news {
            self.context.cameras.ask(key.clone());
        }
        if slow != self.retries {
            return self.hand_over(key, next?);
        }
        next.map(|at| {
            at.saturating_duration_since(Instant::now())
                .max(Duration::from_millis(100))
        })
    }
}

/// Whether a pod was silent for long when it was asked last.
fn slow(memory: &Memory, pod: &PodFacts) -> bool {
    let reading = memory.reading.as_ref();
    reading.is_some_and(|reading| reading.uid == pod.uid && reading.slow)
}

/// Keeps what was said; whether it is news.
fn keep(
    memory: &mut Memory,
    pod: &PodFacts,
    said: Result<CameraStatus, String>,
    took: Duration,
) -> bool {
    let old = memory
        .reading
        .take()
        .filter(|reading| reading.uid == pod.uid);
    let flipped = old.as_ref().is_none_or(|old| old.ready != pod.ready);
    let asked_before = old.as_ref().map_or(0, |old| old.asked_since_flip);
    let mut reading = Reading {
        uid: pod.uid.clone(),
        asked: Instant::now(),
        said: None,
        failed: 0,
        slow: said.is_err() && took >= SLOW,
        error: String::new(),
        ready: pod.ready,
        asked_since_flip: if flipped { 1 } else { asked_before + 1 },
    };
    let news = match said {
        Ok(said) => {
            let before = old.as_ref().and_then(|old| old.said.as_ref());
            let news = before.is_none_or(|before| differs(before, &said));
            reading.said = Some(Arc::new(said));
            news
        }
        Err(error) => {
            // A process that took long to listen is not one that does not answer.
            let failed = old
                .as_ref()
                .filter(|_| !flipped)
                .map_or(0, |old| old.failed);
            reading.failed = failed + 1;
            // What it said while it was ready is not what it would say now.
            reading.said = old.and_then(|old| old.said).filter(|_| !flipped);
            tracing::debug!(pod = pod.uid, error, "can't read the status of a pod");
            reading.error = error;
            reading.failed == ASKED
        }
    };
    memory.reading = Some(reading);
    news
}

/// Whether two statuses differ in what a Camera's status shows.
fn differs(old: &CameraStatus, new: &CameraStatus) -> bool {
    let shown = |status: &CameraStatus| {
        (
            status.state,
            status.reason.clone(),
            status.message.clone(),
            status.source.url.clone(),
            status.source.codec.clone(),
            (
                status.source.width,
                status.source.height,
                status.source.fps.round() as i64,
            ),
            status.config.hash.clone(),
        )
    };
    shown(old) != shown(new)
}

#[cfg(test)]
mod tests;
