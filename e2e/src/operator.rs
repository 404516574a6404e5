//! The operator of the chart, as a test sees and stops it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{Cluster, SYSTEM};

/// Its name in RBAC and in the audit log.
const USER: &str = "system:serviceaccount:streamhub-system:streamhub-operator";
const SELECTOR: &str = "app.kubernetes.io/name=streamhub,app.kubernetes.io/component=operator";

/// The operator of the chart.
#[derive(Debug, Clone)]
pub struct Operator {
    cluster: Cluster,
}

/// Memory of a process, in bytes of RAM.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now.
    pub now: u64,
    /// The most that it ever had.
    pub most: u64,
}

impl Operator {
    /// Its user name.
    pub const USER: &str = USER;

    /// Of the release that is installed.
    pub fn of(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
        }
    }

    /// Ends it, and waits until it has ended.
    pub fn stop(&self) -> Result<()> {
        self.scale(0)?;
        let gone = ["wait", "-n", SYSTEM, "--for=delete", "pod", "-l", SELECTOR];
        self.cluster
            .kubectl(&[&gone[..], &["--timeout=60s"]].concat())
            .map(drop)
    }

    /// Starts it, and waits until it is ready.
    pub fn start(&self) -> Result<()> {
        self.scale(1)?;
        let deployment = "deployment/streamhub-operator";
        let status = ["rollout", "status", "-n", SYSTEM, deployment];
        self.cluster
            .kubectl(&[&status[..], &["--timeout=60s"]].concat())
            .map(drop)
    }

    fn scale(&self, replicas: usize) -> Result<()> {
        let replicas = format!("--replicas={replicas}");
        let deployment = "deployment/streamhub-operator";
        self.cluster
            .kubectl(&["scale", "-n", SYSTEM, deployment, &replicas])
            .map(drop)
    }

    /// What the chart has set in its environment, but for what Kubernetes fills in.
    pub fn settings(&self) -> Result<Vec<(String, String)>> {
        let deployment = ["deployment", "streamhub-operator", "-n", SYSTEM];
        let deployment = self.cluster.get(&deployment)?;
        let variables = deployment.pointer("/spec/template/spec/containers/0/env");
        let variables = variables.and_then(Value::as_array).context("no env")?;
        let pair = |variable: &Value| {
            let text = |name: &str| Some(variable.get(name)?.as_str()?.to_owned());
            Some((text("name")?, text("value")?))
        };
        Ok(variables.iter().filter_map(pair).collect())
    }

    /// The image of the cameras' pods, which also has our command line and a NATS server. Pods that a test makes itself take
    /// it, as the nodes find it wherever the chart's values say that images are.
    pub fn ingest_image(&self) -> Result<String> {
        let mut settings = self.settings()?.into_iter();
        let image = settings.find(|(name, _)| name == "STREAMHUB_INGEST_IMAGE");
        image
            .map(|(_, image)| image)
            .context("the operator was told of no image for the cameras' pods")
    }

    /// The value of a metric, all labels of it together that have this text in them; 0 where there is none yet.
    pub fn metric(&self, name: &str, labels: &str) -> Result<f64> {
        let service = "services/streamhub-operator:8081";
        let path = format!("/api/v1/namespaces/{SYSTEM}/{service}/proxy/metrics");
        let text = self.cluster.kubectl(&["get", "--raw", &path])?;
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (metric, rest) = series.split_once('{').unwrap_or((series, ""));
            (metric == name && rest.contains(labels)).then(|| value.parse::<f64>().ok())?
        });
        Ok(values.sum())
    }

    /// What its process takes. Only where its node is on this machine.
    pub fn memory(&self) -> Result<Memory> {
        for entry in fs::read_dir("/proc")? {
            let process = entry?.path();
            // Not a process, or gone since it was listed.
            let Ok(line) = fs::read(process.join("cmdline")) else {
                continue;
            };
            let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
            if program.ends_with(b"/streamhub-operator") {
                return memory(&process);
            }
        }
        anyhow::bail!("no process of the operator runs here")
    }
}

fn memory(process: &Path) -> Result<Memory> {
    let status = fs::read_to_string(process.join("status"))?;
    let bytes = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let line = line.with_context(|| format!("no {name} in {status}"))?;
        let number = line.trim_start_matches(':').trim().trim_end_matches(" kB");
        Ok(number.parse::<u64>()? * 1024)
    };
    Ok(Memory {
        now: bytes("VmRSS")?,
        most: bytes("VmHWM")?,
    })
}
