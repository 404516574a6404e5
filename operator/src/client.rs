//! How the API server is spoken to: our own limits and times, no hidden retries.

use std::time::Duration;

use kube::client::ClientBuilder;
use kube::{Client, Config};
use tower::ServiceBuilder;

/// Requests that may be under way at once.
const AT_ONCE: usize = 32;
/// Until the answer to a request begins.
const ANSWER: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// Between two reads of an answer.
const READ: Duration = Duration::from_secs(15);
/// The API server ends a watch after so long; one that does not end then has a dead connection.
pub const WATCH: Duration = Duration::from_mins(2);
const WATCH_READ: Duration = Duration::from_secs(130);

/// Connections to the API server, by what they are for.
#[derive(Clone)]
pub struct Clients {
    /// Reads and writes.
    pub requests: Client,
    /// Watches, which are silent for long.
    pub watches: Client,
    /// The Lease: renewed however many other requests wait.
    pub lease: Client,
}

impl Clients {
    /// From the pod's service account, or else from a kubeconfig.
    pub async fn infer() -> anyhow::Result<(Self, String)> {
        let config = Config::infer().await?;
        let namespace = config.default_namespace.clone();
        Ok((Self::new(&config)?, namespace))
    }

    /// For a given configuration.
    pub fn new(config: &Config) -> kube::Result<Self> {
        Ok(Self {
            requests: client(config, READ, AT_ONCE)?,
            watches: client(config, WATCH_READ, usize::from(u16::MAX))?,
            lease: client(config, Duration::from_secs(5), 1)?,
        })
    }
}

fn client(config: &Config, read: Duration, at_once: usize) -> kube::Result<Client> {
    let mut config = config.clone();
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(read);
    config.write_timeout = Some(READ);
    // The default one waits up to 1000 s in secret; a failed reconcile is done again with its own backoff.
    config.default_retry = false;
    let limits = ServiceBuilder::new()
        .concurrency_limit(at_once)
        .timeout(ANSWER.min(read))
        .into_inner();
    Ok(ClientBuilder::try_from(config)?.with_layer(&limits).build())
}
