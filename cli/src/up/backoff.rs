//! How long to wait before a process that ended is started again.

use std::time::Duration;

use streamhub_backoff::Retries;

const DELAYS: streamhub_backoff::Backoff =
    streamhub_backoff::Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
const HEALTHY: Duration = Duration::from_mins(1);

/// Delays from 0.5 s to 30 s; a life of 60 s begins again at the start.
#[derive(Debug)]
pub struct Backoff(Retries);

impl Default for Backoff {
    fn default() -> Self {
        Self(Retries::new(DELAYS))
    }
}

impl Backoff {
    /// The delay after a life of `lived`; `random` is uniform in 0..1.
    pub fn next(&mut self, lived: Duration, random: f64) -> Duration {
        if lived >= HEALTHY {
            self.0.reset();
        }
        self.0.next_wait(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_health_forgives_what_was_before() {
        let mut backoff = Backoff::default();
        let mut next = |lived: u64| backoff.next(Duration::from_secs(lived), 1.0).as_millis();
        let delays: Vec<_> = (0..8).map(|_| next(0)).collect();
        assert_eq!(
            delays,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
        );
        assert_eq!([59, 60, 0].map(next), [30_000, 500, 1000]);
    }
}
