//! Whether NATS servers answer. A server says who it is before anybody logs in.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use super::seen;
use crate::cluster::objects::{Key, text};
use crate::cluster::{Cluster, ClusterError, PodStream, Target, names, nats_of, setting};
use crate::doctor::facts::{Facts, NatsFact, Probe};
use crate::doctor::scope::Scope;

const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST: u64 = 64 * 1024;
/// Questions to the API server that are under way together.
const AT_ONCE: usize = 16;

/// Tries the server of each hub.
pub async fn probe(cluster: &Cluster, facts: &Facts) -> Vec<NatsFact> {
    let mut servers: BTreeMap<Option<String>, Vec<Key>> = BTreeMap::new();
    let mut named = stream::iter(hubs(facts))
        .map(async |hub| {
            let written = facts.hubs.iter().flatten().find(|it| it.key == hub);
            let url = match written.and_then(|hub| hub.nats()) {
                Some(url) => Some(url.to_owned()),
                None => nats_of(cluster, &hub.namespace, &hub.name).await,
            };
            (url, hub)
        })
        .buffered(AT_ONCE);
    while let Some((url, hub)) = named.next().await {
        servers.entry(url).or_default().push(hub);
    }
    if facts.scope == Scope::Installation {
        let operators = facts.operators.iter().flatten();
        let urls = operators.filter_map(|it| setting(it, "STREAMHUB_NATS_URL"));
        servers.extend(urls.map(|url| (Some(url.to_owned()), Vec::new())));
    }
    join_all(servers.into_iter().map(|(url, hubs)| async {
        let namespace = hubs.first().map_or("default", |hub| hub.namespace.as_str());
        let probe = match &url {
            Some(url) => one(cluster, url, namespace).await,
            None => Probe::Unknown,
        };
        NatsFact { url, hubs, probe }
    }))
    .await
}

/// Written ones and those that cameras imply.
fn hubs(facts: &Facts) -> Vec<Key> {
    let written = facts.hubs.iter().flatten().map(|hub| hub.key.clone());
    let implied = facts
        .cameras
        .iter()
        .flatten()
        .filter(|camera| camera.hub == names::DEFAULT_HUB)
        .map(|camera| Key {
            namespace: camera.key.namespace.clone(),
            name: camera.hub.clone(),
        });
    let mut hubs: Vec<Key> = written.chain(implied).collect();
    hubs.sort();
    hubs.dedup();
    hubs
}

async fn one(cluster: &Cluster, url: &str, namespace: &str) -> Probe {
    let asking = async {
        let backend = Target::parse(url, namespace)?.backend(cluster).await?;
        PodStream::open(cluster, &backend).await
    };
    let stream = match asking.await {
        Ok(stream) => stream,
        Err(ClusterError::Elsewhere { why, .. }) => return Probe::Elsewhere(why),
        Err(error) if error.is_forbidden() => return Probe::Forbidden(seen(error)),
        Err(error) => return Probe::Failed(seen(error)),
    };
    if url.starts_with("ws") {
        // It waits for us to begin.
        return Probe::Answered {
            version: "over WebSocket".to_owned(),
        };
    }
    match tokio::time::timeout(PATIENCE, greeting(stream)).await {
        Ok(Ok(version)) => Probe::Answered { version },
        Ok(Err(why)) => Probe::Failed(why),
        Err(_) if url.starts_with("tls") => Probe::Answered {
            version: "behind TLS".to_owned(),
        },
        Err(_) => Probe::Failed(format!("it says nothing within {} s", PATIENCE.as_secs())),
    }
}

async fn greeting(stream: impl AsyncRead + Unpin) -> Result<String, String> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(LONGEST));
    let read = reader.read_line(&mut line).await;
    read.map_err(|error| error.to_string())?;
    let info = line.strip_prefix("INFO ").map(str::trim);
    let info: Option<Value> = info.and_then(|info| serde_json::from_str(info).ok());
    match info {
        Some(info) => Ok(text(&info, "/version").unwrap_or("?").to_owned()),
        None if line.is_empty() => Err("it closed the connection without a word".to_owned()),
        None => Err("what answers there is no NATS server".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_is_known_by_its_first_line() {
        let said = |bytes: &'static [u8]| greeting(bytes);
        let info = b"INFO {\"version\":\"2.15.1\",\"max_payload\":1}\r\nPING\r\n";
        assert_eq!(said(info).await.as_deref(), Ok("2.15.1"));
        assert!(said(b"").await.unwrap_err().contains("closed"));
        assert!(
            said(b"HTTP/1.1 400\r\n")
                .await
                .unwrap_err()
                .contains("no NATS")
        );
    }
}
