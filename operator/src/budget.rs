//! How often a status may be written: a burst of three, then one in ten seconds. What will soon be otherwise leaves one of
//! the burst to what comes of it.

use std::time::{Duration, Instant};

const BURST: u32 = 3;
const EVERY: Duration = Duration::from_secs(10);

/// What one object may still write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// When all of the burst is there again.
    full_at: Option<Instant>,
}

impl Budget {
    /// When the next write may be; `None`: now.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        self.next_of(BURST, now)
    }

    /// The same of one that another will follow soon, and that may not keep that one waiting.
    pub fn next_passing(&self, now: Instant) -> Option<Instant> {
        self.next_of(BURST - 1, now)
    }

    fn next_of(&self, burst: u32, now: Instant) -> Option<Instant> {
        let full_at = self.full_at?;
        let next = full_at.checked_sub(EVERY * (burst - 1))?;
        (next > now).then_some(next)
    }

    /// A write was made. One that did not ask whether it may costs no more than the burst: the next waits as long as ever.
    pub fn spend(&mut self, now: Instant) {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + EVERY;
        self.full_at = Some(full_at.min(now + EVERY * BURST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_three_then_one_in_ten_seconds() {
        let begin = Instant::now() + Duration::from_secs(1000);
        let (mut budget, mut written) = (Budget::default(), Vec::new());
        for second in 0..60 {
            let now = begin + Duration::from_secs(second);
            while budget.next(now).is_none() {
                budget.spend(now);
                written.push(second);
            }
        }
        assert_eq!(written, [0, 0, 0, 10, 20, 30, 40, 50]);
    }

    #[test]
    fn what_passes_leaves_a_write_to_what_comes_of_it() {
        let begin = Instant::now() + Duration::from_secs(1000);
        let mut budget = Budget::default();
        for _ in 0..2 {
            assert_eq!(budget.next_passing(begin), None);
            budget.spend(begin);
        }
        assert_eq!(budget.next_passing(begin), Some(begin + EVERY));
        assert_eq!(budget.next(begin), None);
        budget.spend(begin);
        assert_eq!(budget.next(begin), Some(begin + EVERY));
        assert_eq!(budget.next_passing(begin), Some(begin + EVERY * 2));
    }

    #[test]
    fn writes_that_may_not_wait_make_the_next_wait_no_longer() {
        let begin = Instant::now() + Duration::from_secs(1000);
        let mut budget = Budget::default();
        for _ in 0..30 {
            budget.spend(begin);
        }
        assert_eq!(budget.next(begin), Some(begin + EVERY));
    }

    #[test]
    fn after_a_rest_the_burst_is_there_again() {
        let begin = Instant::now() + Duration::from_secs(1000);
        let mut budget = Budget::default();
        for _ in 0..3 {
            budget.spend(begin);
        }
        let later = begin + Duration::from_secs(30);
        let burst = (0..9).take_while(|_| {
            let may = budget.next(later).is_none();
            budget.spend(later);
            may
        });
        assert_eq!(burst.count(), 3);
    }
}
