//! The chart, installed for a test.

use std::env;
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
        let chart = repository().join("charts/streamhub");
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
