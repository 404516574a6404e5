//! The conversation with NATS beside the frames: connection, fencing, status, feedback, events.

use futures::StreamExt as _;
use serde_json::json;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use streamhub_wire::connect::ConnState;
use streamhub_wire::fencing::{Claim, Fence, FenceAction, FenceState};
use streamhub_wire::publish::SubscribeError;
use streamhub_wire::status::{CameraState, CameraStatus, NatsStatus, STATUS_PERIOD};
use streamhub_wire::subjects::Token;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::hub_clock::now_ms;
use crate::rendition::{LEASE, Shared};
use crate::report::Report;
use crate::router::Router;

/// How often the status is compared with the one that was published last.
const LOOK: Duration = Duration::from_millis(250);

/// Ends the conversation when set; the last word is said before it returns.
pub type Shutdown = watch::Receiver<bool>;

/// Everything that the conversation touches.
pub struct Link {
    /// Connection, feedback and leave to publish.
    pub shared: Arc<Shared>,
    /// Ids heard from other instances go there.
    pub router: Arc<Router>,
    /// The board.
    pub report: Arc<Report>,
    /// Who may publish.
    pub fence: Fence,
    /// Told once when a higher instance has taken over.
    pub on_fenced: Box<dyn Fn() + Send + Sync>,
    /// Which connection to NATS stands, from 1; 0 while none does.
    pub connection_number: u64,
    /// How often NATS was connected again.
    pub reconnects: u64,
}

/// What was published last, to see what is new.
struct Said {
    at: Option<Instant>,
    state: CameraState,
    reason: String,
    ready: bool,
    config: String,
    refused: String,
    active: Vec<bool>,
    fallback: Option<u64>,
}

impl Link {
    /// Speaks and listens until `shutdown`.
    pub async fn run(mut self, mut shutdown: Shutdown) -> Result<(), SubscribeError> {
        let publisher = self.shared.publisher.clone();
        let camera = self.shared.camera.clone();
        let mut statuses = publisher.statuses(&camera).await?;
        let mut feedback = publisher.feedback().await?;
        let _answers = publisher.serve_next(&camera).await?;
        // Not before the first leave: another instance may be there to answer.
        publisher.set_answering(false);
        let mut connection = publisher.state();
        let mut denied = publisher.denied();
        let (trip_done, mut trips) = mpsc::channel::<(u64, bool)>(4);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = Said {
            at: None,
            state: CameraState::Starting,
            reason: String::new(),
            ready: false,
            config: String::new(),
            refused: String::new(),
            active: Vec::new(),
            fallback: None,
        };
        connection.mark_changed();
        let mut awake = Instant::now();
        loop {
            let deadline = self
                .fence
                .deadline()
                .unwrap_or_else(|| Instant::now() + Duration::from_hours(1));
            let mut look_again = false;
            let action = tokio::select! {
                changed = connection.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let state = connection.borrow_and_update().clone();
                    look_again = true;
                    self.connection(&state)
                }
                Some(status) = statuses.next() => self.heard(&status),
                Some((tail, payload)) = feedback.next() => {
                    self.feedback(&tail, &payload);
                    None
                }
                Some((number, arrived)) = trips.recv() => {
                    if number != self.connection_number {
                        // News of a connection that is gone already.
                        None
                    } else if arrived {
                        self.fence.round_trip(Instant::now());
                        None
                    } else {
                        // The server did not answer: ask again, unless the connection is known to be gone.
                        (*self.fence.state() == FenceState::Asking).then_some(FenceAction::Announce)
                    }
                }
                () = sleep_until(deadline.into()) => self.fence.poll(Instant::now()),
                _ = look.tick() => {
                    look_again = true;
                    None
                }
                Ok(()) = denied.changed() => {
                    let what = denied.borrow_and_update().clone().unwrap_or_default();
                    if self.report.denied(&what) {
                        tracing::warn!(denied = %what, "NATS does not permit something that a camera needs");
                    }
                    None
                }
                _ = shutdown.wait_for(|ended| *ended) => break,
            };
            let action = self.after_sleep(&mut awake).or(action);
            self.apply_fence();
            let mut announce = false;
            if let Some(action) = action {
                said.at = None;
                look_again = true;
                announce = action == FenceAction::Announce;
            }
            if look_again {
                self.say(&mut said);
            }
            if announce {
                let (publisher, done) = (publisher.clone(), trip_done.clone());
                let number = self.connection_number;
                tokio::spawn(async move {
                    let arrived = publisher.round_trip().await.is_ok();
                    if !arrived {
                        tokio::time::sleep(LOOK).await;
                    }
                    let _ = done.send((number, arrived)).await;
                });
            }
        }
        self.say_goodbye().await;
        Ok(())
    }

    /// The last status; waits a moment until it has reached the server.
    async fn say_goodbye(&self) {
        self.shared.leave.revoke();
        self.report.stopped();
        let publisher = &self.shared.publisher;
        let told = publisher.publish_status(&self.status(), &self.shared.camera);
        if told.is_ok() {
            publisher.close().await;
        }
    }

    /// The status as it is now.
    fn status(&self) -> CameraStatus {
        self.report.status(&self.router.last_ids())
    }

    fn connection(&mut self, state: &ConnState) -> Option<FenceAction> {
        let publisher = &self.shared.publisher;
        let number = match state {
            ConnState::Connected { number } => *number,
            _ => 0,
        };
        self.connection_number = number;
        self.reconnects = self.reconnects.max(number.saturating_sub(1));
        self.report.nats(NatsStatus {
            state: state.as_str().to_owned(),
            reason: state.reason().to_owned(),
            url: publisher.url().to_owned(),
            reconnects: self.reconnects,
            max_payload: publisher.max_payload() as u64,
        });
        match state {
            ConnState::Connected { .. } => {
                tracing::info!(url = publisher.url(), number, "connected to NATS");
                // A short interruption may show only as a higher number.
                self.fence.disconnected();
                Some(self.fence.connected())
            }
            other => {
                if !other.reason().is_empty() {
                    tracing::warn!(
                        url = publisher.url(),
                        state = other.as_str(),
                        reason = other.reason(),
                        "no connection to NATS"
                    );
                }
                self.fence.disconnected();
                None
            }
        }
    }

    fn heard(&mut self, status: &CameraStatus) -> Option<FenceAction> {
        let other = status.identity();
        if other == *self.fence.identity() {
            return None;
        }
        if other.uid == self.fence.identity().uid {
            for (rendition, known) in &status.renditions {
                // Who only asks has counted ids that nobody has seen.
                let seen = status.claim == Claim::Held || known.published > 0;
                if let Some(id) = known.last_frame_id.filter(|_| seen) {
                    self.router.heard(rendition, id);
                }
            }
        }
        self.fence.heard(&other, status.claim, Instant::now())
    }

    fn feedback(&self, tail: &str, payload: &[u8]) {
        let mut store = self
            .shared
            .feedback
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match store.accept(tail, payload, Instant::now()) {
            Ok(()) => {
                self.report.metrics.feedback_accepted.inc();
            }
            Err(reason) => self.report.feedback_rejected(reason.as_str()),
        }
    }

    /// A process that was frozen for longer than its leave lasts asks for it anew: another instance may have
    /// taken over, and its status may still wait to be read.
    fn after_sleep(&mut self, awake: &mut Instant) -> Option<FenceAction> {
        let slept = std::mem::replace(awake, Instant::now()).elapsed();
        if slept < LEASE || *self.fence.state() != FenceState::Held {
            return None;
        }
        tracing::warn!(
            slept_ms = slept.as_millis() as u64,
            "this process stood still: asking for leave to publish anew"
        );
        self.fence.disconnected();
        Some(self.fence.connected())
    }

    /// Lets the renditions publish, or not, and tells what changed.
    fn apply_fence(&self) {
        let leave = &self.shared.leave;
        match self.fence.state() {
            FenceState::Held => {
                leave.grant(Instant::now());
                self.shared.publisher.set_answering(true);
            }
            FenceState::Asking => leave.asking(),
            FenceState::Disconnected => leave.revoke(),
            FenceState::Fenced { by } => {
                leave.revoke();
                self.shared.publisher.set_answering(false);
                if self.report.fence_changed(self.fence.state()) {
                    tracing::error!(by = %by.instance, incarnation = by.incarnation, "fenced: a newer instance of this camera publishes");
                    (self.on_fenced)();
                }
            }
            FenceState::SubjectInUse { by } => {
                leave.asking();
                self.shared.publisher.set_answering(false);
                if self.report.fence_changed(self.fence.state()) {
                    tracing::error!(uid = %by.uid, "another camera publishes on these subjects");
                }
            }
        }
        self.report
            .fence(self.fence.state().clone(), self.fence.claim());
    }

    /// Publishes the status when it is due or new; what finds no place is tried again at the next look.
    fn say(&self, said: &mut Said) {
        let status = self.status();
        let active: Vec<bool> = status.renditions.values().map(|r| r.active).collect();
        let news = said.at.is_none_or(|at| at.elapsed() >= STATUS_PERIOD)
            || said.state != status.state
            || said.reason != status.reason
            || said.ready != status.ready
            || said.active != active
            || said.config != status.config.hash
            || said.refused != status.config.refused
            || said.fallback != status.source.fallback;
        if !news {
            return;
        }
        let publisher = &self.shared.publisher;
        if publisher
            .publish_status(&status, &self.shared.camera)
            .is_err()
        {
            said.at = None;
            return;
        }
        let (was, is) = (
            said.state == CameraState::Streaming,
            status.state == CameraState::Streaming,
        );
        if was != is && status.claim != Claim::None {
            self.event(if is { "connected" } else { "lost" }, &status);
        }
        if said.fallback != status.source.fallback && status.claim != Claim::None {
            self.event("source-switched", &status);
        }
        *said = Said {
            at: Some(Instant::now()),
            state: status.state,
            reason: status.reason,
            ready: status.ready,
            config: status.config.hash,
            refused: status.config.refused,
            active,
            fallback: status.source.fallback,
        };
    }

    fn event(&self, kind: &str, status: &CameraStatus) {
        let Ok(kind) = Token::new(kind) else {
            return;
        };
        let body = json!({
            "camera": status.camera,
            "at": now_ms(),
            "source": status.source.url,
            "reason": status.reason,
            "message": status.message,
        });
        // An event is news; one that cannot go now is none later, and the status tells the state anyway.
        let _ = self
            .shared
            .publisher
            .publish_event(&self.shared.camera, &kind, &body);
    }
}
