//! The connection to NATS: settings, secrets read anew at every attempt, and a state that can be watched.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ClientError, ConnectOptions, Event, ServerAddr, ServerError};
use rand::Rng as _;
use tokio::sync::watch;

use crate::subjects::Token;

mod secrets;

/// Where NATS is and who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSettings {
    /// `nats://host:port`, or `tls://`, `ws://`, `wss://`; never with a user or password in it.
    pub url: String,
    /// Folder with the keys of a Secret, each optional: `nats.creds`, or `token`, or `username` and `password`; and
    /// `ca.crt`, `tls.crt`, `tls.key`. The contents are read again at every attempt; which of the three TLS files
    /// there are is looked at once.
    pub secrets: Option<PathBuf>,
    /// Shown in the server's list of connections.
    pub name: String,
    /// What the names of our inboxes begin with; the account must be allowed to subscribe to it.
    pub inbox_prefix: String,
}

/// The inbox prefix of a camera's ingest, as the permission templates have it.
pub fn ingest_inbox(camera: &Token) -> String {
    format!("_INBOX_ingest.{camera}")
}

/// Settings that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The URL has a user or a password in it, which would end up in logs.
    #[error(
        "the NATS URL must not contain a user or password; put them into the Secret named by `credentialsSecretRef`"
    )]
    UserinfoInUrl,
    /// The URL cannot be read.
    #[error("`{0}` is not a NATS URL: expected nats://HOST:PORT (or tls://, ws://, wss://)")]
    Url(String),
    /// A client certificate without its key, or the other way round.
    #[error("client certificate: `tls.crt` and `tls.key` are needed both, and one is missing")]
    HalfCertificate,
    /// No runtime: the caller is not inside Tokio.
    #[error("cannot start the NATS client: {0}")]
    Start(String),
}

/// How it stands with the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnState {
    /// Not connected since the start.
    Connecting {
        /// Why the last attempt failed; empty before the first has.
        reason: String,
    },
    /// Connected.
    Connected {
        /// Which connection this is, from 1: a watcher that missed a short interruption sees a new number.
        number: u64,
    },
    /// The connection was lost and is tried again, at least twice a second.
    Disconnected {
        /// Why the last attempt failed; empty before it has.
        reason: String,
    },
    /// The server refuses us (or there are no usable credentials); tried again every two seconds.
    Unauthorized {
        /// What was refused or missing.
        reason: String,
    },
}

impl ConnState {
    /// One lower-case word, as in the status.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting { .. } => "connecting",
            Self::Connected { .. } => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::Unauthorized { .. } => "unauthorized",
        }
    }

    /// Why there is no connection; empty when there is one.
    pub fn reason(&self) -> &str {
        match self {
            Self::Connected { .. } => "",
            Self::Connecting { reason }
            | Self::Disconnected { reason }
            | Self::Unauthorized { reason } => reason,
        }
    }
}

/// A client and what is known about its connection.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) state: watch::Receiver<ConnState>,
    /// The last thing that the account was not allowed to do.
    pub(crate) denied: watch::Receiver<Option<String>>,
}

/// Starts connecting, for ever, with the waiting times of a publisher that must never be late; returns at once.
pub(crate) async fn connect(
    settings: &NatsSettings,
    client_capacity: usize,
) -> Result<Connection, SettingsError> {
    let address = server_address(&settings.url)?;
    let tls = secrets::TlsFiles::find(settings.secrets.as_deref())?;
    // Does nothing when `main` has installed a provider, as it should.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let (state, state_seen) = watch::channel(ConnState::Connecting {
        reason: String::new(),
    });
    let (denied, denied_seen) = watch::channel(None);
    let refused = Arc::new(AtomicBool::new(false));
    let auth_failure = Arc::new(Mutex::new(String::new()));
    let watcher = Arc::new(Watcher {
        state,
        denied,
        refused: refused.clone(),
        auth_failure: auth_failure.clone(),
        number: Mutex::new(0),
        last_words: Mutex::default(),
        server: display_address(&settings.url),
    });

    let folder = settings.secrets.clone();
    let mut options = ConnectOptions::with_auth_callback(move |nonce| {
        let auth = secrets::auth(folder.as_deref(), &nonce);
        if let (Err(error), Ok(mut failure)) = (&auth, auth_failure.lock()) {
            *failure = error.to_string();
        }
        std::future::ready(auth.map_err(async_nats::AuthError::new))
    })
    .name(&settings.name)
    .custom_inbox_prefix(&settings.inbox_prefix)
    .client_capacity(client_capacity)
    .ping_interval(Duration::from_secs(2))
    .reconnect_delay_callback(move |attempt| delay(attempt, refused.load(Ordering::Relaxed)))
    .retry_on_initial_connect()
    .event_callback(move |event| {
        watcher.take(&event);
        std::future::ready(())
    });
    if let Some(ca) = tls.ca {
        options = options.add_root_certificates(ca).require_tls(true);
    }
    if let Some((certificate, key)) = tls.client {
        options = options
            .add_client_certificate(certificate, key)
            .require_tls(true);
    }
    let client = options
        .connect(address)
        .await
        .map_err(|error| SettingsError::Start(error.to_string()))?;
    Ok(Connection {
        client,
        state: state_seen,
        denied: denied_seen,
    })
}

fn server_address(url: &str) -> Result<ServerAddr, SettingsError> {
    if url.contains('@') {
        return Err(SettingsError::UserinfoInUrl);
    }
    let known_scheme = ["nats://", "tls://", "ws://", "wss://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    match url.parse::<ServerAddr>() {
        Ok(address) if known_scheme && !address.host().is_empty() => Ok(address),
        _ => Err(SettingsError::Url(url.to_owned())),
    }
}

/// The URL without anything that could be secret: a path or query has no meaning for NATS, but a person may have put one.
pub(crate) fn display_address(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// At most half a second, so that frames resume at once; two seconds to somebody who says no, so that a hundred
/// cameras with a wrong password do not fill the server's log.
fn delay(attempt: usize, refused: bool) -> Duration {
    let millis = match (refused, attempt) {
        (true, _) => 1_500..2_500,
        (false, 0 | 1) => 0..50,
        (false, _) => 200..500,
    };
    Duration::from_millis(rand::rng().random_range(millis))
}

/// Turns the client's events into a state.
struct Watcher {
    state: watch::Sender<ConnState>,
    denied: watch::Sender<Option<String>>,
    refused: Arc<AtomicBool>,
    auth_failure: Arc<Mutex<String>>,
    number: Mutex<u64>,
    /// What the server last reported on this connection, most often why it closes it.
    last_words: Mutex<String>,
    server: String,
}

impl Watcher {
    fn take(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.refused.store(false, Ordering::Relaxed);
                self.take_last_words();
                let number = self.number.lock().map_or(0, |mut number| {
                    *number += 1;
                    *number
                });
                self.state.send_replace(ConnState::Connected { number });
            }
            Event::Disconnected | Event::Closed => self.interrupted(),
            Event::ClientError(ClientError::Other(error)) => self.failed(error),
            Event::ServerError(ServerError::AuthorizationViolation) => self.unauthorized(
                "the server refuses these credentials (authorization violation)".to_owned(),
            ),
            Event::ServerError(ServerError::Other(error)) => {
                let lower = error.to_lowercase();
                if lower.contains("permissions violation") {
                    self.denied.send_replace(Some(error.clone()));
                } else if lower.contains("authentication") || lower.contains("authorization") {
                    self.unauthorized(format!("the server says: {error}"));
                } else {
                    // Not every error ends the connection, `maximum subscriptions exceeded` for one does not.
                    tracing::warn!(server = %self.server, %error, "the NATS server reports an error");
                    if let Ok(mut last_words) = self.last_words.lock() {
                        last_words.clone_from(error);
                    }
                }
            }
            _ => {}
        }
    }

    /// An attempt failed; the client tells us the kind of failure by its text.
    fn failed(&self, kind: &str) {
        let server = &self.server;
        match kind {
            "authorization violation" => self.unauthorized(
                "the server refuses these credentials (authorization violation)".to_owned(),
            ),
            "failed signing nonce" => {
                let reason = self.auth_failure.lock().map(|failure| failure.clone());
                self.unauthorized(reason.unwrap_or_default());
            }
            "DNS error" => self.lost(format!("the host name in {server} cannot be resolved")),
            "timed out" => self.lost(format!("{server} does not answer")),
            "TLS error" => self.lost(format!("no TLS session with {server}: a certificate or key cannot be read")),
            _ => self.lost(format!(
                "no connection to {server}: refused, unreachable, or its certificate is not accepted"
            )),
        }
    }

    fn unauthorized(&self, reason: String) {
        self.refused.store(true, Ordering::Relaxed);
        self.state.send_replace(ConnState::Unauthorized { reason });
    }

    /// There was a connection.
    fn interrupted(&self) {
        let last_words = self.take_last_words();
        let reason = if last_words.is_empty() {
            String::new()
        } else {
            format!("the server last said: {last_words}")
        };
        // The server closes the connection right after it has said no: that is no news.
        let refused = matches!(*self.state.borrow(), ConnState::Unauthorized { .. });
        if !refused {
            self.disconnected(reason);
        }
    }

    /// There is still no connection.
    fn lost(&self, reason: String) {
        self.refused.store(false, Ordering::Relaxed);
        self.disconnected(reason);
    }

    fn disconnected(&self, reason: String) {
        self.state.send_modify(|state| {
            *state = match state {
                ConnState::Connecting { .. } => ConnState::Connecting { reason },
                _ => ConnState::Disconnected { reason },
            }
        });
    }

    fn take_last_words(&self) -> String {
        self.last_words
            .lock()
            .map(|mut words| std::mem::take(&mut *words))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_password_is_refused_without_repeating_it() {
        let error = server_address("nats://u:hunter2@host:4222").unwrap_err();
        assert_eq!(error, SettingsError::UserinfoInUrl);
        assert!(!error.to_string().contains("hunter2"));
        for bad in ["", "host:4222", "http://host", "nats://"] {
            assert!(server_address(bad).is_err(), "{bad}");
        }
        assert!(server_address("nats://127.0.0.1:4222").is_ok());
        assert_eq!(display_address("tls://h:1/x?y"), "tls://h:1");
    }

    #[test]
    fn an_error_that_the_server_reports_is_no_disconnection_but_may_be_its_reason() {
        let (state, seen) = watch::channel(ConnState::Connecting {
            reason: String::new(),
        });
        let watcher = Watcher {
            state,
            denied: watch::Sender::new(None),
            refused: Arc::default(),
            auth_failure: Arc::default(),
            number: Mutex::default(),
            last_words: Mutex::default(),
            server: "nats://h:1".into(),
        };
        let error = |text: &str| Event::ServerError(ServerError::Other(text.into()));
        watcher.take(&Event::Connected);
        watcher.take(&error("maximum subscriptions exceeded"));
        assert_eq!(*seen.borrow(), ConnState::Connected { number: 1 });
        watcher.take(&error("Stale Connection"));
        watcher.take(&Event::Disconnected);
        assert_eq!(seen.borrow().as_str(), "disconnected");
        assert!(seen.borrow().reason().contains("Stale Connection"));
        watcher.take(&Event::Connected);
        watcher.take(&error("User Authentication Expired"));
        watcher.take(&Event::Disconnected);
        assert_eq!(seen.borrow().as_str(), "unauthorized");
    }

    #[test]
    fn waiting_times_stay_below_half_a_second_unless_refused() {
        for attempt in 0..50 {
            assert!(delay(attempt, false) <= Duration::from_millis(500));
            assert!(delay(attempt, true) >= Duration::from_secs(1));
        }
    }
}
