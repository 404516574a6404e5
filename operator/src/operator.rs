//! Wires the operator together and runs it to its end.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::camera::controller::Cameras;
use crate::camera::memory::{Memories, lock};
use crate::camera::readings::Readings;
use crate::camera::rollout::Rollout;
use crate::client::Clients;
use crate::context::Context;
use crate::election::{Election, Held};
use crate::events::Events;
use crate::http::{Pages, routes};
use crate::hub::{Budgets, Hubs, by_state};
use crate::metrics::{Metrics, StateLabel};
use crate::queue::Queue;
use crate::settings::Settings;
use crate::watch as watches;
use crate::world::World;

const CAMERAS_AT_ONCE: usize = 16;
const HUBS_AT_ONCE: usize = 4;
/// Most pods that do not exist take a second to say so.
const READINGS_AT_ONCE: usize = 256;
const RETRIES_AT_ONCE: usize = 64;
const FIGURES_EVERY: Duration = Duration::from_secs(10);

/// Runs until it is told to end, or has lost its Lease.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let settings = Settings::from(args);
    let (clients, namespace) = Clients::infer().await.context("no way to the API server")?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("--listen {}: cannot listen there", settings.listen))?;
    let mut metrics = Metrics::default();
    let cameras = Queue::new(CAMERAS_AT_ONCE, metrics.queue("camera"));
    let hubs = Queue::new(HUBS_AT_ONCE, metrics.queue("hub"));
    let readings = Queue::new(READINGS_AT_ONCE, metrics.queue("status"));
    let retries = Queue::new(RETRIES_AT_ONCE, metrics.queue("status-retry"));
    let metrics = Arc::new(metrics);
    // One that waits for the Lease is as ready as it can be.
    let (ready, ready_seen) = watch::channel(true);
    let pages = Pages {
        metrics: Arc::clone(&metrics),
        ready: ready_seen,
    };
    tokio::spawn(async move { axum::serve(listener, routes(pages)).await });

    let stop = stop_at_a_signal()?;
    let lease_namespace = settings.lease.1.clone().unwrap_or(namespace);
    let identity = settings.identity.clone();
    let mut election = Election::new(
        clients.lease.clone(),
        &lease_namespace,
        &settings.lease.0,
        &identity,
    );
    tracing::info!(
        identity,
        release = settings.pods.release,
        "waiting for the Lease"
    );
    let mut stopped = stop.clone();
    tokio::select! {
        () = election.win() => {}
        _ = stopped.wait_for(|stop| *stop) => return Ok(()),
    }
    tracing::info!("the Lease is ours");
    metrics.leader.set(1);
    let _ = ready.send(false);

    let (events, writer) = Events::new(clients.requests.clone(), &identity);
    let context = Arc::new(Context {
        events,
        clients,
        settings,
        world: Mutex::new(World::default()),
        memories: Memories::default(),
        hub_budgets: Budgets::default(),
        rollout: Mutex::new(Rollout::default()),
        metrics: Arc::clone(&metrics),
        cameras: cameras.asker(),
        hubs: hubs.asker(),
        readings: readings.asker(),
        retries: retries.asker(),
        nodes_known: AtomicBool::new(false),
    });
    let mut tasks = JoinSet::new();
    let mut listed = ready.subscribe();
    watches::begin(&context, &mut tasks, ready);
    tasks.spawn(writer.run());
    tasks.spawn(figures(Arc::clone(&context)));

    let mut workers = JoinSet::new();
    let (ending, ended) = watch::channel(false);
    let shared = (Arc::clone(&context), ended);
    workers.spawn(async move {
        let (context, ended) = shared;
        // What is not listed yet would be taken for gone.
        if listed.wait_for(|ready| *ready).await.is_err() {
            return;
        }
        tracing::info!("all there is is known; beginning");
        tokio::join!(
            cameras.run(Cameras(Arc::clone(&context)), ended.clone()),
            hubs.run(Hubs(Arc::clone(&context)), ended.clone()),
            readings.run(Readings::new(Arc::clone(&context), false), ended.clone()),
            retries.run(Readings::new(Arc::clone(&context), true), ended.clone()),
        );
    });

    let (release, released) = watch::channel(false);
    let mut stopped = stop.clone();
    let end = async {
        let _ = stopped.wait_for(|stop| *stop).await;
        // What has begun is done to its end before another may begin.
        let _ = ending.send(true);
        let worked = async { while workers.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(20), worked)
            .await
            .is_err()
        {
            tracing::warn!("not all that had begun came to its end");
        }
        let _ = release.send(true);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        held = election.hold(released) => match held {
            Held::GivenBack => Ok(()),
            // Another may work already; what is under way here must not go on beside it.
            Held::Lost => bail!("the Lease is lost; start again"),
        },
        () = end => Ok(()),
        _ = tasks.join_next() => bail!("a watch has ended; start again"),
    }
}

/// Figures that are counted now and then.
async fn figures(context: Arc<Context>) {
    loop {
        let states = by_state(&lock(&context.world));
        context.metrics.cameras.clear();
        for (state, number) in states {
            context
                .metrics
                .cameras
                .get_or_create(&StateLabel { state })
                .set(i64::from(number));
        }
        tokio::time::sleep(FIGURES_EVERY).await;
    }
}

fn stop_at_a_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
        let _ = stop.send(true);
    });
    Ok(stopped)
}
