//! Hub time: the node's clock, free of jumps within an epoch (CONTRACT §3).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A difference between wall clock and monotonic clock that is a step and not the noise of reading both.
///
/// NTP's slewing moves both clocks alike, so that only `settimeofday`, a leap second or a resumed
/// machine shows here.
const STEP: Duration = Duration::from_millis(10);

/// Maps the monotonic clock to UNIX time by an offset that is fixed until [`HubClock::resync`].
#[derive(Debug, Clone, Copy)]
pub struct HubClock {
    anchor: Instant,
    anchor_unix_us: i64,
    drift_us: i64,
}

impl HubClock {
    /// Reads both clocks once.
    pub fn now_anchored() -> Self {
        let (anchor, anchor_unix_us) = read_both();
        Self {
            anchor,
            anchor_unix_us,
            drift_us: 0,
        }
    }

    /// UNIX microseconds at an instant.
    pub fn unix_us(&self, at: Instant) -> i64 {
        let (late, sign) = match at.checked_duration_since(self.anchor) {
            Some(after) => (after, 1),
            None => (self.anchor.duration_since(at), -1),
        };
        self.anchor_unix_us + sign * late.as_micros() as i64
    }

    /// The instant of a hub time, or the anchor when that lies before what the clock can express.
    pub fn instant(&self, unix_us: i64) -> Instant {
        let off = unix_us - self.anchor_unix_us;
        let by = Duration::from_micros(off.unsigned_abs());
        if off >= 0 {
            self.anchor + by
        } else {
            self.anchor.checked_sub(by).unwrap_or(self.anchor)
        }
    }

    /// Looks at both clocks again. `Some(step in microseconds)` when the node's clock was set
    /// meanwhile: from then on the new offset holds, and a new epoch must begin.
    pub fn resync(&mut self) -> Option<i64> {
        let (now, unix_us) = read_both();
        let step = unix_us - self.unix_us(now);
        self.drift_us = step;
        if step.unsigned_abs() < STEP.as_micros() as u64 {
            return None;
        }
        self.anchor = now;
        self.anchor_unix_us = unix_us;
        self.drift_us = 0;
        Some(step)
    }

    /// How far this mapping was beside the node's clock when they were last compared: too little for a step.
    pub fn drift(&self) -> Duration {
        Duration::from_micros(self.drift_us.unsigned_abs())
    }
}

/// UNIX milliseconds now, for who has no clock at hand.
pub fn now_ms() -> u64 {
    u64::try_from(streamhub_wire::hub_time_us() / 1000).unwrap_or(0)
}

/// Both clocks, read as close together as a few tries allow: a reader that was preempted between
/// the two readings would see a step where none was.
fn read_both() -> (Instant, i64) {
    let mut best: Option<(Duration, Instant, i64)> = None;
    for _ in 0..5 {
        let before = Instant::now();
        let wall = SystemTime::now();
        let gap = before.elapsed();
        let unix_us = wall
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_micros() as i64);
        if best.as_ref().is_none_or(|(g, _, _)| gap < *g) {
            best = Some((gap, before + gap / 2, unix_us));
        }
    }
    best.map_or((Instant::now(), 0), |(_, at, unix_us)| (at, unix_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_both_ways_and_sees_a_step_but_no_ghost() {
        let mut clock = HubClock::now_anchored();
        let now = Instant::now();
        let there_and_back = clock.instant(clock.unix_us(now));
        assert!(now.abs_diff(there_and_back) < Duration::from_micros(2));
        assert_eq!(clock.resync(), None);
        clock.anchor_unix_us -= 3_000_000;
        let step = clock
            .resync()
            .expect("the wall clock is three seconds ahead of the mapping");
        assert!((2_990_000..3_010_000).contains(&step));
        assert_eq!(clock.resync(), None);
    }

    trait AbsDiff {
        fn abs_diff(self, other: Self) -> Duration;
    }
    impl AbsDiff for Instant {
        fn abs_diff(self, other: Self) -> Duration {
            self.max(other) - self.min(other)
        }
    }
}
