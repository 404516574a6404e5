//! The waiting frames of one camera.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Moment;

/// Distances between frames that are remembered to tell the camera's own pace; odd, for a middle one.
const GAPS: usize = 5;
/// The mean of ticks against timestamps is taken over about so many frames.
const MEAN_OF: f64 = 16.0;
/// Never more frames wait than this, whatever the rate: half a second at 120 frames a second.
const MOST_WAITING: usize = 64;
/// Ticks are rounded to microseconds.
const ROUNDING_US: f64 = 1.0;

/// One frame that waits.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    pub(super) tick_us: i64,
    pub(super) received: Instant,
    /// When it was taken, as the camera's ticks tell it: without the jitter of its timestamp.
    steady_us: f64,
    frame: T,
}

impl<T> Waiting<T> {
    pub(super) fn at(&self) -> At {
        At {
            tick_us: self.tick_us,
            steady_us: self.steady_us,
        }
    }
}

/// Where a frame stands in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    tick_us: i64,
    steady_us: f64,
}

/// Which waiting frame belongs to another camera's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// This one, whatever still comes.
    Found(usize),
    /// None, whatever still comes.
    Missing,
    /// This one if nothing better comes.
    Undecided(Option<usize>),
}

/// One camera.
#[derive(Debug)]
pub(super) struct Lane<T> {
    max_wait: Duration,
    waiting: VecDeque<Waiting<T>>,
    heard: Option<Instant>,
    last: Option<Moment>,
    lead: Lead,
    gaps_us: VecDeque<i64>,
}

impl<T> Lane<T> {
    pub(super) fn new(max_wait: Duration) -> Self {
        Self {
            max_wait,
            waiting: VecDeque::new(),
            heard: None,
            last: None,
            lead: Lead::default(),
            gaps_us: VecDeque::new(),
        }
    }

    /// Returns how many frames found no place: this one or an older one.
    pub(super) fn offer(&mut self, moment: Moment, frame: T, now: Instant) -> u64 {
        let sensible = moment.interval_us.is_finite() && moment.interval_us > 0.0;
        let newer = self.last.is_none_or(|last| {
            moment.frame_id > last.frame_id
                && (moment.epoch != last.epoch || moment.tick_us > last.tick_us)
        });
        if !sensible || !newer {
            return 1;
        }
        self.heard = Some(now);
        let mut unused = 0;
        match self.last.replace(moment) {
            Some(last) if last.epoch == moment.epoch => {
                if self.gaps_us.len() == GAPS {
                    self.gaps_us.pop_front();
                }
                self.gaps_us
                    .push_back(moment.tick_us.saturating_sub(last.tick_us));
            }
            Some(last) => {
                self.lead = Lead::default();
                self.gaps_us.clear();
                if moment.tick_us <= last.tick_us {
                    // The clock went back: what waits would never be reached.
                    unused += self.waiting.len() as u64;
                    self.waiting.clear();
                }
            }
            None => {}
        }
        let lead_us = self.lead.follow(&moment);
        if self.waiting.len() >= self.most_waiting(moment.interval_us) {
            self.waiting.pop_front();
            unused += 1;
        }
        self.waiting.push_back(Waiting {
            tick_us: moment.tick_us,
            received: now,
            steady_us: moment.tick_us as f64 - lead_us,
            frame,
        });
        unused
    }

    /// As many as can come while one waits, and a few.
    fn most_waiting(&self, interval_us: f64) -> usize {
        let meanwhile = self.max_wait.as_secs_f64() * 1e6 / interval_us;
        (meanwhile as usize).saturating_add(4).min(MOST_WAITING)
    }

    pub(super) fn front(&self) -> Option<&Waiting<T>> {
        self.waiting.front()
    }

    pub(super) fn second(&self) -> Option<&Waiting<T>> {
        self.waiting.get(1)
    }

    /// When the last frame came.
    pub(super) fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Between the ticks of the rendition, microseconds.
    pub(super) fn interval_us(&self) -> f64 {
        self.last.map_or(0.0, |last| last.interval_us)
    }

    /// Between its frames, microseconds: more than the interval where the camera is slower than its rendition may be.
    pub(super) fn pace_us(&self) -> f64 {
        let mut gaps: Vec<i64> = self.gaps_us.iter().copied().collect();
        gaps.sort_unstable();
        // The middle one: a single pause is not a pace.
        let middle = gaps.get(GAPS / 2).filter(|_| gaps.len() == GAPS);
        middle
            .map_or(0.0, |gap| *gap as f64)
            .max(self.interval_us())
    }

    /// A silence of this length is usual.
    pub(super) fn patience(&self) -> Duration {
        // A camera that says one frame a century shall not overflow the clock.
        Duration::from_secs_f64((2.0 * self.pace_us() / 1e6).min(86_400.0))
    }

    /// The frame that belongs to another camera's `first`, which `second` follows where it is known already; not
    /// further than `within_us` by their ticks, nor by when they were taken.
    pub(super) fn nearest(&self, first: At, second: Option<At>, within_us: f64) -> Pick {
        let off = |waiting: &Waiting<T>, at: At| waiting.steady_us - at.steady_us;
        let near = |waiting: &Waiting<T>| {
            let ticks_us = waiting.tick_us.saturating_sub(first.tick_us) as f64;
            ticks_us.abs().max(off(waiting, first).abs()) <= within_us + ROUNDING_US
        };
        let best = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, waiting)| near(waiting))
            .min_by(|(_, a), (_, b)| f64::total_cmp(&off(a, first).abs(), &off(b, first).abs()));
        if let Some((at, waiting)) = best
            && off(waiting, first).abs() <= self.interval_us() / 2.0
        {
            // Its neighbours are an interval away.
            return Pick::Found(at);
        }
        // Frames come in order: once a later one is here, no nearer one can come.
        let passed = self
            .waiting
            .back()
            .is_some_and(|last| off(last, first) >= 0.0 && last.tick_us >= first.tick_us);
        match (best, second) {
            (Some((at, waiting)), _) if off(waiting, first) < 0.0 && passed => Pick::Found(at),
            // A later frame may rather belong to the one that follows.
            (Some((at, waiting)), Some(second)) if passed => {
                if off(waiting, second).abs() < off(waiting, first).abs() {
                    Pick::Missing
                } else {
                    Pick::Found(at)
                }
            }
            (None, _) if passed => Pick::Missing,
            (best, _) => Pick::Undecided(best.map(|(at, _)| at)),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a waiting frame out; those before it are dropped.
    pub(super) fn take(&mut self, at: usize) -> Option<T> {
        self.waiting.drain(..at.min(self.waiting.len()));
        self.waiting.pop_front().map(|waiting| waiting.frame)
    }
}

/// How far a camera's ticks lie after its timestamps on average.
#[derive(Debug, Default)]
struct Lead {
    mean_us: f64,
    frames: f64,
}

impl Lead {
    /// The mean with this frame, microseconds.
    fn follow(&mut self, moment: &Moment) -> f64 {
        let lead_us = moment.tick_us.saturating_sub(moment.timestamp_us) as f64;
        if self.frames == 0.0 {
            self.mean_us = lead_us;
        }
        self.frames = (self.frames + 1.0).min(MEAN_OF);
        let off_us = lead_us - self.mean_us;
        // After a lost frame a camera may go over to ticks on the other side of its instants: a whole interval at once.
        let slip_us = (off_us / moment.interval_us).round() * moment.interval_us;
        self.mean_us += slip_us + (off_us - slip_us) / self.frames;
        self.mean_us
    }
}
