//! Wires the operator together and runs it to its end.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use streamhub_plan::CameraKey;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::camera::controller::Cameras;
use crate::camera::memory::{Memories, lock};
use crate::camera::readings::Readings;
use crate::camera::rollout::{Rollout, is_of};
use crate::client::Clients;
use crate::context::Context;
use crate::election::{Election, Held};
use crate::events::Events;
use crate::http::{Pages, routes};
use crate::hub::{Budgets, Hubs, by_state};
use crate::metrics::Metrics;
use crate::process::stop_at_a_signal;
use crate::pulse::Pulse;
use crate::queue::Queue;
use crate::settings::Settings;
use crate::watch as watches;
use crate::world::{HubKey, World};

const CAMERAS_AT_ONCE: usize = 16;
const HUBS_AT_ONCE: usize = 4;
/// Most pods that do not exist take a second to say so.
const READINGS_AT_ONCE: usize = 256;
const RETRIES_AT_ONCE: usize = 64;
/// For what has begun, at the end.
const LETTING_GO: Duration = Duration::from_secs(20);
const FIGURES_EVERY: Duration = Duration::from_secs(10);

/// Runs until it is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let settings = Settings::from(args);
    let (clients, namespace) = Clients::infer().await.context("no way to the API server")?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("--listen {}: cannot listen there", settings.listen))?;
    let metrics = Arc::new(Metrics::default());
    // One that waits for the Lease is as ready as it can be.
    let (ready, ready_seen) = watch::channel(true);
    let figures = Arc::clone(&metrics);
    let pulses = Pulses::default();
    let seen = pulses.clone();
    let pages = Pages {
        alive: Arc::new(move || seen.are_well()),
        render: Arc::new(move || figures.render()),
        ready: ready_seen,
        waiting: "the first lists are still being read\n",
    };
    tokio::spawn(async move { axum::serve(listener, routes(pages)).await });

    let mut stop = stop_at_a_signal()?;
    let (lease, given) = &settings.lease;
    let mut election = Election::new(
        clients.lease.clone(),
        given.as_deref().unwrap_or(&namespace),
        lease,
        &settings.identity,
    );
    let term = Term {
        settings: &settings,
        clients: &clients,
        metrics: &metrics,
        ready: &ready,
        pulses: &pulses,
    };
    loop {
        let (identity, release) = (&settings.identity, &settings.pods.release);
        tracing::info!(identity, release, "waiting for the Lease");
        tokio::select! {
            () = election.win() => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
        tracing::info!("the Lease is ours");
        metrics.leader.set(1);
        let held = term.lead(&mut election, stop.clone()).await?;
        metrics.stand_by();
        let _ = ready.send(true);
        match held {
            Held::GivenBack => return Ok(()),
            // Without it nothing is done any more. An API server that was away is no reason to end: the kubelet would
            // wait ever longer before it starts us again.
            Held::Lost => tracing::warn!("the Lease is lost; all work is dropped"),
        }
    }
}

/// Of each queue, whether it gets on.
#[derive(Clone, Default)]
struct Pulses {
    cameras: Pulse,
    hubs: Pulse,
    readings: Pulse,
    retries: Pulse,
}

impl Pulses {
    fn are_well(&self) -> bool {
        let now = Instant::now();
        let all = [
            ("camera", &self.cameras),
            ("hub", &self.hubs),
            ("status", &self.readings),
            ("status-retry", &self.retries),
        ];
        let stuck = all.into_iter().find(|(_, pulse)| !pulse.is_well(now));
        if let Some((queue, _)) = stuck {
            tracing::error!(queue, "all work in this queue hangs; this is a defect");
        }
        stuck.is_none()
    }
}

/// The queues of all controllers.
struct Queues {
    cameras: Queue<CameraKey>,
    hubs: Queue<HubKey>,
    readings: Queue<CameraKey>,
    retries: Queue<CameraKey>,
}

impl Queues {
    fn new(metrics: &Metrics) -> Self {
        Self {
            cameras: Queue::new(CAMERAS_AT_ONCE, metrics.queue("camera")),
            hubs: Queue::new(HUBS_AT_ONCE, metrics.queue("hub")),
            readings: Queue::new(READINGS_AT_ONCE, metrics.queue("status")),
            retries: Queue::new(RETRIES_AT_ONCE, metrics.queue("status-retry")),
        }
    }

    /// Works on all of them, once all there is has been listed: what is not would be taken for gone.
    async fn run(
        self,
        context: Arc<Context>,
        pulses: Pulses,
        mut listed: watch::Receiver<bool>,
        end: watch::Receiver<bool>,
    ) {
        let mut ended = end.clone();
        tokio::select! {
            _ = listed.wait_for(|listed| *listed) => {}
            _ = ended.wait_for(|end| *end) => return,
        }
        tracing::info!("all there is is known; beginning");
        let readings = |retries| Readings::new(Arc::clone(&context), retries);
        tokio::join!(
            self.cameras
                .run(Cameras(Arc::clone(&context)), pulses.cameras, end.clone()),
            self.hubs
                .run(Hubs(Arc::clone(&context)), pulses.hubs, end.clone()),
            self.readings
                .run(readings(false), pulses.readings, end.clone()),
            self.retries
                .run(readings(true), pulses.retries, end.clone()),
        );
    }
}

/// What lasts from one time that the Lease is ours to the next.
struct Term<'a> {
    settings: &'a Settings,
    clients: &'a Clients,
    metrics: &'a Arc<Metrics>,
    ready: &'a watch::Sender<bool>,
    pulses: &'a Pulses,
}

impl Term<'_> {
    /// Works until the Lease is lost or given back. All that was begun ends with it: its tasks are ended when their
    /// sets are dropped.
    async fn lead(
        &self,
        election: &mut Election,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Held> {
        let queues = Queues::new(self.metrics);
        let client = self.clients.requests.clone();
        let (events, writer) = Events::new(client, &self.settings.identity);
        let context = Arc::new(Context {
            events,
            clients: self.clients.clone(),
            settings: self.settings.clone(),
            world: Mutex::new(World::default()),
            memories: Memories::default(),
            hub_budgets: Budgets::default(),
            rollout: Mutex::new(Rollout::default()),
            metrics: Arc::clone(self.metrics),
            cameras: queues.cameras.asker(),
            hubs: queues.hubs.asker(),
            readings: queues.readings.asker(),
            retries: queues.retries.asker(),
            nodes_known: AtomicBool::new(false),
            devices_known: AtomicBool::new(false),
        });
        let _ = self.ready.send(false);
        let listed = self.ready.subscribe();
        let mut tasks = JoinSet::new();
        watches::begin(&context, &mut tasks, self.ready.clone());
        tasks.spawn(writer.run());
        tasks.spawn(figures(Arc::clone(&context)));
        let (end, ending) = watch::channel(false);
        let mut work = JoinSet::new();
        work.spawn(queues.run(context, self.pulses.clone(), listed, ending));

        let (release, released) = watch::channel(false);
        let orderly = async {
            let _ = stop.wait_for(|stop| *stop).await;
            // What has begun is done to its end before another operator may begin.
            let _ = end.send(true);
            if tokio::time::timeout(LETTING_GO, work.join_next())
                .await
                .is_err()
            {
                tracing::warn!("not all that had begun came to its end");
            }
            let _ = release.send(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            held = election.hold(released) => Ok(held),
            () = orderly => Ok(Held::GivenBack),
            _ = tasks.join_next() => bail!("a watch has ended; start again"),
        }
    }
}

/// Figures that are counted now and then.
async fn figures(context: Arc<Context>) {
    let mut shown = BTreeSet::new();
    let release = context.settings.pods.hash();
    loop {
        let states = by_state(&lock(&context.world));
        context.metrics.count(&states, &mut shown);
        let waiting = {
            let world = lock(&context.world);
            let pods = world.pods();
            pods.filter(|(_, pod)| !is_of(pod, &release)).count()
        };
        let stopped = waiting > 0 && lock(&context.rollout).is_stopped();
        context.metrics.rollout_waiting.set(waiting as i64);
        context.metrics.rollout_stopped.set(i64::from(stopped));
        tokio::time::sleep(FIGURES_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_queue_that_hangs_is_enough_to_be_started_again() {
        let hangs: [fn(&Pulses) -> &Pulse; 4] = [
            |pulses| &pulses.cameras,
            |pulses| &pulses.hubs,
            |pulses| &pulses.readings,
            |pulses| &pulses.retries,
        ];
        for one in hangs {
            let pulses = Pulses {
                cameras: Pulse::of(Duration::ZERO),
                hubs: Pulse::of(Duration::ZERO),
                readings: Pulse::of(Duration::ZERO),
                retries: Pulse::of(Duration::ZERO),
            };
            assert!(pulses.are_well(), "it waits for the Lease");
            let _beating = one(&pulses).begin();
            assert!(!pulses.are_well());
        }
    }
}
