//! A place for one thing: who puts replaces, who takes waits. The newest wins.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

struct Shared<T> {
    state: Mutex<(Option<T>, bool)>,
    bell: Condvar,
}

/// A queue of length one that keeps the newest.
pub struct Slot<T>(Arc<Shared<T>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new((None, false)),
            bell: Condvar::new(),
        }))
    }
}

impl<T> Slot<T> {
    /// Puts `item` in; gives back what was still there and is now never taken.
    pub fn put(&self, item: T) -> Option<T> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let old = state.0.replace(item);
        self.0.bell.notify_one();
        old
    }

    /// Waits for an item; `None` once the slot is closed.
    pub fn take(&self) -> Option<T> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .0
            .bell
            .wait_while(state, |(item, closed)| item.is_none() && !*closed)
            .unwrap_or_else(PoisonError::into_inner);
        if state.1 { None } else { state.0.take() }
    }

    /// Ends it: whoever waits gets `None`, what is in it is dropped.
    pub fn close(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (None, true);
        self.0.bell.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_and_closing_wakes() {
        let slot = Slot::default();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.take(), Some(2));
        let waiting = slot.clone();
        let thread = std::thread::spawn(move || waiting.take());
        slot.close();
        assert_eq!(thread.join().ok(), Some(None));
    }
}
