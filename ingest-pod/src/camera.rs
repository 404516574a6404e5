//! One camera's source, kept alive: attempts, backoff, permanent faults, changes in place.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use streamhub_crds::{Camera, Source};
use streamhub_wire::tick::TickGrid;

use crate::backoff::Backoff;
use crate::captured::Captured;
use crate::clock::{Cause, Health};
use crate::fault::Fault;
use crate::hub_clock::HubClock;
use crate::picture::Size;
use crate::report::{Report, SourceState};
use crate::router::{Router, Want};
use crate::secrets::Secrets;
use crate::source::file::FileSpec;
use crate::source::http::client::HttpSpec;
use crate::source::remote::RemoteSpec;
use crate::source::remote::cache::CacheSettings;
use crate::source::rtsp::RtspSpec;
use crate::source::{self, Attempt, Described, End, Outlet};
use crate::stop::Stop;

/// An attempt that delivered and lasted so long begins its backoff anew.
const HELD: Duration = Duration::from_secs(10);

/// What the camera is to be, and the handle to stop what it is.
#[derive(Clone)]
pub struct Wanted(Arc<Mutex<State>>);

struct State {
    camera: Camera,
    attempt: Stop,
    ended: bool,
}

impl Wanted {
    /// Begins with this document.
    pub fn new(camera: Camera) -> Self {
        Self(Arc::new(Mutex::new(State {
            camera,
            attempt: Stop::new(),
            ended: false,
        })))
    }

    /// Takes a new document over; what runs is stopped only when the source is another one.
    pub fn replace(&self, camera: Camera) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = state.camera.spec.source == camera.spec.source
            && state.camera.spec.enabled == camera.spec.enabled;
        state.camera = camera;
        if !same {
            state.attempt.stop();
        }
    }

    /// Ends it for good.
    pub fn end(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended = true;
        state.attempt.stop();
    }

    fn next(&self) -> Option<(Camera, Stop)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.ended {
            return None;
        }
        if state.attempt.is_stopped() {
            state.attempt = Stop::new();
        }
        Some((state.camera.clone(), state.attempt.clone()))
    }
}

/// Everything that a source's thread needs.
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
    /// Told of every end that waits for a person.
    pub on_final: Box<dyn Fn(&End) + Send>,
}

impl Keeper {
    /// Runs until [`Wanted::end`].
    pub fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let mut retrying = false;
        while let Some((camera, stop)) = self.wanted.next() {
            let plan = self.plan(&camera);
            let shown = plan.as_ref().map_or("", Plan::shown);
            let kind = camera.source_kind().as_str();
            self.report.source_address(kind, shown);
            if !camera.spec.enabled {
                self.report.source_state(SourceState::Disabled);
                self.wait_for_change(&stop);
                retrying = false;
                continue;
            }
            if !retrying {
                self.report.source_state(SourceState::Connecting);
            }
            let started = Instant::now();
            let outlet = Arc::new(SourceOutlet {
                router: Arc::clone(&self.router),
                report: Arc::clone(&self.report),
                delivered: AtomicBool::new(false),
            });
            self.router.new_epoch(shown);
            let attempt = Attempt {
                outlet: Arc::clone(&outlet) as Arc<dyn Outlet>,
                stop: stop.clone(),
            };
            let end = match plan {
                Ok(plan) => plan.run(&attempt),
                Err(fault) => End::Failed(fault),
            };
            match end {
                End::Stopped => {
                    backoff.reset();
                    retrying = false;
                }
                End::Failed(fault) if !fault.permanent => {
                    if started.elapsed() > HELD && outlet.delivered.load(Ordering::Relaxed) {
                        backoff.reset();
                    }
                    retrying = true;
                    let wait = backoff.next_wait(rand::random());
                    tracing::warn!(
                        reason = fault.reason,
                        why = %fault.message,
                        remedy = %fault.remedy,
                        retry_in_ms = wait.as_millis() as u64,
                        "source lost"
                    );
                    self.report.source_state(SourceState::Retrying(fault));
                    if self.pause(&stop, wait) {
                        backoff.reset();
                        retrying = false;
                    }
                }
                end => {
                    self.settle(&end);
                    self.wait_for_change(&stop);
                    backoff.reset();
                    retrying = false;
                }
            }
        }
    }

    /// The end needs a person.
    fn settle(&self, end: &End) {
        match end {
            End::Failed(fault) => {
                tracing::error!(
                    reason = fault.reason,
                    why = %fault.message,
                    remedy = %fault.remedy,
                    "source cannot work as configured"
                );
                self.report.source_state(SourceState::Failed(fault.clone()));
            }
            End::Finished | End::Stopped => {
                tracing::info!("end of file");
                self.report.source_state(SourceState::Finished);
            }
        }
        (self.on_final)(end);
    }

    fn wait_for_change(&self, stop: &Stop) {
        while !stop.wait(Duration::from_secs(1)) {
            self.report.alive(false);
        }
    }

    /// Waits before the next attempt; `true` when something else is wanted meanwhile.
    fn pause(&self, stop: &Stop, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if stop.wait(left.min(Duration::from_secs(1))) {
                return true;
            }
            if left.is_zero() {
                return false;
            }
            self.report.alive(false);
        }
    }

    /// What the document asks for, with the secrets as they are now.
    fn plan(&self, camera: &Camera) -> Result<Plan, Fault> {
        let name = camera.metadata.name.as_deref().unwrap_or_default();
        match &camera.spec.source.primary {
            _ if !camera.spec.source.fallbacks.is_empty() => {
                Err(not_built("spec.source.fallbacks"))
            }
            Source::V4l2(_) => Err(not_built("spec.source.v4l2")),
            Source::Rtsp(rtsp) => self.secrets.rtsp(rtsp).map(Plan::Rtsp),
            Source::Http(http) => self.secrets.http(http).map(Plan::Http),
            Source::File(file) => {
                if let Some(remote) = file.uri.remote() {
                    let spec = self.secrets.remote(file, remote, &self.media_cache);
                    return spec.map(|spec| Plan::Remote(Box::new(spec)));
                }
                let path = file.uri.path(&self.media_root);
                let path = std::path::absolute(&path).unwrap_or(path);
                Ok(Plan::File(FileSpec {
                    shown: format!("file://{}", path.display()),
                    path,
                    fps: file.fps,
                    on_end: file.on_end,
                }))
            }
            Source::Test(test) => match TickGrid::new(test.fps.num(), test.fps.den()) {
                Ok(grid) => Ok(Plan::Test {
                    shown: format!("test://{name}"),
                    size: Size::new(test.width.get(), test.height.get()),
                    grid,
                    label: name.to_owned(),
                }),
                Err(error) => Err(Fault::permanent(
                    "InvalidRate",
                    format!("spec.source.test.fps: {error}"),
                    "give a rate above 0 and at most 240",
                )),
            },
        }
    }
}

/// What this build can't do yet.
fn not_built(field: &str) -> Fault {
    Fault::permanent(
        "NotSupported",
        format!("{field}: this build of streamhub-ingest does not support it"),
        "use a newer build, or another source",
    )
}

/// One attempt, ready to run.
enum Plan {
    Rtsp(RtspSpec),
    Http(HttpSpec),
    File(FileSpec),
    Remote(Box<RemoteSpec>),
    Test {
        shown: String,
        size: Size,
        grid: TickGrid,
        label: String,
    },
}

impl Plan {
    /// The source's address as metadata and status may show it.
    fn shown(&self) -> &str {
        match self {
            Self::Rtsp(spec) => &spec.shown,
            Self::Http(spec) => &spec.shown,
            Self::File(spec) => &spec.shown,
            Self::Remote(spec) => &spec.shown,
            Self::Test { shown, .. } => shown,
        }
    }

    fn run(&self, attempt: &Attempt) -> End {
        match self {
            Self::Rtsp(spec) => source::rtsp::run(spec, attempt),
            Self::Http(spec) => source::http::run(spec, attempt),
            Self::File(spec) => source::file::run(spec, attempt),
            Self::Remote(spec) => source::remote::run(spec, attempt),
            Self::Test {
                size, grid, label, ..
            } => source::test::run(*size, *grid, label, attempt),
        }
    }
}

struct SourceOutlet {
    router: Arc<Router>,
    report: Arc<Report>,
    delivered: AtomicBool,
}

impl Outlet for SourceOutlet {
    fn want(&self, now: Instant) -> Want {
        self.router.want(now)
    }

    fn new_epoch(&self, cause: Cause) {
        tracing::info!(cause = cause.as_str(), "new epoch");
        self.router.begin_epoch(cause);
    }

    fn clock_health(&self, health: Health) {
        self.report.camera_clock(health.camera_offset_us);
    }

    fn frame(&self, frame: Captured) {
        self.router.offer(&frame);
    }

    fn described(&self, described: Described) {
        tracing::info!(
            codec = %described.codec,
            decoder = described.decoder.as_deref().unwrap_or("none"),
            width = described.width,
            height = described.height,
            "source delivers"
        );
        self.report.described(
            &described.codec,
            described.decoder.as_deref(),
            described.width,
            described.height,
        );
    }

    fn stage(&self, stage: &'static str, took: Duration) {
        self.report.metrics.observe_stage(stage, took);
    }

    fn decoding(&self, count: u64) {
        self.report.metrics.access_units_decoded.inc_by(count);
    }

    fn held_back(&self, reason: &'static str, count: u64) {
        self.report.held_back(reason, count);
    }

    fn alive(&self, access_unit: bool) {
        if access_unit {
            self.delivered.store(true, Ordering::Relaxed);
        }
        self.report.alive(access_unit);
    }

    fn notice(&self, notice: Option<Fault>) {
        self.report.notice(notice);
    }

    fn clock(&self) -> HubClock {
        self.router.clock()
    }

    fn fastest_interval(&self) -> Duration {
        self.router.fastest_interval()
    }
}
