//! Waiting times between attempts: exponential, jittered, bounded.

use std::time::Duration;

/// Exponential backoff with full upper-half jitter. Fed with a random number, so that it can be tested.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits between `first` and `longest`, doubling each time.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The wait before the next attempt; `random` is uniform in 0..1.
    ///
    /// Between half of the nominal wait and the whole of it, so that a hundred cameras behind one
    /// switch do not come back in the same instant.
    pub fn next_wait(&mut self, random: f64) -> Duration {
        let nominal = self
            .first
            .saturating_mul(1_u32.checked_shl(self.failures.min(20)).unwrap_or(u32::MAX))
            .min(self.longest);
        self.failures = self.failures.saturating_add(1);
        nominal.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// The attempt has held: the next failure starts from the shortest wait.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_stay_in_bounds_and_start_over_after_a_success(randoms in prop::collection::vec(0.0..1.0_f64, 1..80)) {
            let first = Duration::from_millis(500);
            let longest = Duration::from_secs(30);
            let mut backoff = Backoff::new(first, longest);
            for random in randoms {
                let wait = backoff.next_wait(random);
                prop_assert!(wait >= first / 2 && wait <= longest);
            }
            backoff.reset();
            prop_assert!(backoff.next_wait(1.0) <= first);
        }
    }

    #[test]
    fn doubles_up_to_the_longest() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let waits: Vec<_> = (0..8).map(|_| backoff.next_wait(1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    }
}
