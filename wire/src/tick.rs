//! The grid of sampling instants that all cameras share, and the enforced rate on it.

use std::collections::VecDeque;

/// A rate as a fraction of frames per second, and its grid of instants since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickGrid {
    num: u32,
    den: u32,
}

/// A rate that has no grid: zero, or more than 240 a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{num}/{den} is not a rate: above 0 and at most 240 frames per second")]
pub struct RateError {
    /// Frames ...
    pub num: u32,
    /// ... per this many seconds.
    pub den: u32,
}

impl TickGrid {
    /// The grid of `num`/`den` frames per second.
    pub fn new(num: u32, den: u32) -> Result<Self, RateError> {
        if num == 0 || den == 0 || u64::from(num) > 240 * u64::from(den) {
            return Err(RateError { num, den });
        }
        Ok(Self { num, den })
    }

    /// The instant of tick `k` in microseconds since 1970: `round_half_up(k * 1e6 / fps)`.
    pub fn tick_us(&self, k: i64) -> i64 {
        let (num, den) = (i128::from(self.num), i128::from(self.den));
        (2 * i128::from(k) * 1_000_000 * den + num).div_euclid(2 * num) as i64
    }

    /// The number of the tick that lies nearest to an instant, the later one when two are equally near.
    pub fn nearest(&self, ts_us: i64) -> i64 {
        self.round_half_up(ts_us)
    }

    /// Seconds between ticks, as microseconds with a fraction.
    pub fn interval_us(&self) -> f64 {
        1e6 * f64::from(self.den) / f64::from(self.num)
    }

    /// Frames per second.
    pub fn fps(&self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    fn round_half_up(self, ts_us: i64) -> i64 {
        let (num, den) = (i128::from(self.num), i128::from(self.den) * 1_000_000);
        (2 * i128::from(ts_us) * num + den).div_euclid(2 * den) as i64
    }

    /// The last tick at or before an instant.
    fn at_or_before(self, ts_us: i64) -> i64 {
        // One up, then down: the instants are rounded to microseconds, the division is not.
        let mut k = self.round_half_up(ts_us) + 1;
        while self.tick_us(k) > ts_us {
            k -= 1;
        }
        k
    }
}

/// What the enforced rate says about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The frame is to be published (and takes an id) as the sample of this tick.
    Due {
        /// Number of the tick since 1970 at this rate.
        k: i64,
        /// Its instant in microseconds since 1970: the metadata's `tick`.
        tick_us: i64,
    },
    /// The rate has enough frames already.
    Surplus,
}

/// Decides for each frame of a source whether a rendition's rate wants it, and for which tick.
///
/// k = max(nearest to the timestamp, last k + 1), surplus when tick k lies more than 1.5 intervals after the
/// timestamp: a source as slow as the rate loses no frame at up to 40 % jitter. A source whose measured
/// interval is under 0.8 of the rate's gives to each tick its first frame at or after the tick minus half a
/// source interval.
#[derive(Debug, Clone)]
pub struct RateGate {
    grid: TickGrid,
    last_k: Option<i64>,
    resuming: bool,
    source: SourceInterval,
}

impl RateGate {
    /// A gate that has seen no frame yet.
    pub fn new(grid: TickGrid) -> Self {
        Self {
            grid,
            last_k: None,
            resuming: false,
            source: SourceInterval::default(),
        }
    }

    /// The gate's grid.
    pub fn grid(&self) -> TickGrid {
        self.grid
    }

    /// Timestamps jump from here on: the source is measured anew. Ticks used already stay used, unless the
    /// clock has gone back behind them.
    pub fn new_epoch(&mut self) {
        self.source = SourceInterval::default();
        self.resuming = true;
    }

    /// Goes over to another rate. Instants up to the last one used stay used, and what is known of the source holds.
    pub fn set_grid(&mut self, grid: TickGrid) {
        self.last_k = self
            .last_k
            .map(|last| grid.at_or_before(self.grid.tick_us(last)));
        self.grid = grid;
    }

    /// Offers a frame with its timestamp in microseconds since 1970; timestamps come in order, jitter aside.
    pub fn offer(&mut self, ts_us: i64) -> Offer {
        self.source.observe(ts_us);
        self.resume(ts_us);
        let interval = self.grid.interval_us();
        let k = match self.source.estimate_us {
            Some(source) if source < 0.8 * interval => {
                let k = self.grid.at_or_before(ts_us + (source / 2.0) as i64);
                if self.last_k.is_some_and(|last| k <= last) {
                    return Offer::Surplus;
                }
                k
            }
            _ => return self.take_nearest(ts_us),
        };
        self.last_k = Some(k);
        Offer::Due {
            k,
            tick_us: self.grid.tick_us(k),
        }
    }

    /// Offers a frame of which those before and after are not offered: a probe of an idle rendition. It says nothing
    /// of the source's interval.
    pub fn probe(&mut self, ts_us: i64) -> Offer {
        self.resume(ts_us);
        self.take_nearest(ts_us)
    }

    /// The tick for a held last frame of a finished file, at hub time `now_us`; `None` while the next tick has
    /// not come yet.
    pub fn hold(&mut self, now_us: i64) -> Option<Offer> {
        self.resume(now_us);
        let k = self.grid.at_or_before(now_us);
        if self.last_k.is_some_and(|last| k <= last) {
            return None;
        }
        self.last_k = Some(k);
        Some(Offer::Due {
            k,
            tick_us: self.grid.tick_us(k),
        })
    }

    fn take_nearest(&mut self, ts_us: i64) -> Offer {
        let nearest = self.grid.nearest(ts_us);
        let k = self.last_k.map_or(nearest, |last| nearest.max(last + 1));
        let tick_us = self.grid.tick_us(k);
        if tick_us - ts_us > self.latest_after_us() {
            return Offer::Surplus;
        }
        self.last_k = Some(k);
        Offer::Due { k, tick_us }
    }

    /// At the first instant of an epoch: frees the ticks used if the clock has gone back behind them. No tick lies
    /// further after its frame than this, so without a step of the clock none is freed.
    fn resume(&mut self, now_us: i64) {
        let resuming = std::mem::take(&mut self.resuming);
        let latest_us = now_us + self.latest_after_us();
        if resuming
            && self
                .last_k
                .is_some_and(|last| self.grid.tick_us(last) > latest_us)
        {
            self.last_k = None;
        }
    }

    /// How long after a frame's timestamp its tick may lie.
    fn latest_after_us(&self) -> i64 {
        (1.5 * self.grid.interval_us()).round() as i64
    }
}

/// The mean distance of a source's frames over a short window.
///
/// A mean, not a median: its error is bounded by the jitter of two frames over the window's length, so five
/// intervals suffice to never take a slow camera with 40 % jitter for a fast one.
#[derive(Debug, Clone, Default)]
struct SourceInterval {
    window: VecDeque<i64>,
    estimate_us: Option<f64>,
    paused: bool,
}

impl SourceInterval {
    const WINDOW: usize = 32;
    const ENOUGH: usize = 6;

    fn observe(&mut self, ts_us: i64) {
        if let (Some(last), Some(estimate)) = (self.window.back(), self.estimate_us) {
            let gap = (ts_us - last) as f64;
            let pause = gap > 4.0 * estimate || gap < -estimate;
            if pause {
                self.window.clear();
            }
            // One pause says nothing about the rate at which frames come when they come; two in a row are the rate.
            if pause && self.paused {
                *self = Self::default();
            } else {
                self.paused = pause;
            }
        }
        self.window.push_back(ts_us);
        if self.window.len() > Self::WINDOW {
            self.window.pop_front();
        }
        if self.window.len() < Self::ENOUGH {
            return;
        }
        if let (Some(first), Some(last)) = (self.window.front(), self.window.back()) {
            let mean = (last - first) as f64 / (self.window.len() - 1) as f64;
            self.estimate_us = (mean > 0.0).then_some(mean);
        }
    }
}

#[cfg(test)]
mod tests;
