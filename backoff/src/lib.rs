//! How long to wait after a failure: exponential, bounded, and not the same for all who failed together.

use std::time::Duration;

/// Waits that double with each failure. Knows no failures itself: who counts them, keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// From `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The wait after so many failures in a row; none after none.
    pub fn after(self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1_u32.checked_shl(doublings.min(31)).unwrap_or(u32::MAX);
                self.first.saturating_mul(factor).min(self.longest)
            }
        }
    }

    /// The same, between half and the whole of it by chance.
    pub fn jittered(self, failures: u32) -> Duration {
        self.spread(failures, rand::random())
    }

    /// Between half of the wait and the whole of it, so that a hundred cameras behind one switch do not come back in
    /// the same instant; `random` is uniform in 0..1.
    pub fn spread(self, failures: u32, random: f64) -> Duration {
        self.after(failures)
            .mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

/// Attempts at one thing, and how many of them failed in a row.
#[derive(Debug, Clone)]
pub struct Retries {
    backoff: Backoff,
    failures: u32,
}

impl Retries {
    /// None has failed so far.
    pub const fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            failures: 0,
        }
    }

    /// An attempt has failed: the wait before the next one. `random` is uniform in 0..1; it is asked for, so that what
    /// waits can be tested.
    pub fn next_wait(&mut self, random: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.backoff.spread(self.failures, random)
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

    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(30);
    const BACKOFF: Backoff = Backoff::new(FIRST, LONGEST);

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits = [0, 1, 2, 3, 6, 7, 33, u32::MAX].map(|n| BACKOFF.after(n).as_millis());
        assert_eq!(waits, [0, 500, 1000, 2000, 16_000, 30_000, 30_000, 30_000]);
        let mut retries = Retries::new(BACKOFF);
        let waits: Vec<_> = (0..8).map(|_| retries.next_wait(1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn chance_takes_away_up_to_a_half() {
        let waits = [0.0, 0.5, 1.0, -7.0, 7.0].map(|random| BACKOFF.spread(3, random).as_millis());
        assert_eq!(waits, [1000, 1500, 2000, 1000, 2000]);
    }

    #[test]
    fn two_who_failed_together_do_not_come_back_together() {
        let waits: std::collections::BTreeSet<_> = (0..50).map(|_| BACKOFF.jittered(7)).collect();
        assert!(waits.len() > 1, "{waits:?}");
        assert!(
            waits
                .iter()
                .all(|wait| (LONGEST / 2..=LONGEST).contains(wait))
        );
    }

    proptest! {
        #[test]
        fn waits_stay_in_bounds_and_start_over_after_a_success(randoms in prop::collection::vec(0.0..1.0_f64, 1..80)) {
            let mut retries = Retries::new(BACKOFF);
            for random in randoms {
                let wait = retries.next_wait(random);
                prop_assert!(wait >= FIRST / 2 && wait <= LONGEST);
            }
            retries.reset();
            prop_assert!(retries.next_wait(1.0) <= FIRST);
        }
    }
}
