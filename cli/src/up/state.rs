//! What `up` remembers between runs: who each camera is, and the highest incarnation it had.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::files;

/// Why the state folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Reading or writing failed.
    #[error("can't use the state folder {path}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds it.
    #[error(
        "another `streamhub up`{} runs with the state folder {path}; stop it, or give this one a --state-dir of its own",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
        /// The other process, where it says so.
        pid: Option<i32>,
    },
    /// What is there is not ours, or broken.
    #[error("{path} is damaged: {source}; repair or remove it (cameras then get new identities)")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
}

/// One camera's memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Identity, for fencing; random, made when the camera was first seen.
    pub uid: String,
    /// When it was first seen, UNIX milliseconds: of two cameras that want one thing the older wins.
    pub created: u64,
    /// The last incarnation given to a process, or the last frame id seen of it, whichever is higher.
    pub incarnation: u64,
    /// Counts changes of the specification.
    pub generation: i64,
    /// Hash of the specification that `generation` counts.
    pub spec: String,
}

/// The state folder, held for this process alone.
#[derive(Debug)]
pub struct State {
    dir: PathBuf,
    _lock: File,
    cameras: BTreeMap<String, Memory>,
}

impl State {
    /// Takes the folder (made where it is not there) and reads what is in it. It is held until dropped, or until
    /// the process ends, however it ends.
    pub fn open(dir: &Path) -> Result<Self, StateError> {
        let io = |source| StateError::Io {
            path: dir.to_path_buf(),
            source,
        };
        files::make_dir(dir).map_err(io)?;
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"))
            .map_err(io)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let pid = std::fs::read_to_string(dir.join("lock"))
                .ok()
                .and_then(|text| text.trim().parse().ok());
            return Err(StateError::Busy {
                path: dir.to_path_buf(),
                pid,
            });
        }
        io::Write::write_all(&mut &lock, format!("{}\n", std::process::id()).as_bytes())
            .map_err(io)?;
        lock.set_len(format!("{}\n", std::process::id()).len() as u64)
            .map_err(io)?;
        let path = dir.join("state.json");
        let cameras = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StateError::Damaged { path, source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(StateError::Io { path, source }),
        };
        Ok(Self {
            dir: dir.to_path_buf(),
            _lock: lock,
            cameras,
        })
    }

    /// Meets a camera: remembers it when it is new, counts its generation when its specification changed.
    pub fn meet(&mut self, camera: &str, spec: &str, now_ms: u64) -> Memory {
        let memory = self
            .cameras
            .entry(camera.to_owned())
            .or_insert_with(|| Memory {
                uid: uuid::Uuid::new_v4().to_string(),
                created: now_ms,
                ..Memory::default()
            });
        if memory.spec != spec {
            spec.clone_into(&mut memory.spec);
            memory.generation += 1;
        }
        memory.clone()
    }

    /// The incarnation for the next process of a camera, above every one before. Saved before it is used.
    pub fn incarnate(&mut self, camera: &str, now_ms: u64) -> Result<u64, StateError> {
        let memory = self.cameras.entry(camera.to_owned()).or_default();
        memory.incarnation = now_ms.max(memory.incarnation.saturating_add(1));
        let incarnation = memory.incarnation;
        self.save()?;
        Ok(incarnation)
    }

    /// Notes a frame id that a camera's process used, so that the next one begins above it even if the clock of
    /// this machine was set back.
    pub fn heard(&mut self, camera: &str, frame_id: u64) {
        if let Some(memory) = self.cameras.get_mut(camera) {
            memory.incarnation = memory.incarnation.max(frame_id);
        }
    }

    /// Writes what is remembered.
    pub fn save(&self) -> Result<(), StateError> {
        let path = self.dir.join("state.json");
        let text =
            serde_json::to_vec_pretty(&self.cameras).map_err(|source| StateError::Damaged {
                path: path.clone(),
                source,
            })?;
        files::write_for_good(&path, &text).map_err(|source| StateError::Io { path, source })
    }
}

/// `$XDG_STATE_HOME/streamhub`, or `~/.local/state/streamhub`: the folder that holds the state folders.
pub fn home() -> PathBuf {
    let xdg = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let state = xdg.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    state.unwrap_or_else(std::env::temp_dir).join("streamhub")
}

/// The name of the state folder for these (absolute) manifest paths: readable, and different for different paths.
pub fn name_for(paths: &[PathBuf]) -> String {
    let text: Vec<String> = paths
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let hash = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, text.join("\n").as_bytes())
        .simple()
        .to_string();
    let name = paths
        .first()
        .and_then(|path| path.file_name())
        .map(|name| name.to_string_lossy().into_owned());
    format!(
        "{}-{}",
        name.unwrap_or_default(),
        hash.get(..12).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnations_only_rise_even_when_the_clock_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        assert_eq!(state.incarnate("default/door", 1_000).unwrap(), 1_000);
        assert_eq!(state.incarnate("default/door", 900).unwrap(), 1_001);
        state.heard("default/door", 5_000);
        drop(state);
        let mut state = State::open(folder.path()).unwrap();
        assert_eq!(
            state.incarnate("default/door", 900).unwrap(),
            1_002,
            "what was heard is saved with the next save"
        );
        state.heard("default/door", 5_000);
        assert_eq!(state.incarnate("default/door", 900).unwrap(), 5_001);
    }

    #[test]
    fn identity_stays_and_generation_counts_changes_of_the_specification() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let first = state.meet("default/door", "a", 1);
        assert_eq!((first.generation, first.created), (1, 1));
        state.save().unwrap();
        drop(state);
        let mut state = State::open(folder.path()).unwrap();
        assert_eq!(state.meet("default/door", "a", 2), first);
        let changed = state.meet("default/door", "b", 3);
        assert_eq!(
            (changed.uid, changed.generation, changed.created),
            (first.uid, 2, 1)
        );
    }

    #[test]
    fn a_second_holder_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let _held = State::open(folder.path()).unwrap();
        let message = State::open(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains(&format!("process {}", std::process::id())),
            "{message}"
        );
    }
}
