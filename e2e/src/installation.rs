//! The chart, installed for a test.

use std::env;
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::Result;
use streamhub_testkit::repository;

use crate::{Cluster, Faults, Namespace};

/// The namespace that the chart is installed in.
pub const SYSTEM: &str = "streamhub-system";
/// What a test says that wants capture devices. Without it the whole chart meets Pod Security's level "restricted", which
/// its namespace then enforces.
pub const WITH_DEVICES: &str = "nodeAgent.enabled=true";

/// A cluster has one installation at a time. Who changes it, or does harm to what others need, is alone.
static TURN: RwLock<()> = RwLock::new(());
/// Helm does one thing at a time.
static HELM: Mutex<()> = Mutex::new(());

/// A release of the chart in a restricted namespace.
///
/// When this is dropped, a cluster that ends with the tests keeps it for the next one, which is done sooner; from a cluster
/// of the user's own it is uninstalled, by tests that do not share it.
#[derive(Debug)]
pub struct Installation {
    cluster: Cluster,
    namespace: Option<Namespace>,
    turn: Turn,
}

/// Held as long as the installation is used.
#[derive(Debug)]
enum Turn {
    Alone(#[expect(dead_code, reason = "its drop is what counts")] RwLockWriteGuard<'static, ()>),
    Shared(#[expect(dead_code, reason = "its drop is what counts")] RwLockReadGuard<'static, ()>),
}

impl Installation {
    /// `helm install`, and waits until all of it is ready; before that, until no other test has one.
    pub fn install(cluster: &Cluster, values: &[&str]) -> Result<Self> {
        let turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
        Self::within(Turn::Alone(turn), cluster, values)
    }

    /// The same, beside other tests that want the same values and leave the installation as it is.
    pub fn share(cluster: &Cluster, values: &[&str]) -> Result<Self> {
        let turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
        Self::within(Turn::Shared(turn), cluster, values)
    }

    /// `helm upgrade` to another chart, with its own values.
    pub fn upgrade_to(&self, chart: &Path) -> Result<()> {
        self.upgrade_with(chart, &[])
    }

    fn within(turn: Turn, cluster: &Cluster, values: &[&str]) -> Result<Self> {
        let _one = HELM.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = Namespace::create(cluster, SYSTEM)?;
        let installation = Self {
            cluster: cluster.clone(),
            namespace: Some(namespace),
            turn,
        };
        installation.upgrade(values)?;
        Ok(installation)
    }

    /// The same where nothing of an earlier one is left.
    pub fn install_anew(cluster: &Cluster, values: &[&str]) -> Result<Self> {
        Self::install(cluster, &[])?.remove()?;
        Self::install(cluster, values)
    }

    /// `helm upgrade` to these values, and the chart's own for all others.
    pub fn upgrade(&self, values: &[&str]) -> Result<()> {
        self.upgrade_with(&repository().join("charts/streamhub"), values)
    }

    fn upgrade_with(&self, chart: &Path, values: &[&str]) -> Result<()> {
        let chart = chart.to_string_lossy();
        let mut arguments = vec![
            "upgrade",
            "--install",
            "streamhub",
            &chart,
            "--namespace",
            SYSTEM,
        ];
        arguments.extend(["--reset-values", "--wait", "--timeout", "2m"]);
        // On a cluster of the user's own: where its images are.
        let own = env::var("E2E_HELM_VALUES").ok();
        if let Some(file) = &own {
            arguments.extend(["--values", file]);
        }
        arguments.extend(["--set", "nodeAgent.enabled=false"]);
        for value in values {
            arguments.extend(["--set", value]);
        }
        self.enforce(if values.contains(&WITH_DEVICES) {
            "privileged"
        } else {
            "restricted"
        })?;
        self.cluster.helm(&arguments).map(drop)
    }

    fn enforce(&self, level: &str) -> Result<()> {
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        let arguments = ["label", "namespace", SYSTEM, "--overwrite", &label];
        self.cluster.kubectl(&arguments).map(drop)
    }

    /// `helm test`: what it printed.
    pub fn test(&self) -> Result<String> {
        self.cluster.helm(&[
            "test",
            "streamhub",
            "--namespace",
            SYSTEM,
            "--logs",
            "--timeout",
            "2m",
        ])
    }

    /// `helm uninstall`, and waits until pods and Services are gone.
    pub fn uninstall(&self) -> Result<()> {
        self.cluster
            .helm(&["uninstall", "streamhub", "--namespace", SYSTEM, "--wait"])
            .map(drop)
    }

    /// Uninstalls it, and deletes its namespace; the definitions stay.
    pub fn remove(mut self) -> Result<()> {
        // A test may have uninstalled it already.
        let uninstalled = self.uninstall();
        if let Some(namespace) = self.namespace.take() {
            namespace.delete()?;
        }
        match uninstalled {
            Err(error) if !error.to_string().contains("not found") => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let Some(namespace) = self.namespace.take() else {
            return;
        };
        if Faults::are_possible() || matches!(self.turn, Turn::Shared(_)) {
            namespace.leave();
        } else if let Err(error) = self.uninstall() {
            eprintln!("{error:#}");
        }
    }
}

/// What `manifests/install.yaml` installs, alone. It deletes the definitions in the end, and all cameras with them.
#[derive(Debug)]
pub struct PlainInstallation {
    cluster: Cluster,
    /// It is gone already.
    deleted: bool,
    _turn: Turn,
}

impl PlainInstallation {
    /// `kubectl apply`, where no other installation is left, and waits until all of it is ready.
    pub fn apply(cluster: &Cluster) -> Result<Self> {
        let turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
        let release = ["uninstall", "streamhub", "--namespace", SYSTEM];
        cluster.helm(&[&release[..], &["--wait", "--ignore-not-found"]].concat())?;
        Namespace::create(cluster, SYSTEM)?.delete()?;
        let plain = Self {
            cluster: cluster.clone(),
            deleted: false,
            _turn: Turn::Alone(turn),
        };
        let manifest = manifest();
        let apply = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            &manifest,
        ];
        cluster.kubectl(&apply)?;
        for part in ["streamhub-operator", "streamhub-nats"] {
            let part = format!("deployment/{part}");
            let status = ["rollout", "status", "-n", SYSTEM, &part, "--timeout=90s"];
            cluster.kubectl(&status)?;
        }
        Ok(plain)
    }

    /// `kubectl delete`, and waits until all of it is gone.
    pub fn delete(mut self) -> Result<()> {
        self.deleted = true;
        self.go()
    }

    fn go(&self) -> Result<()> {
        let delete = ["delete", "--ignore-not-found", "--timeout=90s", "-f"];
        self.cluster
            .kubectl(&[&delete[..], &[&manifest()]].concat())
            .map(drop)
    }
}

impl Drop for PlainInstallation {
    fn drop(&mut self) {
        if !self.deleted
            && let Err(error) = self.go()
        {
            eprintln!("{error:#}");
        }
    }
}

fn manifest() -> String {
    let path = repository().join("manifests/install.yaml");
    path.to_string_lossy().into_owned()
}
