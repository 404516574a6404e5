//! Rates over the last few seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(3);
/// Three seconds at the highest rate.
const KEPT: usize = 720;

/// Frames and bytes of late.
#[derive(Debug, Default)]
pub struct Rate {
    recent: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// One frame of so many bytes.
    pub fn add(&mut self, now: Instant, bytes: u64) {
        if self.recent.len() >= KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back((now, bytes));
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        // Two are kept whatever their age: a camera of one frame a minute has a rate too.
        while self.recent.len() > 2
            && self
                .recent
                .front()
                .is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW)
        {
            self.recent.pop_front();
        }
    }

    /// Mean time between frames.
    pub fn interval(&mut self, now: Instant) -> Option<Duration> {
        self.forget(now);
        let (first, last) = (self.recent.front()?.0, self.recent.back()?.0);
        let steps = u32::try_from(self.recent.len().checked_sub(1)?).ok()?;
        last.duration_since(first).checked_div(steps)
    }

    /// Frames per second; falls to zero when nothing comes any more.
    pub fn per_second(&mut self, now: Instant) -> f64 {
        let Some(interval) = self.interval(now) else {
            return 0.0;
        };
        let silence = self
            .recent
            .back()
            .map_or(Duration::MAX, |(at, _)| now.saturating_duration_since(*at));
        if silence > WINDOW.max(interval * 3) || interval.is_zero() {
            return 0.0;
        }
        1.0 / interval.as_secs_f64()
    }

    /// Bits per second.
    pub fn bits_per_second(&mut self, now: Instant) -> u64 {
        let fps = self.per_second(now);
        let count = self.recent.len().max(1) as f64;
        let bytes: u64 = self.recent.iter().map(|(_, bytes)| bytes).sum();
        (bytes as f64 / count * fps * 8.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_came_of_late_and_falls_to_zero() {
        let start = Instant::now();
        let mut rate = Rate::default();
        let mut now = start;
        for n in 0..1000 {
            now = start + Duration::from_millis(40) * n;
            rate.add(now, 1000);
        }
        assert!((rate.per_second(now) - 25.0).abs() < 0.1);
        assert!((195_000..=205_000).contains(&rate.bits_per_second(now)));
        assert!(rate.per_second(now + Duration::from_secs(4)) < f64::EPSILON);
    }
}
