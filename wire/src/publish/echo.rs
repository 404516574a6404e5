//! Knowing what the server has taken: an empty message to our own inbox follows each frame, and when it is back, the
//! frame is through. One wildcard subscription serves all renditions of the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_nats::{Client, Message, Subject, SubscribeError};
use futures::StreamExt as _;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Who waits for which echo.
pub(super) struct EchoTable {
    inbox: String,
    next_number: AtomicU64,
    waiting: Arc<Mutex<Waiting>>,
    task: AbortHandle,
}

#[derive(Default)]
struct Waiting {
    renditions: HashMap<u64, Arc<Echo>>,
    round_trips: HashMap<u64, oneshot::Sender<()>>,
}

impl EchoTable {
    pub(super) async fn subscribe(client: &Client) -> Result<Arc<Self>, SubscribeError> {
        let inbox = client.new_inbox();
        let mut messages = client.subscribe(format!("{inbox}.>")).await?;
        let waiting: Arc<Mutex<Waiting>> = Arc::default();
        let (table, prefix) = (waiting.clone(), format!("{inbox}."));
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                take(&table, &prefix, &message);
            }
        });
        Ok(Arc::new(Self {
            inbox,
            next_number: AtomicU64::new(1),
            waiting,
            task: task.abort_handle(),
        }))
    }

    pub(super) fn add(&self) -> Arc<Echo> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let echo = Arc::new(Echo {
            number,
            inbox: format!("{}.{number}", self.inbox),
            counters: Mutex::default(),
        });
        lock(&self.waiting).renditions.insert(number, echo.clone());
        echo
    }

    pub(super) fn remove(&self, echo: &Echo) {
        lock(&self.waiting).renditions.remove(&echo.number);
    }

    pub(super) fn round_trip(&self) -> (Subject, oneshot::Receiver<()>) {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let (done, back) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        waiting.round_trips.retain(|_, done| !done.is_closed());
        waiting.round_trips.insert(number, done);
        (format!("{}.{number}.t0", self.inbox).into(), back)
    }
}

impl Drop for EchoTable {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Last token of a subject in our inbox: `b<n>` barrier after frame n, `f<n>` and `m<n>` reply inboxes of frame and
/// metadata (what comes there, such as JetStream's acknowledgement, is ignored), `t0` a round trip.
fn take(waiting: &Mutex<Waiting>, prefix: &str, message: &Message) {
    let Some((number, kind)) = message
        .subject
        .strip_prefix(prefix)
        .and_then(|tail| tail.split_once('.'))
    else {
        return;
    };
    let Ok(number) = number.parse::<u64>() else {
        return;
    };
    if kind == "t0" {
        if let Some(done) = lock(waiting).round_trips.remove(&number) {
            let _ = done.send(());
        }
    } else if let Some(barrier) = kind.strip_prefix('b').and_then(|n| n.parse().ok()) {
        let echo = lock(waiting).renditions.get(&number).cloned();
        if let Some(echo) = echo {
            echo.came_back(barrier);
        }
    }
}

/// The frames of one rendition that are under way.
pub(super) struct Echo {
    number: u64,
    inbox: String,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    connection: u64,
    /// Frames given to the client.
    sent: u64,
    /// The last frame whose barrier was given to the client.
    barrier: u64,
    /// The last frame whose barrier came back.
    back: u64,
}

impl Echo {
    /// On a new connection nothing is under way any more.
    pub(super) fn enter_connection(&self, connection: u64) {
        let mut counters = lock(&self.counters);
        if counters.connection != connection {
            counters.connection = connection;
            counters.back = counters.sent;
            counters.barrier = counters.sent;
        }
    }

    pub(super) fn unacknowledged(&self) -> u64 {
        let counters = lock(&self.counters);
        counters.sent - counters.back
    }

    pub(super) fn sent(&self) {
        lock(&self.counters).sent += 1;
    }

    pub(super) fn owed_barrier(&self) -> Option<Subject> {
        let counters = lock(&self.counters);
        (counters.barrier < counters.sent)
            .then(|| format!("{}.b{}", self.inbox, counters.sent).into())
    }

    pub(super) fn barrier_sent(&self) {
        let mut counters = lock(&self.counters);
        counters.barrier = counters.sent;
    }

    /// Inbox of the next frame.
    pub(super) fn frame_inbox(&self) -> Subject {
        format!("{}.f{}", self.inbox, lock(&self.counters).sent + 1).into()
    }

    /// Inbox of the metadata message of the frame just sent.
    pub(super) fn meta_inbox(&self) -> Subject {
        format!("{}.m{}", self.inbox, lock(&self.counters).sent).into()
    }

    fn came_back(&self, barrier: u64) {
        let mut counters = lock(&self.counters);
        counters.back = counters.back.max(barrier.min(counters.sent));
    }
}

/// A panic elsewhere leaves counters that are still counters.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Echo {
        Echo {
            number: 1,
            inbox: "_INBOX.x.1".into(),
            counters: Mutex::default(),
        }
    }

    #[test]
    fn frames_are_under_way_until_a_later_barrier_is_back() {
        let echo = echo();
        echo.enter_connection(1);
        for _ in 0..2 {
            echo.sent();
            assert!(echo.owed_barrier().is_some());
            echo.barrier_sent();
        }
        assert_eq!(echo.unacknowledged(), 2);
        echo.came_back(2);
        assert_eq!(echo.unacknowledged(), 0);
    }

    #[test]
    fn a_new_connection_forgets_what_was_under_way_and_owed() {
        let echo = echo();
        echo.enter_connection(1);
        echo.sent();
        echo.enter_connection(2);
        assert_eq!(echo.unacknowledged(), 0);
        assert!(echo.owed_barrier().is_none());
    }

    #[test]
    fn a_barrier_that_found_no_room_is_owed_with_the_newest_number() {
        let echo = echo();
        echo.sent();
        echo.sent();
        assert_eq!(&*echo.owed_barrier().unwrap(), "_INBOX.x.1.b2");
        echo.came_back(99);
        assert_eq!(echo.unacknowledged(), 0, "never more than were sent");
    }
}
