//! The cameras' processes: what the plan says, made so.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use streamhub_crds::{Source, StreamHub};
use streamhub_plan::{Applied, CameraKey, Plan, Run, Step, steps};
use tokio::task::JoinHandle;

use super::files;
use super::runtime::CameraProcess;
use super::secrets::Sources;
use super::state::State;
use super::status::Known;
use super::supervisor::{Context, Launch, Recipe, Supervisor, Who};
use crate::args::LogFormat;

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// Folder in the state folder with what each process is given: documents and secrets.
const CAMERAS: &str = "cameras";

/// How every ingest process is started.
pub struct Setup {
    /// The program.
    pub ingest: PathBuf,
    /// The state folder.
    pub dir: PathBuf,
    /// What it remembers.
    pub state: Arc<Mutex<State>>,
    /// How its log lines look.
    pub format: LogFormat,
    /// What supervisors need.
    pub context: Context,
}

/// One camera's process.
pub struct CameraChild {
    supervisor: Supervisor,
    applied: Applied,
    /// What it was told last.
    pub run: Run,
    /// Its process id, while it runs.
    pub pid: Option<u32>,
    /// The port of its HTTP endpoints.
    pub http: Option<u16>,
    /// What is known of it.
    pub known: Known,
}

/// All of them.
pub struct Cameras {
    setup: Setup,
    /// Those that should run.
    pub children: BTreeMap<CameraKey, CameraChild>,
    leaving: Vec<(CameraKey, JoinHandle<()>)>,
}

impl Cameras {
    /// None yet. What an earlier run left behind is removed, secrets above all.
    pub fn new(setup: Setup) -> io::Result<Self> {
        files::remove(&setup.dir.join(CAMERAS))?;
        Ok(Self {
            setup,
            children: BTreeMap::new(),
            leaving: Vec::new(),
        })
    }

    /// The effective hub of what runs.
    pub fn running_hub(&self, camera: &CameraKey) -> Option<&StreamHub> {
        self.children.get(camera).map(|child| &child.run.hub)
    }

    /// Carries a plan out, and says whether all of it could be. `folders` tells where each camera's document lies: relative paths begin there.
    pub fn apply(
        &mut self,
        plan: &mut Plan,
        folders: &BTreeMap<CameraKey, PathBuf>,
        secrets: &Sources,
    ) -> bool {
        let mut done = true;
        for (key, run) in &mut plan.runs {
            // A process is told its folder once, so another folder is another process.
            let mut sources = run.camera.spec.source.all();
            let reads_files = sources.any(|source| matches!(source, Source::File(_)));
            if let (true, Some(folder)) = (reads_files, folders.get(key)) {
                run.process_hash.push_str(&folder.to_string_lossy());
            }
        }
        let applied = self
            .children
            .iter()
            .map(|(key, child)| (key.clone(), child.applied.clone()))
            .collect();
        for step in steps(&applied, plan) {
            match step {
                Step::Stop(key) => self.stop(&key),
                Step::Start(key) | Step::Update(key) | Step::Replace(key)
                    if !plan.runs.contains_key(&key) => {}
                Step::Start(ref key) | Step::Update(ref key) | Step::Replace(ref key) => {
                    let (Some(run), folder) =
                        (plan.runs.get(key), folders.get(key).map(PathBuf::as_path))
                    else {
                        continue;
                    };
                    if let Err(error) = self.carry_out(&step, key, run, folder, secrets) {
                        tracing::error!(camera = %label(key), %error, "can't write what its process needs");
                        done = false;
                    }
                }
            }
        }
        // Secrets change without their cameras changing.
        for (key, child) in &mut self.children {
            let dir = camera_dir(&self.setup.dir, key).join("secrets");
            if let Err(error) = secrets.hand_over(&key.namespace, &child.run.secrets, &dir) {
                tracing::error!(camera = %label(key), %error, "can't hand its secrets over");
                done = false;
            }
            if let Some(run) = plan.runs.get(key) {
                child.known.note = run
                    .notice
                    .as_ref()
                    .map(|notice| format!("{notice} (runs on what it had)"));
            }
        }
        done
    }

    fn carry_out(
        &mut self,
        step: &Step,
        key: &CameraKey,
        run: &Run,
        folder: Option<&Path>,
        secrets: &Sources,
    ) -> io::Result<()> {
        let dir = camera_dir(&self.setup.dir, key);
        files::make_dir(&dir)?;
        secrets.hand_over(&key.namespace, &run.secrets, &dir.join("secrets"))?;
        files::write(&dir.join("hub.yaml"), &document(&run.hub)?)?;
        files::write(&dir.join("camera.yaml"), &document(&run.camera)?)?;
        let applied = Applied {
            config_hash: run.config_hash.clone(),
            process_hash: run.process_hash.clone(),
        };
        match (step, self.children.get_mut(key)) {
            (Step::Update(_), Some(child)) => {
                tracing::info!(camera = %label(key), "new configuration, taken over in place");
                (child.applied, child.run) = (applied, run.clone());
            }
            (_, Some(child)) => {
                tracing::info!(camera = %label(key), "new configuration, needs a new process");
                child.supervisor.replace(recipe(&self.setup, key, folder));
                (child.applied, child.run, child.known) = (applied, run.clone(), Known::default());
            }
            (_, None) => {
                tracing::info!(camera = %label(key), source = run.camera.source_kind().as_str(), "starting");
                let before = self.leaving.iter().position(|(leaving, _)| leaving == key);
                let before = before.map(|index| self.leaving.swap_remove(index).1);
                let who = Who::Camera(key.clone());
                let recipe = recipe(&self.setup, key, folder);
                let supervisor =
                    Supervisor::start(who, recipe, GRACE, before, self.setup.context.clone());
                let child = CameraChild {
                    supervisor,
                    applied,
                    run: run.clone(),
                    pid: None,
                    http: None,
                    known: Known::default(),
                };
                self.children.insert(key.clone(), child);
            }
        }
        Ok(())
    }

    fn stop(&mut self, key: &CameraKey) {
        let Some(child) = self.children.remove(key) else {
            return;
        };
        tracing::info!(camera = %label(key), "stopping");
        if let Err(error) = files::remove(&camera_dir(&self.setup.dir, key).join("secrets")) {
            tracing::error!(camera = %label(key), %error, "can't remove its secrets");
        }
        self.leaving.retain(|(_, task)| !task.is_finished());
        self.leaving.push((key.clone(), child.supervisor.stop()));
    }

    /// Stops all of them at once and waits until they are gone.
    pub async fn stop_all(&mut self) {
        let keys: Vec<CameraKey> = self.children.keys().cloned().collect();
        for key in &keys {
            self.stop(key);
        }
        for (_, task) in self.leaving.drain(..) {
            // A supervisor that failed has dropped its child, which kills it.
            let _ = task.await;
        }
        if let Err(error) = files::remove(&self.setup.dir.join(CAMERAS)) {
            tracing::error!(%error, "can't remove what the processes were given");
        }
    }

    /// What other commands may know of them.
    pub fn processes(&self) -> Vec<CameraProcess> {
        let of = |(key, child): (&CameraKey, &CameraChild)| {
            let nats = child.run.hub.spec.nats.as_ref();
            let secret = nats.and_then(|nats| nats.credentials_secret_ref.as_ref());
            CameraProcess {
                namespace: key.namespace.clone(),
                hub: child.run.hub.metadata.name.clone().unwrap_or_default(),
                name: key.name.clone(),
                prefix: child.run.prefix(),
                url: nats
                    .and_then(|nats| nats.url.as_ref())
                    .map(|url| url.as_str().to_owned())
                    .unwrap_or_default(),
                credentials: secret.map(|secret| {
                    camera_dir(&self.setup.dir, key)
                        .join("secrets")
                        .join(secret.name.as_str())
                }),
                pid: child.pid,
                http: child.http,
            }
        };
        self.children.iter().map(of).collect()
    }
}

/// How a camera is called on a terminal.
pub fn label(key: &CameraKey) -> String {
    Who::Camera(key.clone()).to_string()
}

fn camera_dir(dir: &Path, key: &CameraKey) -> PathBuf {
    dir.join(CAMERAS).join(&key.namespace).join(&key.name)
}

/// JSON, which is YAML.
fn document(object: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(object)?)
}

fn recipe(setup: &Setup, key: &CameraKey, folder: Option<&Path>) -> Recipe {
    let (state, program, id) = (
        Arc::clone(&setup.state),
        setup.ingest.clone(),
        key.to_string(),
    );
    let dir = camera_dir(&setup.dir, key);
    let (format, folder) = (
        setup.format,
        folder.map_or_else(|| PathBuf::from("/"), Path::to_path_buf),
    );
    Box::new(move || {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let incarnation = state
            .incarnate(&id, now_ms())
            .map_err(|error| error.to_string())?;
        let http =
            ephemeral_port().map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
        let mut args: Vec<OsString> = Vec::new();
        let mut option = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
            args.extend([name.into(), value.as_ref().to_os_string()]);
        };
        option("--camera", &dir.join("camera.yaml"));
        option("--hub", &dir.join("hub.yaml"));
        option("--secrets", &dir.join("secrets"));
        option("--media-root", &folder);
        option("--http", &format!("127.0.0.1:{http}"));
        option("--incarnation", &incarnation.to_string());
        option("--log-format", &format.as_str());
        option("--on-permanent-error", &"stay");
        Ok(Launch {
            program: program.clone(),
            args,
            http: Some(http),
        })
    })
}

/// UNIX milliseconds.
pub fn now_ms() -> u64 {
    u64::try_from(streamhub_wire::hub_time_us() / 1000).unwrap_or(0)
}

/// A port that was free a moment ago. A process that finds it taken ends, and gets another one.
fn ephemeral_port() -> io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()
        .map(|address| address.port())
}
