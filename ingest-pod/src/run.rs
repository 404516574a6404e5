//! Wires one camera together and runs it to its end.

use anyhow::Context as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use streamhub_devices::{Discovery, V4l2};
use streamhub_ingest::camera::{Keeper, Wanted};
use streamhub_ingest::captured::JpegDecoder;
use streamhub_ingest::config::{self, Config, ConfigError, Files, Reading};
use streamhub_ingest::http::{Pages, routes};
use streamhub_ingest::hub_clock::now_ms;
use streamhub_ingest::link::Link;
use streamhub_ingest::rendition::{Leave, Renditions, Shared};
use streamhub_ingest::report::Report;
use streamhub_ingest::router::Router;
use streamhub_ingest::secrets::{Secrets, default_folder};
use streamhub_ingest::source::End;
use streamhub_ingest::source::remote::cache::CacheSettings;
use streamhub_ingest::source::v4l2::{Devices, Given};
use streamhub_ingest::stop::Stop;
use streamhub_wire::connect::{NatsSettings, ingest_inbox};
use streamhub_wire::feedback::FeedbackStore;
use streamhub_wire::fencing::{Fence, Identity};
use streamhub_wire::publish::Publisher;
use streamhub_wire::status::ConfigStatus;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::Instrument as _;
use uuid::Uuid;

use streamhub_ingest::args::{Args, Final};

/// How long a source may take to let its camera go at the end.
const LETTING_GO: Duration = Duration::from_secs(3);

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked, or at the end of a file.
    Done,
    /// A newer instance publishes.
    Fenced,
    /// The configuration or the file can never work.
    Permanent,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            // sysexits.h: EX_PROTOCOL and EX_CONFIG.
            Outcome::Fenced => Self::from(76),
            Outcome::Permanent => Self::from(78),
        }
    }
}

/// Runs until a signal, or until an end that nothing can change.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    let files = Files {
        camera: args.camera.clone(),
        hub: args.hub.clone(),
    };
    let (config, reading) = files.load()?;
    gstreamer::init().context("GStreamer cannot start")?;
    // One connection needs no more than the main thread: to hand its tasks from worker to worker was a fifth
    // of all wake-ups of a camera that is passed through.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no asynchronous runtime")?;
    let outcome = runtime.block_on(serve(args, files, config, reading));
    // A source that hangs in the system must not keep the process from ending.
    runtime.shutdown_background();
    outcome
}

async fn serve(
    args: &Args,
    files: Files,
    config: Config,
    reading: Reading,
) -> anyhow::Result<Outcome> {
    let span = tracing::info_span!("camera", camera = config.token.as_str());
    let _in_span = span.enter();
    let secrets = Secrets::new(
        args.secrets
            .clone()
            .unwrap_or_else(|| default_folder(&args.camera)),
    );
    let identity = identity(args, &config);
    let incarnation = identity.incarnation;
    let report = Arc::new(Report::new(config.token.as_str(), identity.clone()));
    report.config(config_status(&config, String::new()));
    let listener = TcpListener::bind(args.http)
        .await
        .with_context(|| format!("--http {}: cannot listen there", args.http))?;

    let shared = Arc::new(connect(args, &config, &secrets, &report).await?);
    let router = Arc::new(Router::new(
        incarnation,
        Arc::new(Renditions(Arc::clone(&shared))),
    ));
    router.set_renditions(&config.renditions);

    tracing::info!(
        http = %listener.local_addr()?,
        frames = %format!("{}.frames.{}.<rendition>", config.prefix, config.token),
        incarnation,
        "ready to work"
    );
    let pages = pages(&report, &router);
    tokio::spawn(async move { axum::serve(listener, routes(pages)).await });

    let (ends, mut ended) = mpsc::channel::<Outcome>(4);
    let wanted = Wanted::new(config.camera.clone());
    let keeper = Keeper {
        wanted: wanted.clone(),
        router: Arc::clone(&router),
        report: Arc::clone(&report),
        secrets,
        media_root: media_root(args),
        media_cache: media_cache(args),
        devices: devices(args),
        fresh_for: Duration::from_secs_f64(args.fallback_fresh_for.max(0.0)),
        on_final: final_callback(args, &ends),
    };
    let source_thread = std::thread::Builder::new()
        .name("source".to_owned())
        .spawn({
            let span = span.clone();
            move || span.in_scope(|| keeper.run())
        })
        .context("no thread for the source")?;

    let stop_watching = Stop::new();
    follow_files(
        (files, reading),
        config,
        &stop_watching,
        &shared,
        &router,
        &wanted,
        &span,
    )?;

    let (shutdown, shutting_down) = watch::channel(false);
    let link = Link {
        shared: Arc::clone(&shared),
        router: Arc::clone(&router),
        report,
        fence: Fence::new(identity),
        on_fenced: fenced_callback(args, &ends, &wanted),
        connection_number: 0,
        reconnects: 0,
    };
    let mut link = tokio::spawn(link.run(shutting_down).instrument(span.clone()));

    let outcome = tokio::select! {
        () = asked_to_end()? => Outcome::Done,
        Some(outcome) = ended.recv() => outcome,
        ended = &mut link => {
            ended.context("conversation with NATS")?.context("conversation with NATS")?;
            Outcome::Done
        }
    };
    tracing::info!(?outcome, "ending");
    end_at_the_second_signal()?;
    stop_watching.stop();
    wanted.end();
    // A camera that does not let go must not keep us from saying goodbye.
    let joined = tokio::task::spawn_blocking(move || source_thread.join());
    let _ = tokio::time::timeout(LETTING_GO, joined).await;
    router.close();
    let _ = shutdown.send(true);
    if !link.is_finished() {
        let _ = link.await;
    }
    Ok(outcome)
}

/// What all renditions share, the connection to NATS among it.
async fn connect(
    args: &Args,
    config: &Config,
    secrets: &Secrets,
    report: &Arc<Report>,
) -> anyhow::Result<Shared> {
    let publisher =
        Publisher::connect(&nats_settings(args, config, secrets), config.prefix.clone())
            .await
            .map_err(|error| anyhow::anyhow!("the hub's spec.nats: {error}"))?;
    Ok(Shared {
        camera: config.token.clone(),
        publisher,
        feedback: Mutex::new(FeedbackStore::new(
            config.token.clone(),
            config.feedback.clone(),
        )),
        jpeg: JpegDecoder::new()?,
        report: Arc::clone(report),
        leave: Leave::default(),
    })
}

fn identity(args: &Args, config: &Config) -> Identity {
    let started = now_ms();
    let name = format!("{}/{}", config.namespace(), config.token);
    Identity {
        // By hand there is no object with a uid; the name makes one that two processes share.
        uid: config
            .camera
            .metadata
            .uid
            .clone()
            .unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()),
        incarnation: args.incarnation.unwrap_or(started),
        started,
        instance: Uuid::new_v4().simple().to_string(),
    }
}

fn config_status(config: &Config, refused: String) -> ConfigStatus {
    ConfigStatus {
        generation: config.camera.metadata.generation.unwrap_or(0),
        hash: config.hash(),
        refused,
    }
}

fn nats_settings(args: &Args, config: &Config, secrets: &Secrets) -> NatsSettings {
    let nats = config.hub.spec.nats.clone().unwrap_or_default();
    NatsSettings {
        url: nats
            .url
            .map_or_else(|| args.nats_url.clone(), |url| url.as_str().to_owned()),
        secrets: nats
            .credentials_secret_ref
            .map(|reference| secrets.folder_of(reference.name.as_str())),
        name: format!("streamhub-ingest {}/{}", config.namespace(), config.token),
        inbox_prefix: ingest_inbox(&config.token),
    }
}

fn media_root(args: &Args) -> std::path::PathBuf {
    let beside = || args.camera.parent().map(std::path::Path::to_owned);
    args.media_root.clone().or_else(beside).unwrap_or_default()
}

fn media_cache(args: &Args) -> CacheSettings {
    let folder = |name: &str| {
        let path = std::env::var_os(name).map(std::path::PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let cache =
        || folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    CacheSettings {
        folder: args.media_cache.clone().unwrap_or_else(|| {
            cache()
                .unwrap_or_else(std::env::temp_dir)
                .join("streamhub/media")
        }),
        size: args.media_cache_size,
    }
}

fn devices(args: &Args) -> Devices {
    let given = args.capture_device.clone().map(|path| Given {
        path,
        promised: args.expect_device.clone(),
    });
    Devices::new(given, Discovery::new(&args.sysfs, "/dev", V4l2))
}

fn pages(report: &Arc<Report>, router: &Arc<Router>) -> Pages {
    let (for_status, router) = (Arc::clone(report), Arc::clone(router));
    Pages {
        report: Arc::clone(report),
        status: Arc::new(move || for_status.status(&router.last_ids())),
    }
}

fn final_callback(args: &Args, ends: &mpsc::Sender<Outcome>) -> Box<dyn Fn(&End) + Send + Sync> {
    let (stay, ends) = (args.on_permanent_error == Final::Stay, ends.clone());
    Box::new(move |end| {
        let outcome = match end {
            End::Failed(_) => Outcome::Permanent,
            End::Finished | End::Stopped | End::Again => Outcome::Done,
        };
        if !stay {
            // A full channel means that the process is ending already.
            let _ = ends.try_send(outcome);
        }
    })
}

fn fenced_callback(
    args: &Args,
    ends: &mpsc::Sender<Outcome>,
    wanted: &Wanted,
) -> Box<dyn Fn() + Send + Sync> {
    let (stay, ends, wanted) = (
        args.on_permanent_error == Final::Stay,
        ends.clone(),
        wanted.clone(),
    );
    Box::new(move || {
        // The camera may allow only one session, and the newer instance needs it.
        wanted.end();
        if !stay {
            let _ = ends.try_send(Outcome::Fenced);
        }
    })
}

fn follow_files(
    (files, reading): (Files, Reading),
    mut current: Config,
    stop: &Stop,
    shared: &Arc<Shared>,
    router: &Arc<Router>,
    wanted: &Wanted,
    span: &tracing::Span,
) -> anyhow::Result<()> {
    let (shared, router, wanted, stop, span) = (
        Arc::clone(shared),
        Arc::clone(router),
        wanted.clone(),
        stop.clone(),
        span.clone(),
    );
    let mut take = move |reading: Result<Config, ConfigError>| {
        let checked = reading.and_then(|new| match new.needs_restart(&current) {
            Some(what) => Err(ConfigError::not_in_place(what)),
            None => Ok(new),
        });
        match checked {
            Ok(new) => {
                tracing::info!(hash = new.hash(), "new configuration taken over");
                shared
                    .feedback
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .set_rules(new.feedback.clone());
                router.set_renditions(&new.renditions);
                wanted.replace(new.camera.clone());
                shared.report.config(config_status(&new, String::new()));
                current = new;
            }
            Err(error) => {
                tracing::warn!(%error, "new configuration refused, the last good one stays in use");
                shared
                    .report
                    .config(config_status(&current, error.to_string()));
            }
        }
    };
    std::thread::Builder::new()
        .name("config".to_owned())
        .spawn(move || {
            span.in_scope(|| config::watch(&files, reading, &stop, &mut take));
        })
        .context("no thread to follow the documents")?;
    Ok(())
}

/// Who asks twice does not want to wait.
fn end_at_the_second_signal() -> anyhow::Result<()> {
    let impatient = asked_to_end()?;
    tokio::spawn(async move {
        impatient.await;
        std::process::exit(1);
    });
    Ok(())
}

fn asked_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
