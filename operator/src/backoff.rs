//! How long to wait after a failure.

use std::time::Duration;

use rand::Rng as _;

/// Waits that double with each failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
}

impl Backoff {
    /// For pods that ended: 1 s to 5 min.
    pub const REMAKE: Self = Self::new(Duration::from_secs(1), Duration::from_mins(5));
    /// For names that other pods have, which are not watched.
    pub const TAKEN: Self = Self::new(Duration::from_secs(1), Duration::from_secs(30));
    /// For requests that failed.
    pub const REQUEST: Self = Self::new(Duration::from_millis(500), Duration::from_mins(2));
    /// For statuses of pods that can't be read.
    pub const READING: Self = Self::new(Duration::from_secs(10), Duration::from_mins(5));

    /// From `first` to `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most }
    }

    /// The wait after so many failures in a row; none after none.
    pub fn after(&self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1_u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX);
                self.first.saturating_mul(factor).min(self.most)
            }
        }
    }

    /// The same, between all and four fifths of it, so that many do not come at once.
    pub fn jittered(&self, failures: u32) -> Duration {
        self.after(failures)
            .mul_f64(rand::rng().random_range(0.8..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let waits: Vec<u64> = [0, 1, 2, 3, 9, 10, 99]
            .map(|n| Backoff::REMAKE.after(n).as_secs())
            .into();
        assert_eq!(waits, [0, 1, 2, 4, 256, 300, 300]);
    }
}
