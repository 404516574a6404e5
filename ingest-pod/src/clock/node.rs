//! How far off the node's clock may be.

use std::time::{Duration, Instant};
use streamhub_sysclock::ClockState;

/// How often the kernel is asked.
const ASK_EVERY: Duration = Duration::from_secs(4);

/// The bound in what the kernel says; `None` when it says that the clock is not synchronised.
///
/// The maximum error, not the estimated one: it is the one that grows while nobody disciplines the clock.
pub fn bound(state: ClockState) -> Option<Duration> {
    state.synchronised.then_some(state.max_error)
}

/// The last answer of the kernel, asked again every few seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeClock {
    answer: Option<Duration>,
    asked: Option<Instant>,
}

impl NodeClock {
    /// How far off the node's clock may be; `None` when it is not synchronised or nothing can be known.
    pub fn error(&mut self, now: Instant) -> Option<Duration> {
        let due = self
            .asked
            .is_none_or(|asked| now.saturating_duration_since(asked) >= ASK_EVERY);
        if due {
            self.asked = Some(now);
            self.answer = streamhub_sysclock::read().ok().and_then(bound);
        }
        self.answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_not_synchronised_has_no_bound() {
        let state = ClockState {
            synchronised: true,
            max_error: Duration::from_micros(1_500),
            estimated_error: Duration::from_micros(20),
        };
        assert_eq!(bound(state), Some(Duration::from_micros(1_500)));
        let unsynchronised = ClockState {
            synchronised: false,
            ..state
        };
        assert_eq!(bound(unsynchronised), None);
    }
}
