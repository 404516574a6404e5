//! The line through a camera's sender reports: its wall clock as a function of media time.
//!
//! All times are microseconds.

use std::collections::VecDeque;

/// Reports that the line goes through: a minute or two of them.
const KEPT: usize = 16;
/// A slope needs so many reports ...
const SLOPE_REPORTS: usize = 4;
/// ... so far apart.
const SLOPE_SPAN_US: i64 = 15_000_000;
const MAX_SLOPE: f64 = 500e-6;
/// A report so far off the line, beside 1,000 ppm since the last one, shows a step of the camera's clock.
const STEP_US: f64 = 50_000.0;
/// What the line is worth when reports stay away: the camera's oscillator goes on alone, 100 ppm off.
const HOLDOVER: f64 = 100e-6;
/// Few reports don't show how well the camera reads its clock; it is taken to do so within this.
const FEW_US: f64 = 10_000.0;
/// After so long without a report the line is not used any more.
const STALE_US: i64 = 120_000_000;

/// Camera's wall clock minus media time, over media time.
#[derive(Debug, Clone, Default)]
pub struct Reports {
    kept: VecDeque<(i64, i64)>,
    anchor: i64,
    level: f64,
    slope: f64,
    residual: f64,
    /// From here on the line is a guess: the newest report, or the middle of those that are too few for a slope.
    known_at: f64,
}

impl Reports {
    /// Takes a report that is in order. One far off the line starts a new one: the camera's clock was set.
    pub fn add(&mut self, media: i64, wall: i64) {
        let off = wall - media;
        let stepped = self.kept.back().is_some_and(|(last, _)| {
            let beside = (off as f64 - self.line(media)).abs();
            beside > STEP_US + 1e-3 * (media - last) as f64
        });
        if stepped {
            self.kept.clear();
            self.slope = 0.0;
        }
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((media, off));
        self.fit(media);
    }

    /// Forgets all of them: media time is counted from elsewhere.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.slope = 0.0;
    }

    /// Whether both clocks have gone on since the newest report.
    pub fn is_in_order(&self, media: i64, wall: i64) -> bool {
        let newest = self.kept.back();
        newest.is_none_or(|&(last, off)| media > last && wall > last + off)
    }

    /// Camera's wall clock minus media time; `None` without a report, or when the last one is too old.
    pub fn at(&self, media: i64) -> Option<f64> {
        let (last, _) = self.kept.back()?;
        (media - last < STALE_US).then(|| self.line(media))
    }

    /// How far off the line the camera's clock may be; `None` without a report.
    ///
    /// Few reports lie closer to a line fitted through them than to the true one, and may agree by chance.
    pub fn bound(&self, media: i64) -> Option<f64> {
        let count = self.kept.len();
        let trust = if count < 2 * SLOPE_REPORTS { 4.0 } else { 2.0 };
        let chance = (3.0 / count as f64).min(1.0).powi(2) * FEW_US;
        let guessed = (media as f64 - self.known_at).max(0.0);
        (count > 0).then_some(trust * self.residual + chance + HOLDOVER * guessed)
    }

    fn line(&self, media: i64) -> f64 {
        self.level + self.slope * (media - self.anchor) as f64
    }

    /// Least squares.
    fn fit(&mut self, anchor: i64) {
        let count = self.kept.len() as f64;
        let (first, base) = self.kept.front().copied().unwrap_or_default();
        let x = |media: i64| (media - anchor) as f64;
        let y = |off: i64| (off - base) as f64;
        let sum =
            |f: &dyn Fn(i64, i64) -> f64| self.kept.iter().map(|&(m, o)| f(m, o)).sum::<f64>();
        let (mean_x, mean_y) = (sum(&|m, _| x(m)) / count, sum(&|_, o| y(o)) / count);
        let spread = sum(&|m, _| (x(m) - mean_x).powi(2));
        self.known_at = anchor as f64;
        self.slope = if self.kept.len() >= SLOPE_REPORTS && anchor - first >= SLOPE_SPAN_US {
            let slope = sum(&|m, o| (x(m) - mean_x) * (y(o) - mean_y)) / spread;
            slope.clamp(-MAX_SLOPE, MAX_SLOPE)
        } else {
            self.known_at += mean_x;
            0.0
        };
        self.anchor = anchor;
        self.level = base as f64 + mean_y - self.slope * mean_x;
        let (level, slope) = (self.level, self.slope);
        self.residual = self
            .kept
            .iter()
            .map(|&(m, o)| (o as f64 - level - slope * x(m)).abs())
            .fold(0.0, f64::max);
    }
}
