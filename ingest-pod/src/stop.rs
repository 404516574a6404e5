//! Telling threads to end, and waiting in a way that ends with it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A flag that threads can wait on. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Not yet stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes everybody who waits; cannot be taken back.
    pub fn stop(&self) {
        let (flag, bell) = &*self.shared;
        *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
    }

    /// Whether [`Stop::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits at most so long; `true` when stopped.
    pub fn wait(&self, at_most: Duration) -> bool {
        let (flag, bell) = &*self.shared;
        let stopped = flag.lock().unwrap_or_else(PoisonError::into_inner);
        *bell
            .wait_timeout_while(stopped, at_most, |stopped| !*stopped)
            .map_or_else(|e| e.into_inner().0, |(stopped, _)| stopped)
    }
}
