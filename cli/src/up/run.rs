//! The loop of `up`: documents change, processes come and go, a second passes, somebody presses Ctrl-C.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use streamhub_crds::NatsServer;
use streamhub_devices::{Discovery, Watch};
use streamhub_plan::{CameraKey, Facts, Input, Plan, needs_own_nats, plan};
use tokio::sync::{mpsc, watch};

use super::cameras::{Cameras, Setup, label, now_ms};
use super::devices::Devices;
use super::documents::Documents;
use super::follow;
use super::nats::{self, NatsError};
use super::paths::{absolute, default_dir, find_ingest};
use super::printer::Printer;
use super::runtime::{NatsProcess, Runtime};
use super::secrets::Sources;
use super::signals::Stop;
use super::state::{State, StateError};
use super::status::{self, Answer, Liveness};
use super::supervisor::{self, Context, Event, Supervisor, Who};
use super::systemd::{self, Pulse};
use super::view::{self, Row};
use crate::args::{UpArgs, UpOutput};

const NATS_GRACE: Duration = Duration::from_secs(1);
/// After a full disk and the like.
const RETRY: Duration = Duration::from_secs(5);

/// Why `up` can't begin.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// A path that was named is not there.
    #[error("{path}: {source}")]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state folder can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no NATS server.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// There is no ingest program.
    #[error("no streamhub-ingest found: looked at --ingest, beside this program and on PATH")]
    NoIngest,
    /// The system refused something basic.
    #[error("can't start: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs until it is told to stop. Must be called on the main thread with a runtime that stays on it: children live
/// as long as the thread that started them.
pub async fn run(args: UpArgs) -> Result<(), UpError> {
    // Before anything that has to be cleaned up.
    let mut stop = Stop::new()?;
    let paths = args
        .paths
        .iter()
        .map(absolute)
        .collect::<Result<Vec<_>, _>>()?;
    let secrets = args.secrets.as_ref().map(absolute).transpose()?;
    let ingest = find_ingest(&args)?;
    let dir = args
        .state_dir
        .clone()
        .unwrap_or_else(|| default_dir(&paths));
    let state = Arc::new(Mutex::new(State::open(&dir)?));

    let output = args.output.unwrap_or_else(|| {
        if std::io::stdout().is_terminal() {
            UpOutput::Table
        } else {
            UpOutput::Log
        }
    });
    let printer = Printer::start(output, args.log_format)?;
    crate::logging::to_printer(printer.clone(), args.log_format);

    let (events, mut event) = mpsc::unbounded_channel();
    let (hurry, impatient) = watch::channel(false);
    let context = Context {
        events,
        printer: printer.clone(),
        format: args.log_format,
        hurry: impatient,
    };
    let setup = Setup {
        ingest,
        dir: dir.clone(),
        state: Arc::clone(&state),
        format: args.log_format,
        context: context.clone(),
    };
    let mut up = Up {
        documents: Documents::new(paths.clone()),
        cameras: Cameras::new(setup)?,
        devices: Devices::new(Discovery::default()),
        plan: Plan::default(),
        nats: None,
        last: BTreeMap::new(),
        pulse: Pulse::default(),
        retry: None,
        state,
        secrets: secrets.clone(),
        context,
        output,
        args,
        dir,
    };
    let mut changes = follow::start(&paths, secrets.as_deref());
    let begun = tokio::select! {
        begun = up.reconcile() => Some(begun),
        () = stop.asked() => None,
    };
    match begun {
        Some(Ok(())) => {
            up.greet();
            systemd::ready();
            up.go_on(&mut stop, &mut changes, &mut event).await;
        }
        Some(Err(error)) => {
            printer.finish();
            return Err(error);
        }
        None => {}
    }
    printer.table(Vec::new());
    tracing::info!("stopping; once more to stop at once");
    systemd::stopping();
    tokio::select! {
        () = up.stop() => {}
        () = async {
            stop.asked().await;
            let _ = hurry.send(true);
            std::future::pending::<()>().await;
        } => {}
    }
    printer.finish();
    Ok(())
}

struct Up {
    args: UpArgs,
    dir: PathBuf,
    secrets: Option<PathBuf>,
    state: Arc<Mutex<State>>,
    documents: Documents,
    cameras: Cameras,
    devices: Devices,
    plan: Plan,
    nats: Option<Nats>,
    /// State and problem of each camera as last logged.
    last: BTreeMap<String, (String, Option<String>)>,
    pulse: Pulse,
    /// When to try again what could not be carried out.
    retry: Option<Instant>,
    context: Context,
    output: UpOutput,
}

struct Nats {
    supervisor: Supervisor,
    process: NatsProcess,
}

impl Up {
    /// Does what there is to do until somebody asks to stop.
    async fn go_on(
        &mut self,
        stop: &mut Stop,
        changes: &mut mpsc::Receiver<()>,
        event: &mut mpsc::UnboundedReceiver<Event>,
    ) {
        let (answers, mut answer) = mpsc::unbounded_channel();
        let plugs = Watch::new(Path::new("/dev"));
        let mut plugged = std::pin::pin!(plugs.changed());
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.asked() => break,
                Some(()) = changes.recv() => self.follow().await,
                () = &mut plugged => {
                    plugged.set(plugs.changed());
                    if self.devices.look(&self.documents.cameras()).await {
                        self.follow().await;
                    }
                }
                Some(event) = event.recv() => self.note(event),
                Some(answer) = answer.recv() => self.learn(answer),
                _ = second.tick() => {
                    if self.retry.is_some_and(|when| when <= Instant::now()) {
                        self.follow().await;
                    }
                    self.show();
                    self.ask(&answers);
                }
            }
        }
    }

    /// Takes over what changed; what fails is tried again.
    async fn follow(&mut self) {
        if let Err(error) = self.reconcile().await {
            tracing::error!(%error, "can't follow the change");
            self.retry = Some(Instant::now() + RETRY);
        }
    }

    /// Reads the documents, plans, and carries the plan out.
    async fn reconcile(&mut self) -> Result<(), UpError> {
        for problem in self.documents.reload() {
            tracing::error!("{problem}");
        }
        let (cameras, hubs) = (self.documents.cameras(), self.documents.hubs());
        if self.nats.is_none() && needs_own_nats(&cameras, &hubs) {
            self.start_nats().await?;
        }
        self.devices.look(&cameras).await;
        let facts = self.facts(&cameras)?;
        let own = self.nats.as_ref().map(|nats| NatsServer {
            url: nats.process.url.parse().ok(),
            ..NatsServer::default()
        });
        let input = Input {
            cameras: &cameras,
            hubs: &hubs,
            facts: &facts,
            nats: own.as_ref(),
            devices: None,
        };
        let mut plan = plan(&input);
        let sources = Sources {
            documents: self.documents.secrets(),
            folder: self.secrets.as_deref(),
        };
        let done = self
            .cameras
            .apply(&mut plan, &self.documents.folders(), &sources);
        self.retry = (!done).then(|| Instant::now() + RETRY);
        for (key, note) in self.documents.notes() {
            if let Some(child) = self.cameras.children.get_mut(&key) {
                child.known.note = Some(note);
            }
        }
        self.plan = plan;
        self.publish_runtime();
        Ok(())
    }

    fn facts(
        &self,
        cameras: &[streamhub_crds::Camera],
    ) -> Result<BTreeMap<CameraKey, Facts>, StateError> {
        let mut state = lock(&self.state);
        let mut facts = BTreeMap::new();
        for camera in cameras {
            let key = CameraKey::of(camera);
            let spec = serde_json::to_vec(&camera.spec).unwrap_or_default();
            let spec = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &spec).to_string();
            let memory = state.meet(&key.to_string(), &spec, now_ms());
            let meta = &camera.metadata;
            let created = meta
                .creation_timestamp
                .as_ref()
                .and_then(|time| time.0.as_millisecond().try_into().ok());
            let fact = Facts {
                uid: meta.uid.clone().unwrap_or(memory.uid),
                created: created.unwrap_or(memory.created),
                generation: meta.generation.unwrap_or(memory.generation),
                running: self.cameras.running_hub(&key).cloned(),
                devices: self.devices.of(&key),
            };
            facts.insert(key, fact);
        }
        state.save()?;
        Ok(facts)
    }

    async fn start_nats(&mut self) -> Result<(), UpError> {
        let program = nats::find(self.args.nats_server.as_deref())?;
        let wanted = self.args.nats_port;
        let mut port = nats::free_port(wanted)?;
        let name = format!("streamhub-{}", uuid::Uuid::new_v4());
        loop {
            let recipe = nats::recipe(program.clone(), &self.dir, port, &name)?;
            let supervisor =
                Supervisor::start(Who::Nats, recipe, NATS_GRACE, None, self.context.clone());
            let process = NatsProcess {
                url: format!("nats://127.0.0.1:{port}"),
                pid: None,
            };
            // Kept before the wait: whoever interrupts it finds the server to stop.
            self.nats = Some(Nats {
                supervisor,
                process,
            });
            if nats::is_ours(port, &name).await {
                break;
            }
            if let Some(nats) = self.nats.take() {
                let _ = nats.supervisor.stop().await;
            }
            port = nats::free_port(port.saturating_add(1))?;
        }
        if port != wanted {
            tracing::warn!("port {wanted} is taken; the NATS server listens on {port}");
        }
        Ok(())
    }

    fn greet(&self) {
        if let Some(nats) = &self.nats {
            tracing::info!("NATS server on {}", nats.process.url);
        }
        let Some((key, run)) = self.plan.runs.first_key_value() else {
            let folder = self
                .args
                .paths
                .first()
                .map(|path| path.display().to_string());
            tracing::info!(
                "no camera to run yet; add one to {}",
                folder.unwrap_or_default()
            );
            return;
        };
        tracing::info!("frames on {}.frames.<camera>.<rendition>", run.prefix());
        let mut hint = format!("streamhub snapshot {0} -o {0}.jpg", key.name);
        if key.namespace != streamhub_crds::DEFAULT_NAMESPACE {
            hint.extend([" -n ", &key.namespace]);
        }
        if let Some(dir) = &self.args.state_dir {
            hint.extend([" --state-dir ", &dir.to_string_lossy()]);
        }
        tracing::info!("try: {hint}");
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Started {
                who: Who::Nats,
                pid,
                ..
            } => {
                if let Some(nats) = &mut self.nats {
                    nats.process.pid = Some(pid);
                }
            }
            Event::Started {
                who: Who::Camera(key),
                pid,
                http,
            } => {
                if let Some(child) = self.cameras.children.get_mut(&key) {
                    (child.pid, child.http, child.known.down) = (Some(pid), http, None);
                    (child.known.heard, child.known.liveness) = (None, Liveness::default());
                }
            }
            Event::Ended { who, why, retry } => {
                let retry = format!("{:.1} s", retry.as_secs_f64());
                tracing::warn!(process = %who, "ended ({why}); starts again in {retry}");
                match (who, &mut self.nats) {
                    (Who::Nats, Some(nats)) => nats.process.pid = None,
                    (Who::Nats, None) => {}
                    (Who::Camera(key), _) => {
                        if let Some(child) = self.cameras.children.get_mut(&key) {
                            (child.pid, child.http) = (None, None);
                            child.known.down = Some(format!(
                                "its process ended ({why}); starts again in {retry}"
                            ));
                        }
                    }
                }
            }
        }
        self.publish_runtime();
    }

    fn learn(&mut self, answer: Answer) {
        let Some(child) = self.cameras.children.get_mut(&answer.camera) else {
            return;
        };
        if child.http != Some(answer.port) {
            return;
        }
        let now = Instant::now();
        if let Some(status) = answer.status {
            lock(&self.state).heard(&answer.camera.to_string(), status::last_frame_id(&status));
            child.known.heard = Some((*status, now));
        }
        if child.known.liveness.is_wedged(answer.alive, now) {
            tracing::warn!(
                camera = label(&answer.camera),
                "no sign of life for a minute, killing its process"
            );
            child.known.liveness = Liveness::default();
            supervisor::kill(child.pid);
        }
    }

    fn ask(&self, answers: &mpsc::UnboundedSender<Answer>) {
        for (key, child) in &self.cameras.children {
            if let Some(port) = child.http {
                status::ask(key.clone(), port, answers.clone());
            }
        }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows: BTreeMap<&CameraKey, Row> = BTreeMap::new();
        for (key, child) in &self.cameras.children {
            let renditions = child.run.camera.renditions(&child.run.hub);
            let first = renditions.first().map(|rendition| rendition.name.as_str());
            rows.insert(key, status::row(label(key), first, &child.known));
        }
        for (key, reason) in &self.plan.refused {
            rows.insert(key, status::refused(label(key), reason));
        }
        let broken = self.documents.broken();
        let broken = broken
            .into_iter()
            .map(|(name, problem)| status::broken(name, problem));
        rows.into_values().chain(broken).collect()
    }

    fn show(&mut self) {
        let rows = self.rows();
        let streaming = rows.iter().filter(|row| row.state == "Streaming");
        self.pulse.alive(streaming.count(), rows.len());
        match self.output {
            UpOutput::Table => {
                let (width, height) = view::room(crossterm::terminal::size().ok());
                let colour = std::env::var_os("NO_COLOR").is_none();
                let table = view::table(&rows, width, colour);
                let table = view::at_most(table, height.saturating_sub(1));
                self.context.printer.table(table);
            }
            UpOutput::Json => {
                let nats = self.nats.as_ref().map(|nats| &nats.process.url);
                let time = jiff::Timestamp::now().to_string();
                let record = serde_json::json!({ "time": time, "nats": nats, "cameras": rows });
                self.context.printer.record(record.to_string());
            }
            UpOutput::Log => {}
        }
        for row in rows {
            let now = (row.state, row.problem);
            if self.last.get(&row.camera) != Some(&now) {
                if let Some(problem) = &now.1 {
                    tracing::warn!(camera = row.camera, "{}: {problem}", now.0);
                } else {
                    tracing::info!(camera = row.camera, "{}", now.0);
                }
                self.last.insert(row.camera, now);
            }
        }
    }

    fn publish_runtime(&self) {
        let runtime = Runtime {
            pid: std::process::id() as i32,
            nats: self.nats.as_ref().map(|nats| nats.process.clone()),
            cameras: self.cameras.processes(),
        };
        if let Err(error) = runtime.write(&self.dir) {
            tracing::warn!(%error, "can't tell other commands where things are");
        }
    }

    /// Cameras first, so that they can say goodbye; the server last.
    async fn stop(&mut self) {
        self.cameras.stop_all().await;
        if let Some(nats) = self.nats.take() {
            let _ = nats.supervisor.stop().await;
        }
        Runtime::remove(&self.dir);
        if let Err(error) = lock(&self.state).save() {
            tracing::error!(%error, "can't remember incarnations");
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
