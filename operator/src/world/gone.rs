//! Objects that are gone: an answer to one of our own writes may come after the watch has told of their end.

use std::collections::{HashSet, VecDeque};

/// As many as are remembered; answers are seconds late at most.
const MOST: usize = 4096;

/// The uids of objects that are gone.
#[derive(Debug, Default)]
pub(super) struct Gone {
    order: VecDeque<String>,
    all: HashSet<String>,
}

impl Gone {
    /// One is gone.
    pub(super) fn add(&mut self, uid: Option<&str>) {
        let Some(uid) = uid else {
            return;
        };
        if !self.all.insert(uid.to_owned()) {
            return;
        }
        self.order.push_back(uid.to_owned());
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    /// Whether one is.
    pub(super) fn has(&self, uid: &str) -> bool {
        self.all.contains(uid)
    }
}
