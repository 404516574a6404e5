//! A running `streamhub up` with its folder and its state, as tests look at it.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use serde_json::Value;
use streamhub_testkit::{Folder, Proc, Signal, eventually};
use tempfile::TempDir;

pub const SOON: Duration = Duration::from_secs(30);

/// Stands in for the ingest program where only its life matters: says what it was given, and stays.
pub const QUIET: &str = "#!/bin/sh\necho \"given $*\" >&2\nexec sleep 600\n";
/// The same, but deaf to SIGTERM.
pub const DEAF: &str = "#!/bin/sh\ntrap '' TERM\necho \"given $*\" >&2\nexec sleep 600\n";

pub fn streamhub() -> Command {
    Command::new(env!("CARGO_BIN_EXE_streamhub"))
}

/// Runs to the end; returns exit code, stdout and stderr.
pub fn finished(command: &mut Command) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (status.code().unwrap_or(-1), text(&stdout), text(&stderr))
}

pub fn test_camera(name: &str, more: &str) -> String {
    format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: {name}}}\nspec: {{source: {{test: {{}}}}{more}}}\n"
    )
}

pub struct Up {
    pub process: Proc,
    pub manifests: Folder,
    pub dir: TempDir,
}

impl Up {
    /// Starts with these cameras and this stand-in, and waits until `runtime.json` names a process for each.
    pub fn start(script: &str, cameras: &[&str]) -> Self {
        let manifests = Folder::new().unwrap();
        for camera in cameras {
            manifests
                .write(&format!("{camera}.yaml"), &test_camera(camera, ""))
                .unwrap();
        }
        let up = Self::start_in(manifests, script, &[]);
        up.wait_for_cameras(cameras);
        up
    }

    /// Starts with a folder that is there already.
    pub fn start_in(manifests: Folder, script: &str, more: &[&str]) -> Self {
        let port = streamhub_testkit::free_port().unwrap();
        Self::start_on(port, manifests, script, more)
    }

    /// The same, with the NATS server's first port chosen.
    pub fn start_on(port: u16, manifests: Folder, script: &str, more: &[&str]) -> Self {
        Self::start_by(manifests, script, |command| {
            command.args(["--nats-port", &port.to_string()]).args(more);
        })
    }

    /// The same, with a command line and an environment of one's own.
    pub fn start_by(manifests: Folder, script: &str, configure: impl FnOnce(&mut Command)) -> Self {
        let dir = TempDir::with_prefix("streamhub-state-").unwrap();
        let ingest = stand_in(&dir.path().join("ingest"), script);
        let mut command = command(&manifests, &dir.path().join("state"), &ingest);
        configure(&mut command);
        let process = Proc::spawn("up", &mut command).unwrap();
        Self {
            process,
            manifests,
            dir,
        }
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A second one on the same folder and state.
    pub fn another(&self) -> Command {
        command(
            &self.manifests,
            &self.state(),
            &self.dir.path().join("ingest"),
        )
    }

    pub fn runtime(&self) -> Option<Value> {
        serde_json::from_slice(&std::fs::read(self.state().join("runtime.json")).ok()?).ok()
    }

    /// Process ids of the cameras that run.
    pub fn cameras(&self) -> BTreeMap<String, u64> {
        let runtime = self.runtime().unwrap_or_default();
        let cameras = runtime["cameras"].as_array().cloned().unwrap_or_default();
        cameras
            .iter()
            .filter_map(|it| Some((it["name"].as_str()?.to_owned(), it["pid"].as_u64()?)))
            .collect()
    }

    pub fn wait_for_cameras(&self, names: &[&str]) -> BTreeMap<String, u64> {
        eventually(SOON, &format!("processes of {names:?}"), || {
            let cameras = self.cameras();
            cameras
                .keys()
                .map(String::as_str)
                .eq(names.iter().copied())
                .then_some(cameras)
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.process.last_words()))
    }

    pub fn nats_url(&self) -> String {
        eventually(SOON, "the NATS server", || {
            Some(self.runtime()?["nats"]["url"].as_str()?.to_owned())
        })
        .unwrap()
    }

    pub fn nats_pid(&self) -> u64 {
        eventually(SOON, "the NATS server", || {
            self.runtime()?["nats"]["pid"].as_u64()
        })
        .unwrap()
    }

    /// Every process below it.
    pub fn children(&self) -> Vec<u64> {
        self.cameras()
            .into_values()
            .chain([self.nats_pid()])
            .collect()
    }

    /// Incarnations that the stand-ins of a camera were given, in order.
    pub fn incarnations(&self, camera: &str) -> Vec<u64> {
        let of = |line: &str| {
            let given = line.strip_prefix(&format!("[{camera}] given "))?;
            given
                .split_once("--incarnation ")?
                .1
                .split(' ')
                .next()?
                .parse()
                .ok()
        };
        self.process.stdout().lines().filter_map(of).collect()
    }

    /// Waits until so many processes of a camera were started; their incarnations in order.
    pub fn wait_for_starts(&self, camera: &str, count: usize) -> Vec<u64> {
        eventually(SOON, "incarnations", || {
            let all = self.incarnations(camera);
            (all.len() == count).then_some(all)
        })
        .unwrap()
    }
}

fn command(manifests: &Folder, state: &Path, ingest: &Path) -> Command {
    let mut command = streamhub();
    command
        .arg("up")
        .arg("-f")
        .arg(manifests.path())
        .arg("--state-dir")
        .arg(state)
        .arg("--ingest")
        .arg(ingest);
    command.env(
        "STREAMHUB_NATS_SERVER",
        streamhub_testkit::paths::nats_server_bin().unwrap(),
    );
    command.env_remove("RUST_LOG");
    command
}

/// Writes a script that stands in for a program; returns its path.
pub fn stand_in(path: &Path, script: &str) -> PathBuf {
    std::fs::write(path, script).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    path.to_path_buf()
}

/// Whether a process lives; one that waits to be reaped does not.
pub fn alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

pub fn wait_until_gone(pids: &[u64]) {
    eventually(SOON, &format!("the end of {pids:?}"), || {
        pids.iter().all(|&pid| !alive(pid)).then_some(())
    })
    .unwrap();
}

/// As a crash would.
pub fn kill(pid: u64) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}
