//! Whether work gets on: what works shows a sign of life now and then; what does not work need not.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::camera::memory::lock;

/// How often a sign is due.
const EVERY: Duration = Duration::from_secs(5);
/// So many signs that are missing say that nothing goes on. One piece of work is over sooner, even where an API server
/// keeps each of its requests waiting.
const MISSED: u32 = 60;

/// The sign of life of one queue.
#[derive(Debug, Clone)]
pub struct Pulse {
    every: Duration,
    last: Arc<Mutex<Option<Instant>>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self::of(EVERY)
    }
}

impl Pulse {
    /// With a sign due so often.
    pub fn of(every: Duration) -> Self {
        Self {
            every,
            last: Arc::default(),
        }
    }

    /// How often a sign is due.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// Work begins; it ends when what is returned is dropped.
    pub fn begin(&self) -> Beating {
        let beating = Beating(self.clone());
        beating.beat();
        beating
    }

    /// Whether nothing works, or something has shown that it does.
    pub fn is_well(&self, now: Instant) -> bool {
        let last = *lock(&self.last);
        last.is_none_or(|last| now.saturating_duration_since(last) < self.every * MISSED)
    }
}

/// Work that goes on.
#[derive(Debug)]
pub struct Beating(Pulse);

impl Beating {
    /// A sign of life.
    pub fn beat(&self) {
        *lock(&self.0.last) = Some(Instant::now());
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        *lock(&self.0.last) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_works_must_show_it_and_who_waits_for_the_lease_need_not() {
        let pulse = Pulse::default();
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert!(pulse.is_well(later(3600)), "it has not begun");
        let beating = pulse.begin();
        assert!(pulse.is_well(later(290)));
        assert!(!pulse.is_well(later(301)));
        beating.beat();
        assert!(pulse.is_well(later(290)));
        drop(beating);
        assert!(pulse.is_well(later(3600)), "the Lease is lost");
    }
}
