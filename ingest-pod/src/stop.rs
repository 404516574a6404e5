//! Telling threads to end, and waiting in a way that ends with it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A flag that threads can wait on, with a bell for whoever waits for something else too. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    rung: bool,
}

impl Stop {
    /// Not yet stopped.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes everybody who waits; cannot be taken back.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.shared.1.notify_all();
    }

    /// Whether [`Stop::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Ends the [`Stop::rest`] of one thread, or its next one.
    pub fn ring(&self) {
        self.state().rung = true;
        self.shared.1.notify_all();
    }

    /// Waits at most so long; `true` when stopped.
    pub fn wait(&self, at_most: Duration) -> bool {
        self.wait_while(at_most, |state| !state.stopped).stopped
    }

    /// Waits until the bell was rung since the last time, until stopped, or at most so long.
    pub fn rest(&self, at_most: Duration) {
        self.wait_while(at_most, |state| !state.stopped && !state.rung)
            .rung = false;
    }

    fn wait_while(
        &self,
        at_most: Duration,
        waiting: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        self.shared
            .1
            .wait_timeout_while(self.state(), at_most, |state| waiting(state))
            .map_or_else(|e| e.into_inner().0, |(state, _)| state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn a_bell_rung_before_the_rest_ends_it_and_the_next_one_waits_again() {
        let stop = Stop::new();
        stop.ring();
        let begin = Instant::now();
        stop.rest(LONG);
        assert!(begin.elapsed() < LONG / 2);
        let begin = Instant::now();
        stop.rest(Duration::from_millis(20));
        assert!(begin.elapsed() >= Duration::from_millis(20));
        assert!(!stop.is_stopped());
    }

    #[test]
    fn a_bell_does_not_end_the_wait_for_the_end_and_the_end_ends_a_rest() {
        let stop = Stop::new();
        stop.ring();
        assert!(!stop.wait(Duration::from_millis(20)));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                stop.rest(LONG);
                stop.rest(LONG);
            });
            stop.stop();
        });
        assert!(stop.is_stopped());
    }
}
