//! The one source of a camera whose frames go out, and the others that only show whether they could.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use streamhub_crds::{CameraSource, Source};

use super::wanted::Wanted;
use crate::captured::Captured;
use crate::clock::{Cause, Health};
use crate::fallback::{Entry, Fallbacks, Outcome, Task};
use crate::fault::Fault;
use crate::hub_clock::HubClock;
use crate::report::{Report, SourceState, StandIn};
use crate::router::{Router, Want};
use crate::source::{Described, Needed, Outlet};

/// Shared by the thread of the camera's own source and that of its fallbacks.
pub struct Stage {
    inner: Mutex<Inner>,
    fresh_for: Duration,
    wanted: Wanted,
    router: Arc<Router>,
    report: Arc<Report>,
}

struct Inner {
    machine: Fallbacks,
    /// Whose frames went out last: what a switch is told by.
    last: Entry,
    /// Why the camera's own source does not deliver.
    own_fault: Option<Fault>,
    /// What a person should know of the attempt of the camera's own source that runs now.
    own_notice: Option<Fault>,
    /// The same of a fallback's.
    standby_notice: Option<Fault>,
    /// When that fallback was begun, or made progress.
    standby_since: Instant,
}

impl Inner {
    fn notice_of(&mut self, entry: Entry) -> &mut Option<Fault> {
        match entry {
            Entry::Own => &mut self.own_notice,
            Entry::Fallback(_) => &mut self.standby_notice,
        }
    }
}

impl Stage {
    /// A stage on which nothing plays yet.
    pub fn new(
        wanted: Wanted,
        router: Arc<Router>,
        report: Arc<Report>,
        fresh_for: Duration,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner {
                machine: Fallbacks::new(0, fresh_for, Instant::now()),
                last: Entry::Own,
                own_fault: None,
                own_notice: None,
                standby_notice: None,
                standby_since: Instant::now(),
            }),
            fresh_for,
            wanted,
            router,
            report,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The camera's own source is another one: all begins anew.
    pub fn reset(&self, source: &CameraSource) {
        // A film does not come and go as a camera does, and what of it is only watched nobody ever sees.
        let fresh_for = match source.primary {
            Source::File(_) => Duration::ZERO,
            _ => self.fresh_for,
        };
        let mut inner = self.inner();
        inner.machine = Fallbacks::new(source.fallbacks.len(), fresh_for, Instant::now());
        inner.own_fault = None;
        inner.own_notice = None;
        inner.standby_notice = None;
        inner.last = Entry::Own;
        self.report.stand_in(None);
        // A fallback that began for the old one delivers to nobody any more, and would be kept for ever.
        self.wanted.stop_standby();
    }

    /// The list of fallbacks is another one.
    pub fn set_fallbacks(&self, fallbacks: usize) {
        self.inner().machine.set_fallbacks(fallbacks);
    }

    /// What the fallbacks' thread is to do.
    pub fn task(&self) -> Task {
        self.inner().machine.task(Instant::now())
    }

    /// An attempt begins: the outlet for it.
    pub fn begin(
        self: &Arc<Self>,
        entry: Entry,
        kind: &'static str,
        shown: &str,
    ) -> Arc<SourceOutlet> {
        let mut inner = self.inner();
        if entry == Entry::Own {
            inner.machine.own_begins(Instant::now());
        }
        inner.standby_since = match entry {
            Entry::Own => inner.standby_since,
            Entry::Fallback(_) => Instant::now(),
        };
        *inner.notice_of(entry) = None;
        if inner.machine.in_use() == Some(entry) {
            self.report.source_address(kind, shown);
            self.router.new_epoch(shown);
        }
        Arc::new(SourceOutlet {
            stage: Arc::clone(self),
            entry,
            kind,
            shown: shown.to_owned(),
            described: Mutex::new(None),
            delivered: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
        })
    }

    /// The attempt of the camera's own source ended.
    pub fn own_ended(&self, outcome: Outcome, fault: Option<&Fault>) {
        let mut inner = self.inner();
        inner.machine.own_ended(outcome);
        inner.own_fault = fault.cloned();
        inner.own_notice = None;
        if let Some(fault) = fault {
            self.report
                .source_failed(fault.reason, outcome == Outcome::Lost);
        }
        self.tell(&inner, fault);
    }

    /// The attempt of a fallback ended; its fault is told only when the camera's own source has none.
    pub fn fallback_ended(&self, n: usize, outcome: Outcome, fault: Option<&Fault>) {
        let mut inner = self.inner();
        inner
            .machine
            .fallback_ended(n, outcome, Instant::now(), rand::random());
        inner.standby_notice = None;
        if let Some(fault) = fault {
            self.report.source_failed(fault.reason, false);
        }
        self.tell(&inner, fault);
    }

    /// Tells what is to be known of the source in use, or, where none is, of the one that may be in use next.
    fn tell_notice(&self, inner: &Inner) {
        let notice = match inner.machine.in_use() {
            Some(Entry::Own) => inner.own_notice.as_ref(),
            Some(Entry::Fallback(_)) => inner.standby_notice.as_ref(),
            None => inner.own_notice.as_ref().or(inner.standby_notice.as_ref()),
        };
        self.report.notice(notice.cloned());
    }

    /// Tells what is wrong: as the camera's state when nothing delivers, else beside it.
    fn tell(&self, inner: &Inner, fault: Option<&Fault>) {
        self.tell_notice(inner);
        match inner.machine.in_use() {
            Some(Entry::Fallback(n)) => self.report.stand_in(Some(StandIn {
                fallback: n,
                own_fault: inner.own_fault.clone(),
            })),
            Some(Entry::Own) | None => {
                self.report.stand_in(None);
                if let Some(fault) = inner.own_fault.as_ref().or(fault).cloned() {
                    self.report.source_state(if inner.machine.is_hopeless() {
                        SourceState::Failed(fault)
                    } else {
                        SourceState::Retrying(fault)
                    });
                }
            }
        }
    }

    /// The fault of the camera's own source when neither it nor any fallback can deliver until somebody changes something.
    pub fn hopeless(&self) -> Option<Fault> {
        let inner = self.inner();
        inner
            .own_fault
            .clone()
            .filter(|_| inner.machine.is_hopeless())
    }

    /// An access unit or a frame came. Returns whether frames of this source go out.
    fn unit(&self, outlet: &SourceOutlet, inner: &mut Inner) -> bool {
        let entry = outlet.entry;
        if entry == Entry::Own && inner.own_fault.take().is_some() {
            self.tell(inner, None);
        }
        if inner.machine.unit(entry, Instant::now()) {
            self.switch(outlet, inner);
        }
        inner.machine.in_use() == Some(entry)
    }

    /// Ends the attempt of a fallback that makes no progress while another one could stand in.
    fn hurry(&self, outlet: &SourceOutlet) {
        let inner = self.inner();
        let late = inner
            .machine
            .patience()
            .is_some_and(|patience| inner.standby_since.elapsed() > patience);
        if late && inner.machine.in_use().is_none() {
            outlet.given_up.store(true, Ordering::Relaxed);
            self.wanted.stop_standby();
        }
    }

    /// From here on the frames of this source go out.
    fn switch(&self, outlet: &SourceOutlet, inner: &mut Inner) {
        let entry = outlet.entry;
        self.router.new_epoch(&outlet.shown);
        self.report.source_address(outlet.kind, &outlet.shown);
        self.tell_notice(inner);
        if let Some(described) = &*outlet.known() {
            self.report.described(described);
        }
        match entry {
            Entry::Own => {
                self.report.stand_in(None);
                self.wanted.stop_standby();
            }
            Entry::Fallback(fallback) => self.report.stand_in(Some(StandIn {
                fallback,
                own_fault: inner.own_fault.clone(),
            })),
        }
        if std::mem::replace(&mut inner.last, entry) != entry {
            self.report.metrics.source_switches.inc();
            tracing::warn!(
                source = outlet.shown,
                own = entry == Entry::Own,
                "switched to another source"
            );
        }
    }
}

/// Where one attempt puts what it reads.
pub struct SourceOutlet {
    stage: Arc<Stage>,
    entry: Entry,
    kind: &'static str,
    shown: String,
    described: Mutex<Option<Described>>,
    delivered: AtomicBool,
    given_up: AtomicBool,
}

impl SourceOutlet {
    /// Whether an access unit has come.
    pub fn has_delivered(&self) -> bool {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Whether it was ended as it took too long.
    pub fn was_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, Option<Described>> {
        self.described
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_in_use(&self) -> bool {
        self.stage.inner().machine.in_use() == Some(self.entry)
    }
}

impl Outlet for SourceOutlet {
    fn new_epoch(&self, cause: Cause) {
        let inner = self.stage.inner();
        if inner.machine.in_use() == Some(self.entry) {
            tracing::info!(cause = cause.as_str(), "new epoch");
            self.stage.router.begin_epoch(cause);
        }
    }

    fn clock_health(&self, health: Health) {
        if self.is_in_use() {
            self.stage.report.camera_clock(health.camera_offset_us);
        }
    }

    fn notice(&self, notice: Option<Fault>) {
        let mut inner = self.stage.inner();
        *inner.notice_of(self.entry) = match self.entry {
            Entry::Own => notice,
            Entry::Fallback(n) => {
                inner.standby_since = Instant::now();
                notice.map(|notice| Fault {
                    message: format!("spec.source.fallbacks[{n}]: {}", notice.message),
                    ..notice
                })
            }
        };
        self.stage.tell_notice(&inner);
    }

    fn want(&self, now: Instant) -> Want {
        // A source that is only watched shows by its access units that it is fresh.
        match self.stage.inner().machine.in_use() {
            Some(entry) if entry != self.entry => Want::Nothing,
            Some(_) | None => self.stage.router.want(now),
        }
    }

    fn frame(&self, frame: Captured) {
        let mut inner = self.stage.inner();
        // Under the lock: no frame of the old source may follow the first of the new one.
        if self.stage.unit(self, &mut inner) {
            self.stage.router.offer(&frame);
        }
    }

    fn described(&self, described: Described) {
        tracing::info!(
            codec = %described.codec,
            decoder = described.decoder.as_deref().unwrap_or("none"),
            width = described.width,
            height = described.height,
            "source delivers"
        );
        if self.is_in_use() {
            self.stage.report.described(&described);
        }
        *self.known() = Some(described);
    }

    fn stage(&self, stage: &'static str, took: Duration) {
        if self.is_in_use() {
            self.stage.report.metrics.observe_stage(stage, took);
        }
    }

    fn decoding(&self, count: u64) {
        self.stage.report.metrics.access_units_decoded.inc_by(count);
    }

    fn held_back(&self, reason: &'static str, count: u64) {
        if self.is_in_use() {
            self.stage.report.held_back(reason, count);
        }
    }

    fn alive(&self, access_unit: Option<Instant>) {
        let mut in_use = None;
        if access_unit.is_some() {
            self.delivered.store(true, Ordering::Relaxed);
            let used = self.stage.unit(self, &mut self.stage.inner());
            in_use = access_unit.filter(|_| used);
        } else if matches!(self.entry, Entry::Fallback(_)) && !self.has_delivered() {
            self.stage.hurry(self);
        }
        match self.entry {
            Entry::Own => self.stage.report.alive(in_use),
            Entry::Fallback(_) => self.stage.report.standby_alive(in_use),
        }
    }

    fn clock(&self) -> HubClock {
        self.stage.router.clock()
    }

    fn fastest_interval(&self) -> Duration {
        self.stage.router.fastest_interval()
    }

    fn needed(&self) -> Needed {
        self.stage.router.needed()
    }
}
