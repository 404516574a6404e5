//! From the source's frames to each rendition's due frames: ticks, ids, epochs, and none while nobody listens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use streamhub_crds::{Dimension, Fps, Rendition};
use streamhub_wire::ids::{FrameIds, HEARD_LIMIT};
use streamhub_wire::interest::{Listeners, PROBE_EVERY};
use streamhub_wire::tick::{Offer, RateGate, TickGrid};

use crate::captured::Captured;
use crate::clock::Cause;
use crate::clock::node::NodeClock;
use crate::hub_clock::HubClock;
use crate::picture::Size;
use crate::slot::Slot;
use crate::source::Needed;
use crate::timeline::Timeline;

/// How often the node's clock is compared with the monotonic one.
const CLOCK_CHECK: Duration = Duration::from_secs(1);

/// A little less than a second: of a camera that sends a key frame each second, none is to be missed for coming a
/// little early.
const PROBE_AGAIN: Duration = PROBE_EVERY.saturating_sub(Duration::from_millis(50));

/// Names of renditions that are remembered: four times as many as a camera may have.
const MOST_RENDITIONS: usize = 64;

/// One due frame of one rendition.
#[derive(Clone)]
pub struct Due {
    /// The picture.
    pub frame: Captured,
    /// The rendition as it is configured for this frame.
    pub rendition: Arc<Rendition>,
    /// Its number.
    pub frame_id: u64,
    /// UNIX milliseconds when this numbering began.
    pub epoch: u64,
    /// Sampling instant, UNIX microseconds.
    pub tick_us: i64,
    /// When the light hit the sensor, UNIX microseconds.
    pub timestamp_us: i64,
    /// How far off `timestamp_us` may be at most, milliseconds; `None` where no bound can be given.
    pub error_ms: Option<f64>,
    /// Address of the source, fit to be shown.
    pub source: Arc<str>,
    /// Every how many ticks of the rendition's rate a frame was due.
    pub every: u32,
}

/// Every how many ticks of its rate a rendition wants a frame: all of them, unless its worker cannot keep up.
#[derive(Clone, Debug)]
pub struct Every(Arc<AtomicU32>);

impl Default for Every {
    fn default() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }
}

impl Every {
    /// From the next frame on.
    pub fn set(&self, ticks: u32) {
        self.0.store(ticks.max(1), Ordering::Relaxed);
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the router needs from whoever runs the renditions.
pub trait Lanes: Send + Sync {
    /// Starts the worker of a rendition, which takes from `slot` until it is closed, and may want fewer frames. Returns
    /// who listens to it.
    fn start(&self, rendition: &Arc<Rendition>, slot: Slot<Due>, every: Every) -> Listeners;
    /// A due frame was replaced by a newer one before the worker took it.
    fn overtaken(&self, rendition: &Rendition);
    /// The rendition is gone.
    fn ended(&self, rendition: &Rendition);
    /// An epoch has begun.
    fn epoch_begun(&self, cause: Cause);
    /// The node's clock was stepped by so many microseconds.
    fn clock_stepped(&self, step_us: i64);
    /// Ids had to begin ahead of this node's clock by so many milliseconds.
    fn clock_behind(&self, by_ms: Option<u64>);
}

/// Which pictures of the source are of use now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Each, as soon as it is there: somebody listens.
    All,
    /// One: nobody listens, and it is time to see whether that is still so.
    Probe,
    /// None.
    Nothing,
}

/// Distributes the frames of one camera.
pub struct Router {
    state: Mutex<State>,
    lanes: Arc<dyn Lanes>,
}

struct State {
    clock: HubClock,
    clock_checked: Instant,
    node: NodeClock,
    epoch: u64,
    timeline: Timeline,
    incarnation: u64,
    source: Arc<str>,
    lanes: Vec<Lane>,
    /// When the idle renditions are due to see whether anybody listens: one instant for all of them, so that one
    /// picture serves all.
    next_probe: Instant,
    /// Highest id of each rendition that this process used or heard of, for renditions that come back.
    used: HashMap<String, u64>,
}

/// When a frame was taken.
#[derive(Clone, Copy)]
struct Sampled {
    timestamp_us: i64,
    error_ms: Option<f64>,
    epoch: u64,
}

struct Lane {
    rendition: Arc<Rendition>,
    gate: RateGate,
    ids: FrameIds,
    slot: Slot<Due>,
    listeners: Listeners,
    every: Every,
}

impl Router {
    /// A router without renditions.
    pub fn new(incarnation: u64, lanes: Arc<dyn Lanes>) -> Self {
        let clock = HubClock::now_anchored();
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                clock,
                clock_checked: now,
                node: NodeClock::default(),
                epoch: millis(clock.unix_us(now)),
                timeline: Timeline::default(),
                incarnation,
                source: "".into(),
                lanes: Vec::new(),
                next_probe: now,
                used: HashMap::new(),
            }),
            lanes,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock that timestamps are read from. What is found by it is offered within [`CLOCK_CHECK`], so that a step
    /// of the node's clock does not come between.
    pub fn clock(&self) -> HubClock {
        let mut state = self.state();
        let step = state.check_clock(CLOCK_CHECK);
        let clock = state.clock;
        drop(state);
        self.tell_step(step);
        clock
    }

    fn tell_step(&self, step: Option<(i64, Option<u64>)>) {
        if let Some((step_us, behind)) = step {
            self.lanes.clock_stepped(step_us);
            self.lanes.epoch_begun(Cause::NodeClock);
            self.lanes.clock_behind(behind);
        }
    }

    /// Timestamps may jump from here on.
    pub fn begin_epoch(&self, cause: Cause) {
        let behind = self.state().new_epoch();
        self.lanes.epoch_begun(cause);
        self.lanes.clock_behind(behind);
    }

    /// Interval of the fastest rendition; a second when there is none.
    pub fn fastest_interval(&self) -> Duration {
        self.state()
            .lanes
            .iter()
            .map(|lane| lane.rendition.fps.interval())
            .min()
            .unwrap_or(Duration::from_secs(1))
    }

    /// What the renditions need of a source that can deliver in several ways.
    pub fn needed(&self) -> Needed {
        let state = self.state();
        let renditions = || state.lanes.iter().map(|lane| &lane.rendition);
        let side = |side: Option<Dimension>| side.map_or(0, Dimension::get);
        let as_it_comes = renditions().any(|r| r.width.is_none() && r.height.is_none());
        let largest = |size: Size, r: &Arc<Rendition>| {
            Size::new(
                size.width.max(side(r.width)),
                size.height.max(side(r.height)),
            )
        };
        Needed {
            fps: renditions()
                .map(|rendition| rendition.fps)
                .min_by_key(|fps| fps.interval())
                .unwrap_or(Fps::THIRTY),
            size: (!as_it_comes).then(|| renditions().fold(Size::new(0, 0), largest)),
        }
    }

    /// Timestamps may jump from here on: the source at this address is (re)connected.
    pub fn new_epoch(&self, source: &str) {
        let mut state = self.state();
        if &*state.source != source {
            state.source = source.into();
        }
        drop(state);
        self.begin_epoch(Cause::Connected);
    }

    /// Another instance of this camera has published this id: number above it.
    pub fn heard(&self, rendition: &str, frame_id: u64) {
        let mut state = self.state();
        // What other processes say is not believed beyond what can be true.
        let absurd = frame_id >= HEARD_LIMIT;
        let strange = !state.used.contains_key(rendition) && state.used.len() >= MOST_RENDITIONS;
        if absurd || strange {
            return;
        }
        let known = state.used.entry(rendition.to_owned()).or_default();
        *known = frame_id.max(*known);
        let mut lifted = false;
        for lane in &mut state.lanes {
            if lane.rendition.name.as_str() == rendition {
                lifted |= lane.ids.heard(frame_id);
            }
        }
        drop(state);
        if lifted {
            self.begin_epoch(Cause::IdHeard);
        }
    }

    /// Takes the renditions over: those that stay keep flowing, a changed rate gets a new grid.
    pub fn set_renditions(&self, wanted: &[Rendition]) {
        let mut state = self.state();
        let (keep, gone) = std::mem::take(&mut state.lanes)
            .into_iter()
            .partition::<Vec<_>, _>(|lane| wanted.iter().any(|w| w.name == lane.rendition.name));
        state.lanes = keep;
        for rendition in wanted {
            let Ok(grid) = TickGrid::new(rendition.fps.num(), rendition.fps.den()) else {
                continue;
            };
            let known = state
                .lanes
                .iter_mut()
                .find(|lane| lane.rendition.name == rendition.name);
            if let Some(lane) = known {
                lane.rendition = Arc::new(rendition.clone());
                continue;
            }
            let now = millis(state.clock.unix_us(Instant::now()));
            let mut ids = FrameIds::new(state.incarnation, now);
            if let Some(used) = state.used.get(rendition.name.as_str())
                && ids.heard(*used)
            {
                ids.new_epoch(now);
            }
            let (rendition, slot) = (Arc::new(rendition.clone()), Slot::default());
            let every = Every::default();
            state.lanes.push(Lane {
                listeners: self.lanes.start(&rendition, slot.clone(), every.clone()),
                rendition,
                gate: RateGate::new(grid),
                ids,
                slot,
                every,
            });
        }
        drop(state);
        for lane in gone {
            lane.slot.close();
            self.lanes.ended(&lane.rendition);
        }
    }

    /// Which pictures are of use at `now`. Those that are not need not be made.
    pub fn want(&self, now: Instant) -> Want {
        let state = self.state();
        if state.lanes.iter().any(|lane| lane.listeners.is_active()) {
            Want::All
        } else if now >= state.next_probe {
            Want::Probe
        } else {
            Want::Nothing
        }
    }

    /// Gives a frame to every rendition that somebody listens to and whose rate wants it; to the others one in a
    /// while.
    pub fn offer(&self, frame: &Captured) {
        let mut state = self.state();
        let step = state.check_clock(2 * CLOCK_CHECK);
        let (epoch, at_us) = (state.epoch, state.clock.unix_us(frame.at));
        let (timestamp_us, moved) = state.timeline.next(epoch, at_us);
        let sampled = Sampled {
            timestamp_us,
            error_ms: state.error_ms(frame.error.map(|error| error + moved)),
            epoch,
        };
        let now = Instant::now();
        let probe = now >= state.next_probe;
        if probe {
            state.next_probe = now + PROBE_AGAIN;
        }
        let State {
            lanes,
            used,
            source,
            ..
        } = &mut *state;
        for lane in lanes {
            let active = lane.listeners.is_active();
            if !active && !probe {
                // Not due: nobody misses it, so it takes no id.
                continue;
            }
            if let Some(due) = lane.due(frame, active, sampled, source) {
                if let Some(last) = used.get_mut(lane.rendition.name.as_str()) {
                    *last = due.frame_id;
                } else {
                    used.insert(lane.rendition.name.to_string(), due.frame_id);
                }
                if lane.slot.put(due).is_some() {
                    self.lanes.overtaken(&lane.rendition);
                }
            }
        }
        drop(state);
        self.tell_step(step);
    }

    /// The last id used of each rendition, published or not.
    pub fn last_ids(&self) -> HashMap<String, u64> {
        self.state().used.clone()
    }

    /// Ends all renditions.
    pub fn close(&self) {
        self.set_renditions(&[]);
    }
}

impl State {
    /// Begins a new numbering. Returns by how much the clock is behind what is known, if it is.
    fn new_epoch(&mut self) -> Option<u64> {
        let now = millis(self.clock.unix_us(Instant::now()));
        self.epoch = now.max(self.epoch + 1);
        for lane in &mut self.lanes {
            lane.ids.new_epoch(now);
            lane.gate.new_epoch();
        }
        self.lanes
            .iter()
            .filter_map(|lane| lane.ids.clock_behind_ms())
            .max()
    }

    /// The source's own bound and the node's clock together.
    fn error_ms(&mut self, own: Option<Duration>) -> Option<f64> {
        let node = self.node.error(Instant::now());
        let micros = (own? + node? + self.clock.drift()).as_micros();
        Some(micros as f64 / 1e3)
    }

    fn check_clock(&mut self, every: Duration) -> Option<(i64, Option<u64>)> {
        if self.clock_checked.elapsed() < every {
            return None;
        }
        self.clock_checked = Instant::now();
        let step = self.clock.resync()?;
        // A clock set back must not be outrun by the epochs counted before.
        Some((step, self.new_epoch()))
    }
}

impl Lane {
    fn due(
        &mut self,
        frame: &Captured,
        active: bool,
        sampled: Sampled,
        source: &Arc<str>,
    ) -> Option<Due> {
        let Sampled {
            timestamp_us,
            error_ms,
            epoch,
        } = sampled;
        let every = self.keep_to_rate();
        let offer = if frame.repeated {
            self.gate.hold(timestamp_us)?
        } else if active {
            self.gate.offer(timestamp_us)
        } else {
            self.gate.probe(timestamp_us)
        };
        let Offer::Due { tick_us, .. } = offer else {
            return None;
        };
        Some(Due {
            frame: frame.clone(),
            rendition: Arc::clone(&self.rendition),
            frame_id: self.ids.take(),
            epoch,
            tick_us,
            timestamp_us: if frame.repeated {
                tick_us
            } else {
                timestamp_us
            },
            error_ms,
            source: Arc::clone(source),
            every,
        })
    }

    /// Brings the gate to the rate that holds now; every how many ticks of the rendition's that is. Its ticks are some
    /// of the rendition's own, so they stay on the grid that all cameras share.
    fn keep_to_rate(&mut self) -> u32 {
        let (rate, every) = (self.rendition.fps, self.every.get());
        let thinned = rate.den().checked_mul(every);
        let grid = thinned.and_then(|den| TickGrid::new(rate.num(), den).ok());
        match grid {
            Some(grid) => {
                if self.gate.grid() != grid {
                    self.gate.set_grid(grid);
                }
                every
            }
            None => 1,
        }
    }
}

fn millis(unix_us: i64) -> u64 {
    u64::try_from(unix_us / 1000).unwrap_or(0)
}
