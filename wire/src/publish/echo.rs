//! Knowing what the server has taken: an empty message to our own inbox follows each frame, and when it is back, the
//! frame is through. One wildcard subscription serves all renditions of the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_nats::{Client, Message, StatusCode, Subject, SubscribeError};
use futures::StreamExt as _;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::interest::{Listeners, Verdicts};

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

    pub(super) fn add(&self, listeners: Listeners) -> Arc<Echo> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let echo = Arc::new(Echo {
            number,
            inbox: format!("{}.{number}", self.inbox),
            listeners,
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
/// metadata (the server's "no responders" counts, everything else, such as JetStream's acknowledgement, is ignored),
/// `t0` a round trip.
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
        return;
    }
    let Some((kind, Ok(frame))) = kind.split_at_checked(1).map(|(k, n)| (k, n.parse())) else {
        return;
    };
    let Some(echo) = lock(waiting).renditions.get(&number).cloned() else {
        return;
    };
    match kind {
        "b" => echo.came_back(frame, Instant::now()),
        "f" | "m" if message.status == Some(StatusCode::NO_RESPONDERS) => echo.no_responders(frame),
        _ => {}
    }
}

/// The frames of one rendition that are under way.
pub(super) struct Echo {
    number: u64,
    inbox: String,
    listeners: Listeners,
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
    verdicts: Verdicts,
}

impl Echo {
    /// On a new connection nothing is under way any more.
    pub(super) fn enter_connection(&self, connection: u64) {
        let mut counters = lock(&self.counters);
        if counters.connection != connection {
            counters.connection = connection;
            counters.back = counters.sent;
            counters.barrier = counters.sent;
            counters.verdicts.clear();
            drop(counters);
            self.listeners.connected(Instant::now());
        }
    }

    pub(super) fn unacknowledged(&self) -> u64 {
        let counters = lock(&self.counters);
        counters.sent - counters.back
    }

    /// Counts the next frame as sent, before it is: the server's answer may be faster than the thread that sends it.
    /// Returns its inbox.
    pub(super) fn frame(&self) -> Subject {
        let mut counters = lock(&self.counters);
        counters.sent += 1;
        let number = counters.sent;
        counters.verdicts.sent(number);
        format!("{}.f{number}", self.inbox).into()
    }

    /// The client did not take that frame.
    pub(super) fn frame_refused(&self) {
        let mut counters = lock(&self.counters);
        let number = counters.sent;
        counters.verdicts.forget(number);
        counters.sent -= 1;
    }

    /// The same for the metadata message of the frame just sent.
    pub(super) fn meta(&self) -> Subject {
        let mut counters = lock(&self.counters);
        let number = counters.sent;
        counters.verdicts.sent_meta(number);
        format!("{}.m{number}", self.inbox).into()
    }

    /// The client did not take that message: nobody will get it.
    pub(super) fn meta_refused(&self) {
        let mut counters = lock(&self.counters);
        let number = counters.sent;
        counters.verdicts.no_responders(number);
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

    fn no_responders(&self, frame: u64) {
        lock(&self.counters).verdicts.no_responders(frame);
    }

    fn came_back(&self, barrier: u64, now: Instant) {
        let mut counters = lock(&self.counters);
        counters.back = counters.back.max(barrier.min(counters.sent));
        let verdict = counters.verdicts.came_back(barrier);
        drop(counters);
        match verdict {
            Some(true) => self.listeners.somebody(now),
            Some(false) => self.listeners.nobody(now),
            None => {}
        }
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
            listeners: Listeners::default(),
            counters: Mutex::default(),
        }
    }

    #[test]
    fn frames_are_under_way_until_a_later_barrier_is_back() {
        let echo = echo();
        echo.enter_connection(1);
        for _ in 0..2 {
            echo.frame();
            assert!(echo.owed_barrier().is_some());
            echo.barrier_sent();
        }
        assert_eq!(echo.unacknowledged(), 2);
        echo.came_back(2, Instant::now());
        assert_eq!(echo.unacknowledged(), 0);
    }

    #[test]
    fn a_new_connection_forgets_what_was_under_way_and_owed() {
        let echo = echo();
        echo.enter_connection(1);
        echo.frame();
        echo.enter_connection(2);
        assert_eq!(echo.unacknowledged(), 0);
        assert!(echo.owed_barrier().is_none());
    }

    #[test]
    fn a_barrier_that_found_no_room_is_owed_with_the_newest_number() {
        let echo = echo();
        echo.frame();
        echo.frame();
        assert_eq!(&*echo.owed_barrier().unwrap(), "_INBOX.x.1.b2");
        echo.came_back(99, Instant::now());
        assert_eq!(echo.unacknowledged(), 0, "never more than were sent");
    }

    #[test]
    fn a_frame_that_the_client_refused_was_never_sent_and_says_nothing_of_listeners() {
        let echo = echo();
        assert_eq!(&*echo.frame(), "_INBOX.x.1.f1");
        echo.frame_refused();
        assert_eq!(echo.unacknowledged(), 0);
        assert!(echo.owed_barrier().is_none());
        assert_eq!(&*echo.frame(), "_INBOX.x.1.f1");
        echo.meta();
        echo.meta_refused();
        echo.no_responders(1);
        echo.came_back(1, Instant::now());
        assert!(!echo.listeners.is_active());
        echo.frame();
        echo.came_back(2, Instant::now());
        assert!(echo.listeners.is_active());
    }
}
