//! What was seen of a cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::jiff::Timestamp;

use super::scope::Scope;
use crate::cluster::Asked;
use crate::cluster::objects::{CameraObject, HubObject, Key};

const HOUR: i64 = 3600;

/// Something that was looked at, or why it could not be.
pub type Seen<T> = Result<T, String>;

/// What was seen of a cluster.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What was asked for.
    pub scope: Scope,
    /// The context of the kubeconfig.
    pub context: String,
    /// The namespace that was looked at; `None`: all.
    pub namespace: Option<String>,
    /// When.
    pub now: Timestamp,
    /// The API server's version.
    pub server: Seen<String>,
    /// The definitions of our kinds.
    pub definitions: Vec<Definition>,
    /// The operator's Deployments.
    pub operators: Seen<Vec<Deployment>>,
    /// Their Leases, in the same order.
    pub leases: Vec<Seen<Option<Lease>>>,
    /// Pods of the installation, other than cameras.
    pub system_pods: Seen<Vec<Pod>>,
    /// The cameras.
    pub cameras: Seen<Vec<CameraObject>>,
    /// The hubs that are written.
    pub hubs: Seen<Vec<HubObject>>,
    /// The pods of the cameras, and others that have their names.
    pub pods: Seen<Vec<Pod>>,
    /// The nodes.
    pub nodes: Seen<Vec<Node>>,
    /// Events of the namespace.
    pub events: Seen<Vec<Event>>,
    /// What camera pods say of themselves.
    pub statuses: BTreeMap<Key, Asked>,
    /// The NATS servers of the hubs.
    pub nats: Vec<NatsFact>,
}

/// A definition of one of our kinds.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// What was seen of it.
    pub found: Seen<Found>,
}

/// How a definition was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Not at all.
    Missing,
    /// It is there; no more is known.
    Served,
    /// It is there.
    Whole {
        /// Whether the API server uses it.
        established: bool,
        /// Fields that this program knows and it does not.
        lacking: Vec<String>,
    },
}

/// A NATS server.
#[derive(Debug, Clone)]
pub struct NatsFact {
    /// Its URL; `None`: none is named.
    pub url: Option<String>,
    /// Hubs on it.
    pub hubs: Vec<Key>,
    /// How it answered.
    pub probe: Probe,
}

/// How a NATS server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// As one does.
    Answered {
        /// Its version.
        version: String,
    },
    /// It is not behind the API server: why.
    Elsewhere(String),
    /// Not at all: why.
    Failed(String),
    /// We may not look: why.
    Forbidden(String),
    /// No server is named.
    Unknown,
}

impl Facts {
    /// What was looked at, in a line.
    pub fn summary(&self) -> String {
        let count = |number: Option<usize>, what: &str| {
            number.map_or_else(|| format!("{what} unknown"), |n| format!("{n} {what}"))
        };
        let place = self.namespace.as_ref().map_or_else(
            || "all namespaces".to_owned(),
            |name| format!("namespace {name}"),
        );
        let server = self.server.as_deref().unwrap_or("?");
        let servers = self.nats.iter().filter_map(|it| match &it.probe {
            Probe::Answered { version } => Some(format!(", NATS {version}")),
            _ => None,
        });
        format!(
            "context {}, {place}: Kubernetes {server}, {}, {}, {}{}",
            self.context,
            count(self.operators.as_ref().ok().map(Vec::len), "operators"),
            count(self.hubs.as_ref().ok().map(Vec::len), "hubs"),
            count(self.cameras.as_ref().ok().map(Vec::len), "cameras"),
            servers.collect::<String>(),
        )
    }

    /// A pod of the cameras.
    pub fn pod(&self, key: &Key) -> Option<&Pod> {
        let mut pods = self.pods.iter().flatten();
        pods.find(|pod| Key::of(&pod.metadata) == *key)
    }

    /// Warnings of the last hour about an object, newest first, at most three.
    pub fn warnings(&self, kind: &str, key: &Key) -> Vec<String> {
        let mut found: Vec<(i64, String)> = self
            .recent(kind, key)
            .map(|(at, event)| {
                let reason = event.reason.as_deref().unwrap_or_default();
                let message = event.message.as_deref().unwrap_or_default();
                let age = self.age(at);
                (age, format!("{} ago {reason}: {message}", length(age)))
            })
            .collect();
        found.sort_by_key(|(age, _)| *age);
        found.into_iter().take(3).map(|(_, text)| text).collect()
    }

    /// The first of these reasons that a warning of the last hour gives, and not before `since`, with its newest message.
    pub fn warned<'a>(
        &'a self,
        kind: &str,
        key: &Key,
        since: Option<Timestamp>,
        reasons: &[&'a str],
    ) -> Option<(&'a str, &'a str)> {
        reasons.iter().find_map(|&reason| {
            let (_, newest) = self
                .recent(kind, key)
                .filter(|(at, event)| {
                    event.reason.as_deref() == Some(reason)
                        && since.is_none_or(|since| *at >= since)
                })
                .max_by_key(|(at, _)| *at)?;
            Some((reason, newest.message.as_deref().unwrap_or_default()))
        })
    }

    /// Warnings of the last hour about an object.
    fn recent(&self, kind: &str, key: &Key) -> impl Iterator<Item = (Timestamp, &Event)> {
        self.events
            .iter()
            .flatten()
            .filter(|event| event.type_.as_deref() == Some("Warning"))
            .filter(move |event| {
                let object = &event.involved_object;
                object.kind.as_deref() == Some(kind)
                    && object.name.as_deref() == Some(&key.name)
                    && object.namespace.as_deref() == Some(&key.namespace)
            })
            .filter_map(|event| Some((last(event)?, event)))
            .filter(|(at, _)| self.age(*at) < HOUR)
    }

    /// How many seconds ago something was.
    pub fn age(&self, at: Timestamp) -> i64 {
        self.now.as_second() - at.as_second()
    }
}

fn last(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|it| it.last_observed_time.as_ref());
    let exact = series.or(event.event_time.as_ref()).map(|time| time.0);
    let coarse = event.last_timestamp.as_ref().map(|time| time.0);
    coarse
        .max(exact)
        .or_else(|| Some(event.metadata.creation_timestamp.as_ref()?.0))
}

/// A length of time, for people.
pub fn length(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
