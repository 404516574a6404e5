//! The chart, installed for a test.

use std::env;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use streamhub_testkit::repository;

use crate::{Cluster, Namespace};

/// The namespace that the chart is installed in.
pub const SYSTEM: &str = "streamhub-system";

/// A cluster has one installation at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A release of the chart in a restricted namespace, uninstalled when dropped.
#[derive(Debug)]
pub struct Installation {
    cluster: Cluster,
    _namespace: Namespace,
    _turn: MutexGuard<'static, ()>,
}

impl Installation {
    /// `helm install`, and waits until all of it is ready; before that, until no other test has one.
    pub fn install(cluster: &Cluster, values: &[&str]) -> Result<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let namespace = Namespace::create(cluster, SYSTEM)?;
        let installation = Self {
            cluster: cluster.clone(),
            _namespace: namespace,
            _turn: turn,
        };
        installation.upgrade(values)?;
        Ok(installation)
    }

    /// `helm upgrade` to these values.
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
        arguments.extend(["--wait", "--timeout", "2m"]);
        // On a cluster of the user's own: where its images are.
        let own = env::var("E2E_HELM_VALUES").ok();
        if let Some(file) = &own {
            arguments.extend(["--values", file]);
        }
        for value in values {
            arguments.extend(["--set", value]);
        }
        self.cluster.helm(&arguments).map(drop)
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
}

impl Drop for Installation {
    fn drop(&mut self) {
        // An error is of no interest: a test may have uninstalled it already.
        let _ = self.uninstall();
    }
}
