//! A user's machine: `kubectl`, our plugin of it, and no way into the cluster but its API server.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result};
use streamhub_testkit::{Folder, Proc, eventually};

use crate::Cluster;
use crate::cluster::finish;

/// Where the cluster of `e2e/cluster/run` has its API server.
const API_SERVER: &str = "10.99.0.1/32";
/// Between the two of them.
const THERE: &str = "10.98.0.1/30";
const HERE: &str = "10.98.0.2/30";

/// A user's machine.
#[derive(Debug)]
pub struct Laptop {
    cluster: Cluster,
    home: Folder,
    /// A process in its network; none where the cluster is the user's own, who is on such a machine anyway.
    network: Option<Proc>,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub out: String,
    /// What it printed beside that.
    pub err: String,
}

impl Laptop {
    /// Sets it up, with `kubectl-streamhub` on the PATH.
    pub fn new(cluster: &Cluster) -> Result<Self> {
        let home = Folder::new()?;
        symlink(
            cluster.program("streamhub")?,
            home.path().join("kubectl-streamhub"),
        )?;
        let network = match env::var_os("E2E_KUBECONFIG") {
            Some(_) => None,
            None => Some(network()?),
        };
        Ok(Self {
            cluster: cluster.clone(),
            home,
            network,
        })
    }

    /// A folder of it.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// `kubectl streamhub` with these arguments.
    pub fn streamhub(&self, arguments: &[&str]) -> Result<Said> {
        let mut command = match &self.network {
            Some(process) => {
                let mut command = Command::new("nsenter");
                let network = format!("--net=/proc/{}/ns/net", process.id());
                command
                    .args([&network, "--"])
                    .arg(self.cluster.kubectl_path());
                command
            }
            None => Command::new(self.cluster.kubectl_path()),
        };
        let folders = env::var_os("PATH").unwrap_or_default();
        let folders = [self.folder().to_owned()]
            .into_iter()
            .chain(env::split_paths(&folders));
        let path: OsString = env::join_paths(folders)?;
        let output = command
            .arg("streamhub")
            .args(arguments)
            .env("PATH", path)
            .env("HOME", self.folder())
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .current_dir(self.folder())
            .output()
            .context("can't run kubectl")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        })
    }
}

/// A network with one route: to the API server.
fn network() -> Result<Proc> {
    let mut command = Command::new("unshare");
    let process = Proc::spawn("laptop", command.args(["--net", "sleep", "infinity"]))?;
    let pid = process.id();
    let other = fs::read_link("/proc/self/ns/net")?;
    eventually(Duration::from_secs(10), "the laptop's network", || {
        let own = fs::read_link(format!("/proc/{pid}/ns/net")).ok()?;
        (own != other).then_some(())
    })?;
    let link = format!("laptop{pid}");
    let pid = pid.to_string();
    let ip = |arguments: &[&str]| finish(Command::new("ip").args(arguments), "").map(drop);
    // It goes with its other end, when the process has ended.
    ip(&[
        "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &pid,
    ])?;
    ip(&["addr", "add", THERE, "dev", &link])?;
    ip(&["link", "set", &link, "up"])?;
    let network = format!("--net=/proc/{pid}/ns/net");
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("nsenter");
        finish(command.args([&network, "ip"]).args(arguments), "").map(drop)
    };
    inside(&["link", "set", "lo", "up"])?;
    inside(&["addr", "add", HERE, "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])?;
    let there = THERE.split('/').next().unwrap_or(THERE);
    inside(&["route", "add", API_SERVER, "via", there])?;
    Ok(process)
}
