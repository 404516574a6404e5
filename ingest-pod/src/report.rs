//! How the camera is doing: one board that all parts write to, read by `/status`, NATS and Prometheus.

mod rate;
mod renditions;
mod verdict;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use streamhub_wire::fencing::{Claim, FenceState, Identity};
use streamhub_wire::status::{CameraState, CameraStatus, ConfigStatus, NatsStatus, SourceStatus};

use crate::clock::Cause;
use crate::fault::Fault;
use crate::hub_clock::now_ms;
use crate::metrics::{Metrics, ReasonLabel, RenditionLabel};
use crate::source::Described;
use crate::source::reference::DECODER_LATE;
use rate::Rate;

use renditions::RenditionBoard;

pub use renditions::{HeldTo, PublishedFrame};
pub use verdict::StandIn;

/// A source is fresh when an access unit came within this, or within three of its intervals (DESIGN §4).
const FRESH_WITHIN: Duration = Duration::from_secs(5);

/// How old the resident memory in a status may be: to read it takes the kernel longer than all the rest.
const MEMORY_READ_EVERY: Duration = Duration::from_secs(2);

/// Without a sign of life from the source's thread for so long, the process is wedged.
const WEDGED_AFTER: Duration = Duration::from_mins(1);

/// A refusal of NATS holds the camera not ready for so long; one that goes on is renewed with each frame.
const DENIED_FOR: Duration = Duration::from_secs(30);

/// What the source's thread is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceState {
    /// Not begun.
    Idle,
    /// First attempt under way.
    Connecting,
    /// Delivers, or did until a moment ago.
    Streaming,
    /// Lost; the fault says why, and it is tried again.
    Retrying(Fault),
    /// Lost for good.
    Failed(Fault),
    /// A file is through.
    Finished,
    /// Not enabled.
    Disabled,
}

struct Board {
    source_state: SourceState,
    /// What a person should know of the source although it goes on.
    notice: Option<Fault>,
    source: SourceStatus,
    camera_offset_ms: Option<f64>,
    arrivals: Rate,
    last_access_unit: Option<Instant>,
    heartbeat: Instant,
    /// Of the fallbacks' thread; `None` while it has nothing to do.
    standby_heartbeat: Option<Instant>,
    stand_in: Option<StandIn>,
    nats: NatsStatus,
    fence: FenceState,
    claim: Claim,
    config: ConfigStatus,
    clock_behind_ms: Option<u64>,
    /// What NATS refused last, and when.
    denied: Option<(String, Instant)>,
    renditions: BTreeMap<String, RenditionBoard>,
    feedback_rejected: BTreeMap<String, u64>,
    stopped: bool,
    last_seen: (CameraState, String),
    since: u64,
    /// Resident bytes, and when they were read.
    memory: Option<(Instant, u64)>,
}

/// The board. Shared by all threads of the process.
pub struct Report {
    camera: String,
    identity: Identity,
    board: Mutex<Board>,
    decoder_late: AtomicU64,
    /// The same for Prometheus.
    pub metrics: Metrics,
}

impl Report {
    /// A camera that has not done anything yet.
    pub fn new(camera: &str, identity: Identity) -> Self {
        Self {
            camera: camera.to_owned(),
            identity,
            metrics: Metrics::new(camera),
            decoder_late: AtomicU64::new(0),
            board: Mutex::new(Board {
                source_state: SourceState::Idle,
                notice: None,
                source: SourceStatus::default(),
                camera_offset_ms: None,
                arrivals: Rate::default(),
                last_access_unit: None,
                heartbeat: Instant::now(),
                standby_heartbeat: None,
                stand_in: None,
                nats: NatsStatus::default(),
                fence: FenceState::Disconnected,
                claim: Claim::None,
                config: ConfigStatus::default(),
                clock_behind_ms: None,
                denied: None,
                renditions: BTreeMap::new(),
                feedback_rejected: BTreeMap::new(),
                stopped: false,
                last_seen: (CameraState::Starting, String::new()),
                since: now_ms(),
                memory: None,
            }),
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The camera's name.
    pub fn camera(&self) -> &str {
        &self.camera
    }

    /// The source's thread begins, ends or repeats an attempt.
    pub fn source_state(&self, state: SourceState) {
        let mut board = self.board();
        board.heartbeat = Instant::now();
        board.source_state = state;
    }

    /// An attempt to read a source failed; `again` when it is the camera's own one and is tried once more.
    pub fn source_failed(&self, reason: &'static str, again: bool) {
        self.metrics
            .source_failures
            .get_or_create(&ReasonLabel { reason })
            .inc();
        self.board().source.reconnects += u64::from(again);
    }

    /// A fallback is in use, or none is.
    pub fn stand_in(&self, stand_in: Option<StandIn>) {
        let mut board = self.board();
        board.source.fallback = stand_in.as_ref().map(|stand_in| stand_in.fallback as u64);
        board.stand_in = stand_in;
    }

    /// Kind and redacted address of the source of the attempt that begins.
    pub fn source_address(&self, kind: &str, url: &str) {
        let mut board = self.board();
        board.notice = None;
        kind.clone_into(&mut board.source.kind);
        url.clone_into(&mut board.source.url);
    }

    /// What a person should know of the source although it goes on; `None` when that is over.
    pub fn notice(&self, notice: Option<Fault>) {
        self.board().notice = notice;
    }

    /// What the source turned out to be.
    pub fn described(&self, described: &Described) {
        let mut board = self.board();
        described.codec.clone_into(&mut board.source.codec);
        described
            .decoder
            .as_deref()
            .unwrap_or_default()
            .clone_into(&mut board.source.decoder);
        board.source.width = described.width;
        board.source.height = described.height;
    }

    /// A sign of life of the source's thread; with the time at which an access unit was whole, of the camera too.
    pub fn alive(&self, access_unit: Option<Instant>) {
        let mut board = self.board();
        board.heartbeat = Instant::now();
        if let Some(at) = access_unit {
            self.access_unit(&mut board, at);
        }
    }

    /// A sign of life of the fallbacks' thread while it reads one; with an access unit, of the one in use.
    pub fn standby_alive(&self, access_unit: Option<Instant>) {
        let mut board = self.board();
        board.standby_heartbeat = Some(Instant::now());
        if let Some(at) = access_unit {
            self.access_unit(&mut board, at);
        }
    }

    /// The fallbacks' thread has nothing to do.
    pub fn standby_idle(&self) {
        self.board().standby_heartbeat = None;
    }

    fn access_unit(&self, board: &mut Board, at: Instant) {
        self.metrics.access_units.inc();
        board.last_access_unit = Some(at);
        board.arrivals.add(at, 0);
        if board.source_state != SourceState::Streaming {
            board.source_state = SourceState::Streaming;
        }
    }

    /// So many access units were given up before any rendition saw them.
    pub fn held_back(&self, reason: &'static str, count: u64) {
        self.metrics
            .held_back
            .get_or_create(&ReasonLabel { reason })
            .inc_by(count);
        if reason == DECODER_LATE {
            self.decoder_late.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Access units that the decoder was too late for, since the process started.
    pub fn decoder_late(&self) -> u64 {
        self.decoder_late.load(Ordering::Relaxed)
    }

    /// Timestamps may jump from here on.
    pub fn epoch_begun(&self, cause: Cause) {
        let reason = cause.as_str();
        self.metrics
            .epochs
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// The camera's clock minus hub time at arrival, microseconds; `None` without sender reports.
    pub fn camera_clock(&self, offset: Option<i64>) {
        let offset_ms = offset.map(|us| us as f64 / 1e3);
        let seconds = offset_ms.map_or(f64::NAN, |ms| ms / 1e3);
        self.metrics.camera_clock_offset.set(seconds);
        self.board().camera_offset_ms = offset_ms;
    }

    /// The connection to NATS.
    pub fn nats(&self, status: NatsStatus) {
        self.metrics
            .nats_connected
            .set(i64::from(status.state == "connected"));
        let mut board = self.board();
        let again = status.reconnects.saturating_sub(board.nats.reconnects);
        self.metrics.nats_reconnects.inc_by(again);
        board.nats = status;
    }

    /// Where fencing stands, and what is claimed by it.
    pub fn fence(&self, state: FenceState, claim: Claim) {
        let mut board = self.board();
        board.fence = state;
        board.claim = claim;
    }

    /// Whether fencing stands elsewhere than the board says.
    pub fn fence_changed(&self, state: &FenceState) -> bool {
        self.board().fence != *state
    }

    /// The configuration in use, and why a newer one was refused.
    pub fn config(&self, config: ConfigStatus) {
        self.board().config = config;
    }

    /// Whether ids had to begin ahead of this node's clock.
    pub fn clock_behind(&self, by_ms: Option<u64>) {
        self.board().clock_behind_ms = by_ms;
    }

    /// A feedback message was not taken.
    pub fn feedback_rejected(&self, reason: &'static str) {
        self.metrics
            .feedback_rejected
            .get_or_create(&ReasonLabel { reason })
            .inc();
        *self
            .board()
            .feedback_rejected
            .entry(reason.to_owned())
            .or_default() += 1;
    }

    /// The process is about to end.
    pub fn stopped(&self) {
        self.board().stopped = true;
    }

    /// Whether the source's thread still shows signs of life. A fenced process has none and needs none: a
    /// restart would give it the right to fence the one that works.
    pub fn is_live(&self, now: Instant) -> bool {
        let board = self.board();
        matches!(board.fence, FenceState::Fenced { .. })
            || [Some(board.heartbeat), board.standby_heartbeat]
                .into_iter()
                .flatten()
                .all(|beat| now.saturating_duration_since(beat) < WEDGED_AFTER)
    }

    /// NATS does not permit something that a camera needs. `true` when that is news.
    pub fn denied(&self, what: &str) -> bool {
        let mut board = self.board();
        let known = board.denied.take();
        let news = known.is_none_or(|(text, _)| text != what);
        board.denied = Some((what.to_owned(), Instant::now()));
        news
    }

    /// Everything, as it is now. `last_ids`: the last id used of each rendition.
    pub fn status(&self, last_ids: &std::collections::HashMap<String, u64>) -> CameraStatus {
        let now = Instant::now();
        let mut board = self.board();
        let fresh = board.is_fresh(now);
        self.metrics.fresh.set(i64::from(fresh));
        let (state, reason, message, remedy) = board.verdict(fresh);
        let seen = (state, reason.clone());
        if board.last_seen != seen {
            board.last_seen = seen;
            board.since = now_ms();
        }
        let age = |at: Instant| now.saturating_duration_since(at).as_millis() as u64;
        let mut source = board.source.clone();
        source.fps = round(board.arrivals.per_second(now));
        source.last_frame_age_ms = board.last_access_unit.map(age);
        let renditions = board
            .renditions
            .iter_mut()
            .map(|(name, entry)| {
                let mut status = entry.status.clone();
                status.active = entry.listeners.is_active();
                let label = RenditionLabel {
                    rendition: name.clone(),
                };
                self.metrics
                    .rendition_active
                    .get_or_create(&label)
                    .set(i64::from(status.active));
                status.last_frame_id = last_ids.get(name).copied();
                status.fps = round(entry.rate.per_second(now));
                status.bitrate = entry.rate.bits_per_second(now);
                status.last_frame_age_ms = entry.last.map(age);
                (name.clone(), status)
            })
            .collect();
        CameraStatus {
            camera: self.camera.clone(),
            uid: self.identity.uid.clone(),
            incarnation: self.identity.incarnation,
            instance: self.identity.instance.clone(),
            started: self.identity.started,
            at: now_ms(),
            state,
            ready: fresh
                && state == CameraState::Streaming
                && board.nats.state == "connected"
                && board.denied_of_late().is_none(),
            reason,
            message,
            remedy,
            since: board.since,
            source,
            nats: board.nats.clone(),
            config: board.config.clone(),
            renditions,
            feedback_rejected: board.feedback_rejected.clone(),
            memory_bytes: board.memory_bytes(now),
            claim: if board.stopped {
                Claim::None
            } else {
                board.claim
            },
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
