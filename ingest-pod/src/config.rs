//! The two documents of a camera: read, validated, watched.

use notify::{RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use streamhub_crds::{Camera, DEFAULT_NAMESPACE, Rendition, StreamHub};
use streamhub_wire::feedback::FeedbackRules;
use streamhub_wire::subjects::{Prefix, Token};

use crate::stop::Stop;

/// How often the files are looked at when the kernel reports no change (network file systems do not).
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What the process is to do, complete and valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The camera's document.
    pub camera: Camera,
    /// The hub's document.
    pub hub: StreamHub,
    /// Effective renditions.
    pub renditions: Vec<Rendition>,
    /// What feedback is taken.
    pub feedback: FeedbackRules,
    /// What every subject begins with.
    pub prefix: Prefix,
    /// The camera's name as a subject token.
    pub token: Token,
}

/// Why documents cannot be used: field paths and messages, as `kubectl apply` would give them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// A change that only a new process can take over.
    pub fn not_in_place(what: &str) -> Self {
        Self(format!(
            "{what} cannot be changed in place: restart the process to take it over"
        ))
    }
}

/// The camera's and the hub's document as they were read.
type Texts = (String, Option<String>);

/// What was in the files at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading(Result<Texts, ConfigError>);

/// Where the documents are.
#[derive(Debug, Clone)]
pub struct Files {
    /// The camera's document.
    pub camera: PathBuf,
    /// The hub's document; absent: the hub that is implied everywhere.
    pub hub: Option<PathBuf>,
}

impl Files {
    /// Reads and validates both; the reading is what [`watch`] compares the next ones with.
    pub fn load(&self) -> Result<(Config, Reading), ConfigError> {
        let texts = self.read()?;
        let config = self.parse(&texts)?;
        Ok((config, Reading(Ok(texts))))
    }

    fn read(&self) -> Result<Texts, ConfigError> {
        let text = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|error| ConfigError(format!("{}: {error}", path.display())))
        };
        let hub = self.hub.as_deref().map(text).transpose()?;
        Ok((text(&self.camera)?, hub))
    }

    fn parse(&self, (camera, hub): &Texts) -> Result<Config, ConfigError> {
        let list = |path: &Path, problems: Vec<streamhub_crds::Problem>| {
            let lines: Vec<String> = problems
                .into_iter()
                .map(|mut problem| {
                    path.clone_into(&mut problem.file);
                    problem.to_string()
                })
                .collect();
            ConfigError(lines.join("\n"))
        };
        let camera = streamhub_crds::parse_camera(camera)
            .map_err(|problems| list(&self.camera, problems))?;
        let namespace = camera
            .metadata
            .namespace
            .as_deref()
            .unwrap_or(DEFAULT_NAMESPACE);
        let hub = match (hub, &self.hub) {
            (Some(text), Some(path)) => {
                streamhub_crds::parse_hub(text).map_err(|problems| list(path, problems))?
            }
            _ => StreamHub::implied(namespace),
        };
        Config::new(camera, hub)
    }
}

impl Config {
    fn new(camera: Camera, hub: StreamHub) -> Result<Self, ConfigError> {
        let bad = |error: streamhub_wire::subjects::SubjectError| ConfigError(error.to_string());
        let namespace = camera
            .metadata
            .namespace
            .clone()
            .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let hub_name = hub.metadata.name.clone().unwrap_or_default();
        let prefix = Prefix::new(hub.spec.subject_prefix(&namespace, &hub_name)).map_err(bad)?;
        let token = Token::new(camera.metadata.name.clone().unwrap_or_default()).map_err(bad)?;
        let mut feedback = FeedbackRules::default();
        for (name, module) in &hub.spec.feedback {
            let events = feedback
                .0
                .entry(Token::new(name.as_str()).map_err(bad)?)
                .or_default();
            for event in &module.events {
                if let Some(ttl) = module.ttl_of(event.as_str()) {
                    events.insert(Token::new(event.as_str()).map_err(bad)?, ttl.as_duration());
                }
            }
        }
        Ok(Self {
            renditions: camera.renditions(&hub),
            camera,
            hub,
            feedback,
            prefix,
            token,
        })
    }

    /// The camera's namespace.
    pub fn namespace(&self) -> &str {
        self.camera
            .metadata
            .namespace
            .as_deref()
            .unwrap_or(DEFAULT_NAMESPACE)
    }

    /// Tells one configuration from the next, as the plan does.
    pub fn hash(&self) -> String {
        streamhub_crds::spec_hash(&self.camera.spec, &self.hub.spec)
    }

    /// Why this configuration cannot follow `old` within one process; `None` when it can.
    pub fn needs_restart(&self, old: &Self) -> Option<&'static str> {
        if self.token != old.token || self.namespace() != old.namespace() {
            return Some("metadata.name and metadata.namespace");
        }
        if self.prefix != old.prefix {
            return Some("the hub's name and spec.nats.subjectPrefix");
        }
        let nats = |config: &Self| {
            let nats = config.hub.spec.nats.clone().unwrap_or_default();
            (nats.url, nats.credentials_secret_ref)
        };
        (nats(self) != nats(old)).then_some("the hub's spec.nats")
    }
}

/// Calls `changed` with each reading that differs from the one before, `last` at first, until stopped.
pub fn watch(
    files: &Files,
    Reading(mut last): Reading,
    stop: &Stop,
    mut changed: impl FnMut(Result<Config, ConfigError>),
) {
    let (bell, rung) = mpsc::sync_channel(1);
    let watcher = notifications(files, bell.clone());
    if let Err(error) = &watcher {
        // Their number is limited per user, and a hundred cameras may be more.
        tracing::warn!(%error, "no notifications of changes; looking every {} s", LOOK_AGAIN.as_secs());
    }
    loop {
        let now = files.read();
        if now != last {
            changed(
                now.as_ref()
                    .map_err(Clone::clone)
                    .and_then(|texts| files.parse(texts)),
            );
            last = now;
        }
        // A writer that truncates first must have time to write.
        let pause = match rung.recv_timeout(LOOK_AGAIN) {
            Ok(()) => Duration::from_millis(50),
            Err(_) => Duration::ZERO,
        };
        if stop.wait(pause) {
            return;
        }
    }
}

/// The folders are watched, not the files: editors and the downward API replace files.
fn notifications(
    files: &Files,
    bell: mpsc::SyncSender<()>,
) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading is reported too, and would keep us reading for ever.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            // A full channel means that a look is due anyway.
            let _ = bell.try_send(());
        }
    })?;
    let folders = [Some(&files.camera), files.hub.as_ref()]
        .into_iter()
        .flatten()
        .map(|path| path.parent().filter(|p| !p.as_os_str().is_empty()))
        .map(|folder| folder.unwrap_or(Path::new(".")));
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(fps: u32) -> String {
        format!(
            "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: door}}\n\
             spec: {{source: {{test: {{fps: {fps}}}}}}}\n"
        )
    }

    #[test]
    fn a_change_between_the_first_reading_and_the_watch_is_not_lost() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let files = Files {
            camera: folder.path().join("camera.yaml"),
            hub: None,
        };
        std::fs::write(&files.camera, camera(30)).expect("file");
        let (first, reading) = files.load().expect("valid document");
        std::fs::write(&files.camera, camera(10)).expect("file");
        let (stop, mut seen) = (Stop::new(), Vec::new());
        let until_first = stop.clone();
        watch(&files, reading, &stop, |config| {
            seen.push(config);
            until_first.stop();
        });
        let taken = seen
            .pop()
            .expect("the change is seen")
            .expect("it is valid");
        assert_ne!(taken.camera.spec, first.camera.spec);
    }
}
