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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::extract::State;
    use axum::http::StatusCode;
    use http::Request;
    use tokio::net::TcpListener;
    use tokio::sync::watch;
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Answers everything so, once it may.
    #[derive(Clone)]
    struct Server {
        code: StatusCode,
        asked: Arc<AtomicUsize>,
        open: watch::Receiver<bool>,
    }

    async fn answer(State(mut server): State<Server>) -> StatusCode {
        server.asked.fetch_add(1, Ordering::SeqCst);
        drop(server.open.wait_for(|open| *open).await);
        server.code
    }

    /// Connections to it, and how often it was asked.
    async fn begin(code: StatusCode, open: watch::Receiver<bool>) -> (Clients, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let server = Server {
            code,
            asked: Arc::clone(&asked),
            open,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(server);
        tokio::spawn(async move { axum::serve(listener, router).await });
        // Another test may have done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = Config::new(format!("http://{address}").parse().unwrap());
        // Nor does it matter whom this machine trusts.
        config.root_cert = Some(Vec::new());
        (Clients::new(&config).unwrap(), asked)
    }

    async fn ask(client: Client) -> kube::Result<String> {
        client
            .request_text(Request::get("/").body(Vec::new()).unwrap())
            .await
    }

    #[tokio::test]
    async fn what_fails_is_not_asked_again_behind_our_back() {
        for code in [429, 503, 504] {
            let (_opener, open) = watch::channel(true);
            let code = StatusCode::from_u16(code).unwrap();
            let (clients, asked) = begin(code, open).await;
            for (number, client) in [clients.requests, clients.watches, clients.lease]
                .into_iter()
                .enumerate()
            {
                assert!(ask(client).await.is_err(), "{code}");
                assert_eq!(asked.load(Ordering::SeqCst), number + 1, "{code}");
            }
        }
    }

    #[tokio::test]
    async fn only_so_many_requests_are_under_way_at_once() {
        let (opener, open) = watch::channel(false);
        let (clients, asked) = begin(StatusCode::OK, open).await;
        let all = AT_ONCE + 8;
        let requests: Vec<_> = (0..all)
            .map(|_| tokio::spawn(ask(clients.requests.clone())))
            .collect();
        let filled = async {
            while asked.load(Ordering::SeqCst) < AT_ONCE {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), filled).await.unwrap();
        sleep(Duration::from_millis(200)).await;
        assert_eq!(asked.load(Ordering::SeqCst), AT_ONCE);
        opener.send_replace(true);
        for request in requests {
            request.await.unwrap().unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), all);
    }
}
