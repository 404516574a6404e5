//! The cluster under test, through `kubectl` and `helm`.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use streamhub_testkit::{Proc, cache_dir, target_bin};

use crate::until;

/// A cluster that can be reached.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    tools: PathBuf,
    programs: Option<PathBuf>,
}

impl Cluster {
    /// The one that `E2E_KUBECONFIG` names, else the one that `e2e/cluster/run` made for this test.
    pub fn here() -> Result<Self> {
        let kubeconfig = match (env::var_os("E2E_KUBECONFIG"), env::var_os("CLUSTER_STATE")) {
            (Some(own), _) => own.into(),
            (None, Some(state)) => Path::new(&state).join("pki/admin.conf"),
            (None, None) => bail!(
                "there is no cluster here: run this as `e2e/cluster/run cargo test --workspace --test NAME`, or set E2E_KUBECONFIG"
            ),
        };
        let cache = cache_dir()?.join("cluster");
        Ok(Self {
            kubeconfig,
            tools: cache.join("bin"),
            // A cluster of the user's own has images from elsewhere.
            programs: env::var_os("E2E_KUBECONFIG")
                .is_none()
                .then(|| cache.join("images/programs")),
        })
    }

    /// `kubectl` with these arguments; what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        finish(&mut self.tool("kubectl", arguments), "")
    }

    /// `helm` with these arguments; what it printed.
    pub fn helm(&self, arguments: &[&str]) -> Result<String> {
        finish(&mut self.tool("helm", arguments), "")
    }

    /// `kubectl apply` of these documents in a namespace.
    pub fn apply(&self, namespace: &str, documents: &str) -> Result<String> {
        let arguments = ["apply", "--namespace", namespace, "--filename", "-"];
        finish(&mut self.tool("kubectl", &arguments), documents)
    }

    /// Asks the API server whether it would take these documents in a namespace.
    pub fn would_take(&self, namespace: &str, documents: &str) -> Result<String> {
        let arguments = [
            "apply",
            "--dry-run=server",
            "--namespace",
            namespace,
            "--filename",
            "-",
        ];
        finish(&mut self.tool("kubectl", &arguments), documents)
    }

    /// Posts an object to a path of the API, for what `kubectl` has no command.
    pub fn post(&self, path: &str, object: &str) -> Result<String> {
        let arguments = ["create", "--raw", path, "--filename", "-"];
        finish(&mut self.tool("kubectl", &arguments), object)
    }

    /// `kubectl create` of many new documents in a namespace: half the requests of `apply`.
    pub fn create(&self, namespace: &str, documents: &str) -> Result<String> {
        let arguments = ["create", "--namespace", namespace, "--filename", "-"];
        finish(&mut self.tool("kubectl", &arguments), documents)
    }

    /// One object, or a list of them: `kubectl get ... --output json`.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [&["get", "--output", "json"], arguments].concat();
        Ok(serde_json::from_str(&self.kubectl(&arguments)?)?)
    }

    /// A port of this machine that leads to a pod or Service, by way of the API server: what works from a laptop.
    pub fn forward(&self, namespace: &str, target: &str, port: u16) -> Result<Forward> {
        let ports = format!(":{port}");
        let mut command = self.tool(
            "kubectl",
            &["port-forward", "-n", namespace, target, &ports],
        );
        let mut process = Proc::spawn("port-forward", &mut command)?;
        let line = process.wait_for_line("Forwarding from 127.0.0.1:", Duration::from_secs(20))?;
        let port = line
            .split([':', ' '])
            .find_map(|word| word.parse().ok())
            .with_context(|| format!("no port in {line:?}"))?;
        Ok(Forward {
            port,
            _process: process,
        })
    }

    /// Waits until the control plane finds a node ready, or no longer.
    pub fn node_is_within(&self, limit: Duration, node: &str, ready: bool) -> Result<()> {
        let path = "-o=jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
        until(limit, || {
            let status = self.kubectl(&["get", "node", node, path])?;
            ensure!(
                (status == "True") == ready,
                "node {node} has Ready={status}"
            );
            Ok(())
        })
    }

    /// The kubeconfig.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The program `kubectl`.
    pub(crate) fn kubectl_path(&self) -> PathBuf {
        self.path_of("kubectl")
    }

    /// The program that `e2e/cluster/setup` built; else, for a cluster of the user's own, the one on the PATH.
    fn path_of(&self, tool: &str) -> PathBuf {
        let built = self.tools.join(tool);
        if built.exists() { built } else { tool.into() }
    }

    /// A program of ours as users have it: out of the image that `e2e/images` built; else, for a cluster of the user's own,
    /// the one that cargo built.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        match &self.programs {
            Some(built) => Ok(built.join(name)),
            None => target_bin(name),
        }
    }

    pub(crate) fn tool(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path_of(name));
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        command
    }
}

/// A way into the cluster that closes when this is dropped.
#[derive(Debug)]
pub struct Forward {
    port: u16,
    _process: Proc,
}

impl Forward {
    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Runs a command to its end with something to read; an error holds all that it said.
pub(crate) fn finish(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't run {}", command.get_program().display()))?;
    let stdin = child.stdin.take();
    // At the same time: a program that answers while it reads would wait for us to read, and we for it.
    let (output, written) = thread::scope(|scope| {
        let writer = scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        (child.wait_with_output(), writer.join())
    });
    let output = output?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}\n{said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    written
        .map_err(|_| anyhow!("writing to {command:?} broke off"))?
        .transpose()?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_answers_while_it_reads_is_not_waited_for_forever() {
        let input = "a line\n".repeat(100_000);
        assert_eq!(finish(&mut Command::new("cat"), &input).unwrap(), input);
    }
}
