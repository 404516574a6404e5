//! How long to wait before a process that ended is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
const HEALTHY: Duration = Duration::from_mins(1);

/// Doubling delays with jitter, from 0.5 s to 30 s; a life of 60 s begins again at the start.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after a life of `lived`; `jitter` in 0..1 takes away up to a quarter of it, so that many
    /// processes that died together do not come back together.
    pub fn next(&mut self, lived: Duration, jitter: f64) -> Duration {
        if lived >= HEALTHY {
            self.failures = 0;
        }
        let full = FIRST
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(1.0 - 0.25 * jitter.clamp(0.0, 1.0)).max(FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_thirty_seconds() {
        let mut backoff = Backoff::default();
        let delays: Vec<f64> = (0..9)
            .map(|_| backoff.next(Duration::ZERO, 0.0).as_secs_f64())
            .collect();
        assert_eq!(delays, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn jitter_shortens_by_at_most_a_quarter_and_never_below_the_first_delay() {
        let mut backoff = Backoff { failures: 10 };
        assert_eq!(
            backoff.next(Duration::ZERO, 1.0),
            Duration::from_millis(22_500)
        );
        assert_eq!(Backoff::default().next(Duration::ZERO, 1.0), FIRST);
    }

    #[test]
    fn a_minute_of_health_forgives_what_was_before() {
        let mut backoff = Backoff { failures: 10 };
        assert_eq!(backoff.next(Duration::from_secs(59), 0.0), LONGEST);
        assert_eq!(backoff.next(Duration::from_mins(1), 0.0), FIRST);
        assert_eq!(backoff.next(Duration::ZERO, 0.0), FIRST * 2);
    }
}
