//! Load: when the machine cannot keep up, quality goes down, then rate, then size; all of it comes back by itself.
//!
//! Frames stay fresh without it, as the newest wins: but then chance says which are left out, and all that was done
//! for the others is paid by whatever else runs on the machine. A rendition's own thread feeds this with what it sees
//! of its own frames, so that it shares nothing with other renditions or cameras.

mod ladder;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use streamhub_crds::Rendition;

use crate::picture::Size;
pub use ladder::InForce;
use ladder::ladder;

/// What happens is looked at for this long, or for four frames where that is longer.
const WINDOW: Duration = Duration::from_secs(1);
const WINDOW_FRAMES: u32 = 4;
/// Without a frame for so many windows nothing is known.
const SILENCE_WINDOWS: u32 = 3;
/// So many windows in a row must be overloaded before something is taken away.
const PROOF: u32 = 2;
/// So many must have room before something is given back; twice as many after each attempt that failed.
const PATIENCE: u32 = 5;
const MOST_PATIENCE: u32 = 320;
/// An attempt that was not followed by overload for so many windows has succeeded.
const HELD: u32 = 30;

/// The thread works for this share of the time: the next hiccup costs a frame.
const BUSY: f64 = 0.85;
/// What a step up may make of that share.
const ROOM: f64 = 0.6;
/// So many due frames replaced by newer ones are too many, if the thread works for `SOME` of the time: else they came
/// in a burst.
const OVERTAKEN: f64 = 0.1;
const SOME: f64 = 0.5;
/// A thread that takes this many times its own CPU time is kept from the CPU by others.
const STARVED: f64 = 1.5;
/// Less CPU time than this in a window says nothing about that.
const MEASURABLE: Duration = Duration::from_millis(2);
/// Frames that are this much older than the freshest ones, and by more than this many intervals, came late.
const LATE: Duration = Duration::from_millis(200);
const LATE_INTERVALS: u32 = 3;
/// The age of the freshest frames may grow by this much per window, as the camera may be set anew.
const AGEING: f64 = 1.01;

/// What one frame cost.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// From taking the frame to handing it to NATS.
    pub took: Duration,
    /// CPU time of the thread meanwhile.
    pub cpu: Duration,
    /// How old it was when it was handed to NATS; absent when it was not.
    pub age: Option<Duration>,
    /// Access units that the decoder was too late for, since the process started.
    pub decoder_late: u64,
}

/// What the load made of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// One step was taken away.
    Reduced,
    /// One step was given back.
    Raised,
    /// All is as it was asked for again.
    Restored,
}

/// What a rendition is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// Address of the source.
    pub source: Arc<str>,
    /// The size without load.
    pub full: Size,
    /// The camera's JPEG goes out as it is, of which only the rate can be lowered.
    pub passed_through: bool,
}

impl Basis {
    fn ladder(&self, rendition: &Rendition) -> Vec<InForce> {
        ladder(rendition, self.full, self.passed_through)
    }

    /// Whether what was learnt of the one holds for the other: the work is of the same kind, on the same pictures.
    fn is_like(&self, other: &Self) -> bool {
        self.source == other.source && self.passed_through == other.passed_through
    }
}

/// What is made of a rendition under load. Fed with time; decides at the end of each window.
#[derive(Debug)]
pub struct Load {
    basis: Basis,
    ladder: Vec<InForce>,
    level: usize,
    window: Option<Window>,
    last_id: Option<(u64, u64)>,
    decoder_late: Option<u64>,
    freshest: Option<Duration>,
    overloaded: u32,
    room: u32,
    patience: u32,
    since_raised: Option<u32>,
}

#[derive(Debug)]
struct Window {
    begin: Instant,
    last: Instant,
    frames: u32,
    overtaken: u32,
    took: Duration,
    cpu: Duration,
    youngest: Option<Duration>,
    late: bool,
}

/// What a window showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Overloaded,
    Enough,
    Room,
}

impl Load {
    /// Nothing is reduced.
    pub fn new(rendition: &Rendition, basis: Basis) -> Self {
        Self {
            ladder: basis.ladder(rendition),
            basis,
            level: 0,
            window: None,
            last_id: None,
            decoder_late: None,
            freshest: None,
            overloaded: 0,
            room: 0,
            patience: PATIENCE,
            since_raised: None,
        }
    }

    /// The same load on what the rendition is now; none yet where it is made from something else.
    pub fn follow(&mut self, rendition: &Rendition, basis: Basis) -> Option<Change> {
        let before = self.level;
        if self.basis.is_like(&basis) {
            self.ladder = basis.ladder(rendition);
            self.basis = basis;
            self.level = before.min(self.ladder.len().saturating_sub(1));
        } else {
            *self = Self::new(rendition, basis);
        }
        (before > 0 && self.level == 0).then_some(Change::Restored)
    }

    /// How many steps are taken away.
    pub fn level(&self) -> usize {
        self.level
    }

    /// What the rendition is held to now.
    pub fn in_force(&self) -> InForce {
        // Never empty, and the level is always in it.
        self.ladder.get(self.level).copied().unwrap_or_default()
    }

    /// A due frame was taken: those between it and the last one were replaced before the thread was free.
    pub fn taken(&mut self, epoch: u64, frame_id: u64, now: Instant) {
        let last = self.last_id.replace((epoch, frame_id));
        if last.is_some_and(|(before, _)| before != epoch) {
            // Ages are of another clock now.
            self.freshest = None;
        }
        let overtaken = match last {
            Some((before, last)) if before == epoch => frame_id.saturating_sub(last + 1),
            _ => 0,
        };
        let window = self.window.get_or_insert_with(|| Window::new(now));
        window.frames += 1;
        window.overtaken += u32::try_from(overtaken).unwrap_or(u32::MAX);
    }

    /// The frame that was taken last is done. `interval`: between the frames that are due now.
    pub fn worked(&mut self, work: Work, interval: Duration, now: Instant) -> Option<Change> {
        let late_before = self.decoder_late.replace(work.decoder_late);
        let length = WINDOW.max(interval * WINDOW_FRAMES);
        let window = self.window.get_or_insert_with(|| Window::new(now));
        if now.saturating_duration_since(window.last) > length * SILENCE_WINDOWS {
            self.window = None;
            return self.rested();
        }
        window.last = now;
        window.took += work.took;
        window.cpu += work.cpu;
        window.late |= late_before.is_some_and(|before| work.decoder_late > before);
        window.youngest = match (window.youngest, work.age) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let elapsed = now.saturating_duration_since(window.begin);
        if elapsed < length {
            return None;
        }
        let verdict = self.judge(elapsed, interval);
        self.window = Some(Window::new(now));
        self.decide(verdict)
    }

    /// Hardly a frame was due for a long time, as while nobody listens: nothing is left that could be too much.
    fn rested(&mut self) -> Option<Change> {
        (self.overloaded, self.room, self.since_raised) = (0, 0, None);
        self.level = self.level.checked_sub(1)?;
        Some(if self.level == 0 {
            Change::Restored
        } else {
            Change::Raised
        })
    }

    fn judge(&mut self, elapsed: Duration, interval: Duration) -> Verdict {
        let Some(window) = &self.window else {
            return Verdict::Enough;
        };
        let busy = window.took.as_secs_f64() / elapsed.as_secs_f64();
        let due = f64::from(window.frames) + f64::from(window.overtaken);
        let overtaken = f64::from(window.overtaken) >= OVERTAKEN * due;
        let starved = window.cpu >= MEASURABLE
            && window.took.as_secs_f64() >= STARVED * window.cpu.as_secs_f64();
        let late = window.late
            || match (window.youngest, self.freshest) {
                (Some(age), Some(freshest)) => {
                    age.saturating_sub(freshest) > LATE.max(interval * LATE_INTERVALS)
                }
                _ => false,
            };
        if let Some(age) = window.youngest {
            let known = self.freshest.map(|known| known.mul_f64(AGEING));
            self.freshest = Some(known.map_or(age, |known| known.min(age)));
        }
        // A network or a camera that stutters also makes frames late and brings them in bursts: only together with a
        // thread that works or waits for the CPU is it the machine.
        if busy >= BUSY || (overtaken && busy >= SOME) || (starved && (overtaken || late)) {
            Verdict::Overloaded
        } else if !(starved && late) && busy * self.dearer() <= ROOM {
            Verdict::Room
        } else {
            Verdict::Enough
        }
    }

    /// By how much a step up would make the work dearer.
    fn dearer(&self) -> f64 {
        let above = self
            .level
            .checked_sub(1)
            .and_then(|above| self.ladder.get(above));
        above.map_or(1.0, |above| above.cost() / self.in_force().cost())
    }

    fn decide(&mut self, verdict: Verdict) -> Option<Change> {
        if let Some(windows) = &mut self.since_raised {
            *windows += 1;
            if *windows > HELD {
                self.since_raised = None;
                self.patience = PATIENCE.max(self.patience / 2);
            }
        }
        self.overloaded = match verdict {
            Verdict::Overloaded => self.overloaded + 1,
            _ => 0,
        };
        self.room = match verdict {
            Verdict::Room => self.room + 1,
            _ => 0,
        };
        if self.overloaded >= PROOF && self.level + 1 < self.ladder.len() {
            if self.since_raised.take().is_some() {
                self.patience = MOST_PATIENCE.min(self.patience * 2);
            }
            self.level += 1;
            self.overloaded = 0;
            return Some(Change::Reduced);
        }
        if self.room >= self.patience && self.level > 0 {
            self.level -= 1;
            self.room = 0;
            self.since_raised = Some(0);
            return Some(if self.level == 0 {
                Change::Restored
            } else {
                Change::Raised
            });
        }
        None
    }
}

impl Window {
    fn new(begin: Instant) -> Self {
        Self {
            begin,
            last: begin,
            frames: 0,
            overtaken: 0,
            took: Duration::ZERO,
            cpu: Duration::ZERO,
            youngest: None,
            late: false,
        }
    }
}
