//! Who is looked at next: each key once however often it was asked for, never twice at a time, a few at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::channel::mpsc;
use kube::runtime::scheduler::{ScheduleRequest, scheduler};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::metrics::QueueMetrics;
use crate::pulse::Pulse;

/// What may be a key.
pub trait Key: Clone + Debug + Eq + Hash + Send + Sync + 'static {}
impl<T: Clone + Debug + Eq + Hash + Send + Sync + 'static> Key for T {}

/// The end at which work is asked for.
#[derive(Debug)]
pub struct Asker<K> {
    // Without a bound, as who asks may not wait: a key that waits is not sent again, and the scheduler takes each at once.
    requests: mpsc::UnboundedSender<ScheduleRequest<K>>,
    waiting: Waiting<K>,
    metrics: QueueMetrics,
}

/// A defect is logged at this pace.
const AFTER_A_PANIC: Duration = Duration::from_mins(1);

/// Keys that were asked for and have not begun, and since when.
type Waiting<K> = Arc<Mutex<HashMap<K, Instant>>>;

impl<K> Clone for Asker<K> {
    fn clone(&self) -> Self {
        Self {
            requests: self.requests.clone(),
            waiting: Arc::clone(&self.waiting),
            metrics: self.metrics.clone(),
        }
    }
}

impl<K: Key> Asker<K> {
    /// Now, or as soon as it may.
    pub fn ask(&self, key: K) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Entry::Vacant(vacant) = waiting.entry(key.clone()) else {
            return;
        };
        vacant.insert(Instant::now());
        self.metrics.depth.set(waiting.len() as i64);
        drop(waiting);
        self.ask_at(key, Instant::now());
    }

    /// Its turn has come.
    fn begin(&self, key: &K) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let since = waiting.remove(key);
        self.metrics.depth.set(waiting.len() as i64);
        drop(waiting);
        if let Some(since) = since {
            self.metrics.wait.observe(since.elapsed().as_secs_f64());
        }
    }

    /// At a time, or earlier if it is asked for again.
    pub fn ask_at(&self, message: K, at: Instant) {
        let run_at = at.into();
        // Nobody takes requests any more while the program ends.
        let _ = self
            .requests
            .unbounded_send(ScheduleRequest { message, run_at });
    }
}

/// The end at which work is done.
pub struct Queue<K> {
    requests: mpsc::UnboundedReceiver<ScheduleRequest<K>>,
    asker: Asker<K>,
    at_once: usize,
}

/// What is done about one key; says when it must be done again at the latest.
pub trait Work<K>: Clone + Send + 'static {
    /// Does it.
    fn work(self, key: K) -> impl Future<Output = Option<Duration>> + Send;
}

impl<K: Key> Queue<K> {
    /// A queue of which at most `at_once` keys are worked on at a time.
    pub fn new(at_once: usize, metrics: QueueMetrics) -> Self {
        let (sender, requests) = mpsc::unbounded();
        let asker = Asker {
            requests: sender,
            waiting: Waiting::default(),
            metrics,
        };
        Self {
            requests,
            asker,
            at_once,
        }
    }

    /// The other end.
    pub fn asker(&self) -> Asker<K> {
        self.asker.clone()
    }

    /// Works until `stop`; what has begun by then is done to its end. Its pulse stops where all that is worked on hangs:
    /// nothing else gets its turn then.
    pub async fn run(self, work: impl Work<K>, pulse: Pulse, mut stop: watch::Receiver<bool>) {
        let Self {
            requests,
            asker,
            at_once,
        } = self;
        let mut scheduler = std::pin::pin!(scheduler(requests));
        let mut running: JoinSet<(K, Option<Duration>)> = JoinSet::new();
        let mut keys: HashMap<Id, K> = HashMap::new();
        let beating = pulse.begin();
        let mut tick = tokio::time::interval(pulse.every());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let full = keys.len() >= at_once;
            let idle = |key: &K| keys.values().all(|other| other != key);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                _ = tick.tick(), if !full => beating.beat(),
                Some(done) = running.join_next_with_id() => {
                    beating.beat();
                    let (id, next) = match done {
                        Ok((id, (_, next))) => (id, next),
                        // One that can't be worked on must not keep the others from it.
                        Err(error) => {
                            tracing::error!(%error, key = ?keys.get(&error.id()), "a reconcile broke off; this is a defect");
                            asker.metrics.broken.inc();
                            (error.id(), Some(AFTER_A_PANIC))
                        }
                    };
                    if let (Some(key), Some(next)) = (keys.remove(&id), next) {
                        asker.ask_at(key, Instant::now() + next);
                    }
                }
                next = async { scheduler.as_mut().hold_unless(idle).next().await }, if !full => {
                    let Some(key) = next else { break };
                    asker.begin(&key);
                    let (work, of) = (work.clone(), key.clone());
                    let handle = running.spawn(async move {
                        let next = work.work(of.clone()).await;
                        (of, next)
                    });
                    keys.insert(handle.id(), key);
                }
            }
        }
        while running.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Count {
        seen: Arc<Mutex<HashMap<&'static str, u32>>>,
        done: watch::Sender<bool>,
    }

    impl Work<&'static str> for Count {
        async fn work(self, key: &'static str) -> Option<Duration> {
            let times = {
                let mut seen = self.seen.lock().unwrap();
                let times = seen.entry(key).or_default();
                *times += 1;
                *times
            };
            tokio::time::sleep(Duration::from_millis(10)).await;
            match key {
                "poison" => panic!("on purpose"),
                "again" if times < 3 => Some(Duration::from_millis(10)),
                "again" => {
                    let _ = self.done.send(true);
                    None
                }
                _ => None,
            }
        }
    }

    #[tokio::test]
    async fn each_key_is_worked_on_once_and_a_broken_one_keeps_no_other_from_it() {
        let figures = QueueMetrics::default();
        let queue = Queue::new(2, figures.clone());
        let asker = queue.asker();
        for key in ["poison", "again", "a", "b", "a", "b", "c"] {
            asker.ask(key);
        }
        assert_eq!(figures.depth.get(), 5, "each once");
        let (done, stop) = watch::channel(false);
        let seen = Arc::new(Mutex::default());
        let count = Count {
            seen: Arc::clone(&seen),
            done,
        };
        tokio::time::timeout(
            Duration::from_mins(1),
            queue.run(count, Pulse::default(), stop),
        )
        .await
        .unwrap();
        let seen = seen.lock().unwrap();
        for (key, times) in [("poison", 1), ("again", 3), ("a", 1), ("b", 1), ("c", 1)] {
            assert_eq!(seen[key], times, "{key}");
        }
        assert_eq!((figures.depth.get(), figures.broken.get()), (0, 1));
    }

    #[derive(Clone)]
    struct Hangs;

    impl Work<&'static str> for Hangs {
        async fn work(self, _: &'static str) -> Option<Duration> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_queue_in_which_all_work_hangs_has_no_pulse() {
        let every = Duration::from_millis(20);
        let well = async |keys: &[&'static str]| {
            let queue = Queue::new(2, QueueMetrics::default());
            let asker = queue.asker();
            let pulse = Pulse::of(every);
            let (_end, stop) = watch::channel(false);
            let running = tokio::spawn(queue.run(Hangs, pulse.clone(), stop));
            for key in keys {
                asker.ask(key);
            }
            tokio::time::sleep(every * 60).await;
            // Had the machine stood still until now, it would first show that it lives.
            tokio::time::sleep(every * 5).await;
            // As it would look somewhat later.
            let well = pulse.is_well(Instant::now() + every * 10);
            running.abort();
            well
        };
        assert!(well(&[]).await, "it has nothing to do");
        assert!(well(&["a"]).await, "others would have their turn");
        assert!(!well(&["a", "b"]).await);
    }
}
