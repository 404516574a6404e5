//! One camera's sources, kept alive: attempts, backoff, permanent faults, fallbacks, changes in place.

mod plan;
mod stage;
mod wanted;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use streamhub_backoff::Retries;
use streamhub_crds::Source;
use streamhub_devices::Watch;

use crate::fallback::{AGAIN, Entry, Outcome, Task};
use crate::fault::Fault;
use crate::report::{Report, SourceState};
use crate::router::Router;
use crate::secrets::Secrets;
use crate::source::remote::cache::CacheSettings;
use crate::source::v4l2::{DEVICE_BUSY, Devices};
use crate::source::{Attempt, End, Outlet};
use crate::stop::Stop;
use plan::Planner;
use stage::Stage;
use wanted::Order;

pub use wanted::Wanted;

/// An attempt that delivered and lasted so long begins its backoff anew.
const HELD: Duration = Duration::from_secs(10);

/// How often the fallbacks' thread looks whether it is needed, and whether devices came or went.
const LOOK: Duration = Duration::from_millis(250);

/// The longest wait for a capture device that another program has: nothing tells when it lets it go, and to ask disturbs
/// nobody.
const BUSY_AGAIN: Duration = Duration::from_secs(5);

/// The least between two attempts, and what udev needs to set up a device that came.
const SETTLED: Duration = Duration::from_millis(500);

/// Everything that the sources' threads need.
pub struct Keeper {
    /// What to run.
    pub wanted: Wanted,
    /// Where frames go.
    pub router: Arc<Router>,
    /// Where it is told.
    pub report: Arc<Report>,
    /// Mounted Secrets.
    pub secrets: Secrets,
    /// What relative file paths start from.
    pub media_root: PathBuf,
    /// Where files of servers are kept.
    pub media_cache: CacheSettings,
    /// Where capture devices are found.
    pub devices: Devices,
    /// How long the camera's own source must have been fresh before a fallback makes room for it.
    pub fresh_for: Duration,
    /// Told of every end that waits for a person.
    pub on_final: Box<dyn Fn(&End) + Send + Sync>,
}

impl Keeper {
    /// Runs until [`Wanted::end`].
    pub fn run(self) {
        let sources = Sources {
            stage: Arc::new(Stage::new(
                self.wanted.clone(),
                Arc::clone(&self.router),
                Arc::clone(&self.report),
                self.fresh_for,
            )),
            planner: Planner {
                secrets: self.secrets,
                media_root: self.media_root,
                media_cache: self.media_cache,
                devices: self.devices,
            },
            wanted: self.wanted,
            report: self.report,
            on_final: self.on_final,
        };
        let span = tracing::Span::current();
        std::thread::scope(|scope| {
            let standby = std::thread::Builder::new().name("fallbacks".to_owned());
            let started = standby.spawn_scoped(scope, || span.in_scope(|| sources.stand_by()));
            if let Err(error) = started {
                tracing::error!(%error, "no thread for the fallbacks: they are not used");
            }
            sources.keep_own();
        });
    }
}

/// What both threads share.
struct Sources {
    stage: Arc<Stage>,
    planner: Planner,
    wanted: Wanted,
    report: Arc<Report>,
    on_final: Box<dyn Fn(&End) + Send + Sync>,
}

impl Sources {
    /// Keeps the camera's own source going, whether it is in use or only watched.
    fn keep_own(&self) {
        let mut retries = Retries::new(AGAIN);
        let mut retrying = false;
        let mut version = None;
        let mut watch: Option<Watch> = None;
        while let Some(order) = self.wanted.own() {
            if version.replace(order.version) != Some(order.version) {
                self.stage.reset(&order.camera.spec.source);
                retries.reset();
                retrying = false;
            }
            let source = &order.camera.spec.source.primary;
            let plan = self.planner.plan(source, &order.camera);
            let shown = plan.as_ref().map_or("", plan::Plan::shown);
            if !order.camera.spec.enabled {
                self.report.source_address(source.kind().as_str(), shown);
                self.report.source_state(SourceState::Disabled);
                self.wait_for_change(&order.stop);
                continue;
            }
            if !retrying {
                self.report.source_state(SourceState::Connecting);
            }
            let started = Instant::now();
            let outlet = self.stage.begin(Entry::Own, source.kind().as_str(), shown);
            let attempt = Attempt {
                outlet: Arc::clone(&outlet) as Arc<dyn Outlet>,
                stop: order.stop.clone(),
            };
            let end = match plan {
                Ok(plan) => plan.run(&attempt),
                Err(fault) => End::Failed(fault),
            };
            self.stage.own_ended(outcome(&end), fault(&end));
            retrying = false;
            match end {
                End::Stopped | End::Again => retries.reset(),
                End::Failed(fault) if !fault.permanent => {
                    if started.elapsed() > HELD && outlet.has_delivered() {
                        retries.reset();
                    }
                    let wait = pause_after(&fault, retries.next_wait(rand::random()));
                    tracing::warn!(
                        reason = fault.reason,
                        why = %fault.message,
                        remedy = %fault.remedy,
                        retry_in_ms = wait.as_millis() as u64,
                        "source lost"
                    );
                    let devices = matches!(source, Source::V4l2(_))
                        .then(|| &*watch.get_or_insert_with(|| self.planner.watch()));
                    retrying = !self.pause(&order.stop, wait, devices);
                    if !retrying {
                        retries.reset();
                    }
                }
                end => {
                    self.settle(&end);
                    self.wait_for_change(&order.stop);
                    retries.reset();
                }
            }
        }
    }

    /// Runs a fallback whenever one is needed.
    fn stand_by(&self) {
        let mut version = None;
        while let Some(order) = self.wanted.standby() {
            let fallbacks = &order.camera.spec.source.fallbacks;
            if version.replace(order.version) != Some(order.version) {
                self.stage.set_fallbacks(fallbacks.len());
            }
            let task = if order.camera.spec.enabled {
                self.stage.task()
            } else {
                Task::Wait(None)
            };
            match task {
                Task::Try(n) => self.try_fallback(n, &order),
                Task::Wait(until) => {
                    self.report.standby_idle();
                    let left =
                        until.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
                    order.stop.wait(left.min(LOOK));
                }
            }
        }
    }

    fn try_fallback(&self, n: usize, order: &Order) {
        let Some(source) = order.camera.spec.source.fallbacks.get(n) else {
            return;
        };
        let plan = self.planner.plan(source, &order.camera);
        let shown = plan.as_ref().map_or("", plan::Plan::shown);
        tracing::info!(fallback = n, source = shown, "trying a fallback");
        let outlet = self
            .stage
            .begin(Entry::Fallback(n), source.kind().as_str(), shown);
        let attempt = Attempt {
            outlet: Arc::clone(&outlet) as Arc<dyn Outlet>,
            stop: order.stop.clone(),
        };
        let end = match &plan {
            Ok(plan) => plan.run(&attempt),
            Err(fault) => End::Failed(fault.clone()),
        };
        let end = match end {
            End::Stopped if outlet.was_given_up() => End::Failed(too_slow(shown)),
            end => end,
        };
        let end = match end {
            End::Failed(mut fault) => {
                fault.message = format!("spec.source.fallbacks[{n}]: {}", fault.message);
                tracing::warn!(
                    reason = fault.reason,
                    why = %fault.message,
                    remedy = %fault.remedy,
                    again = !fault.permanent,
                    "fallback lost"
                );
                End::Failed(fault)
            }
            end => end,
        };
        self.stage.fallback_ended(n, outcome(&end), fault(&end));
        if let Some(fault) = self.stage.hopeless() {
            (self.on_final)(&End::Failed(fault));
        }
    }

    /// The camera's own source is at an end that needs a person; a fallback may still go on.
    fn settle(&self, end: &End) {
        match end {
            End::Failed(fault) => {
                tracing::error!(
                    reason = fault.reason,
                    why = %fault.message,
                    remedy = %fault.remedy,
                    "source cannot work as configured"
                );
                if self.stage.hopeless().is_some() {
                    (self.on_final)(end);
                }
            }
            End::Finished | End::Stopped | End::Again => {
                tracing::info!("end of file");
                self.report.source_state(SourceState::Finished);
                (self.on_final)(end);
            }
        }
    }

    fn wait_for_change(&self, stop: &Stop) {
        while !stop.wait(Duration::from_secs(1)) {
            self.report.alive(None);
        }
    }

    /// Waits before the next attempt, less long where devices came or went; `true` when something else is wanted meanwhile.
    fn pause(&self, stop: &Stop, wait: Duration, devices: Option<&Watch>) -> bool {
        let mut until = Instant::now() + wait;
        let slice = devices.map_or(Duration::from_secs(1), |_| LOOK);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if stop.wait(left.min(slice)) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
            if devices.is_some_and(Watch::stirred) {
                until = until.min(Instant::now() + SETTLED);
            }
            self.report.alive(None);
        }
    }
}

/// How long to wait before a source is opened again that failed so, where its failures in a row make it `wait`.
fn pause_after(fault: &Fault, wait: Duration) -> Duration {
    match fault.reason {
        DEVICE_BUSY => wait.min(BUSY_AGAIN),
        _ => wait,
    }
}

fn too_slow(shown: &str) -> Fault {
    Fault::transient(
        "NoFrames",
        format!("{shown}: it takes longer than the next fallback is to wait"),
        "check that it is on and can be reached; it has more time once all were tried",
    )
}

fn outcome(end: &End) -> Outcome {
    match end {
        End::Stopped | End::Again => Outcome::Stopped,
        End::Finished => Outcome::Finished,
        End::Failed(fault) if fault.permanent => Outcome::Impossible,
        End::Failed(_) => Outcome::Lost,
    }
}

fn fault(end: &End) -> Option<&Fault> {
    match end {
        End::Failed(fault) => Some(fault),
        End::Stopped | End::Finished | End::Again => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_another_program_has_is_asked_for_again_soon() {
        let of = |reason| Fault::transient(reason, "", "");
        let longest = |fault: &Fault| {
            let mut retries = Retries::new(AGAIN);
            let waits = (0..20).map(|_| pause_after(fault, retries.next_wait(1.0)));
            waits.max()
        };
        let busy = crate::source::v4l2::busy("/dev/video0");
        assert_eq!(longest(&busy), Some(BUSY_AGAIN));
        for other in ["NoFrames", "CameraError", "CameraBusy"] {
            assert_eq!(
                longest(&of(other)),
                Some(Duration::from_secs(30)),
                "{other}"
            );
        }
        // The first waits are those of every source.
        assert_eq!(
            pause_after(&busy, Duration::from_millis(500)),
            Duration::from_millis(500)
        );
    }
}
