//! What a running `up` tells other commands on this machine, so that `streamhub snapshot door` needs no address.

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use super::{files, state};

const FILE: &str = "runtime.json";

/// The contents of `runtime.json` in the state folder; it is there while `up` runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// Process id of `up`.
    pub pid: i32,
    /// The NATS server beside it, where it runs one.
    pub nats: Option<NatsProcess>,
    /// Its cameras.
    pub cameras: Vec<CameraProcess>,
}

/// The NATS server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NatsProcess {
    /// Where it listens.
    pub url: String,
    /// Its process id; `None` between two lives.
    pub pid: Option<u32>,
}

/// One camera.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CameraProcess {
    /// Its namespace, and its hub's.
    pub namespace: String,
    /// Its hub.
    pub hub: String,
    /// Its name.
    pub name: String,
    /// What every subject of its hub begins with.
    pub prefix: String,
    /// The NATS server that it publishes to.
    pub url: String,
    /// Folder of the hub's NATS credentials, one file for each key.
    pub credentials: Option<PathBuf>,
    /// Process id of its ingest; `None` between two lives.
    pub pid: Option<u32>,
    /// Port of its HTTP endpoints on 127.0.0.1.
    pub http: Option<u16>,
}

impl Runtime {
    /// Writes it where others look.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        files::write(&dir.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// Takes it away.
    pub fn remove(dir: &Path) {
        // Whoever finds it later sees that the process is gone.
        let _ = files::remove(&dir.join(FILE));
    }

    /// Reads the one of a state folder, if its process lives.
    pub fn read(dir: &Path) -> Option<Self> {
        let runtime: Self = serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()?;
        test_kill_process(Pid::from_raw(runtime.pid)?)
            .is_ok()
            .then_some(runtime)
    }

    /// All that run with default state folders.
    pub fn find_all() -> Vec<Self> {
        let entries = std::fs::read_dir(state::home())
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| Self::read(&entry.path()))
            .collect()
    }
}
