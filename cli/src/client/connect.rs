//! Connects to the hub.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use streamhub_crds::DEFAULT_NAMESPACE;
use streamhub_wire::connect::{ConnState, NatsSettings};
use streamhub_wire::subjects::{Prefix, Token};
use streamhub_wire::subscribe::Consumer;
use tempfile::TempDir;

use super::ClientError;
use super::find::{Found, find};
use crate::args::ConnectArgs;
use crate::cluster::{Cluster, ClusterError, Forward, Target, find_hub};
use crate::place::Place;

/// The hub of a camera that names none.
const HUB: &str = "default";
const LOCAL: &str = "nats://127.0.0.1:4222";
const PATIENCE: Duration = Duration::from_secs(5);

/// A connected consumer.
pub struct Session {
    /// The consumer.
    pub consumer: Consumer,
    /// Where it is connected to.
    pub url: String,
    // Holds the credentials for as long as reconnections may need them.
    _secrets: Option<TempDir>,
    // The way there, where it leads through an API server.
    _forward: Option<Forward>,
}

impl Session {
    /// Connects, for a camera where one is meant; waits until the server has let us in, at most five seconds.
    pub async fn open(args: &ConnectArgs, camera: Option<&Token>) -> Result<Self, ClientError> {
        let (found, forward) = locate(args, camera).await?;
        let prefix = match (&args.prefix, found.prefix) {
            (Some(prefix), _) => Prefix::new(prefix)?,
            (None, Some(prefix)) => Prefix::new(prefix)?,
            (None, None) => {
                let hub = args.hub.as_deref().unwrap_or(HUB);
                let namespace = args.place.namespace.as_deref();
                let namespace = namespace.unwrap_or(DEFAULT_NAMESPACE);
                Prefix::of_hub(&Token::new(namespace)?, &Token::new(hub)?)
            }
        };
        let own = own_secrets(args).map_err(|source| ClientError::File {
            path: "credentials".into(),
            source,
        })?;
        let url = args
            .url
            .clone()
            .or(found.url)
            .unwrap_or_else(|| LOCAL.to_owned());
        let settings = NatsSettings {
            url: url.clone(),
            secrets: own
                .as_ref()
                .map(|dir| dir.path().to_path_buf())
                .or(found.secrets),
            name: "streamhub".into(),
            inbox_prefix: "_INBOX".into(),
        };
        let consumer = Consumer::connect(&settings, prefix).await?;
        let mut state = consumer.state();
        let settled = |state: &ConnState| {
            matches!(
                state,
                ConnState::Connected { .. } | ConnState::Unauthorized { .. }
            )
        };
        let outcome = match tokio::time::timeout(PATIENCE, state.wait_for(settled)).await {
            Ok(Ok(state)) => state.clone(),
            _ => consumer.state().borrow().clone(),
        };
        match outcome {
            ConnState::Connected { .. } => Ok(Self {
                consumer,
                url,
                _secrets: own,
                _forward: forward,
            }),
            ConnState::Unauthorized { reason } => Err(ClientError::Unauthorized { url, reason }),
            other => {
                let way = forward.map(|forward| forward.failure()).unwrap_or_default();
                let said = [other.reason(), way.as_str()];
                let said = said.into_iter().filter(|text| !text.is_empty());
                Err(ClientError::Unreachable {
                    url,
                    reason: said.collect::<Vec<_>>().join("; "),
                })
            }
        }
    }

    /// Does something, unless the server says first that we may not.
    pub async fn permitted<T>(
        &self,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let mut denied = self.consumer.denied();
        let refusal = async {
            match denied.wait_for(Option::is_some).await {
                Ok(reason) => reason.clone().unwrap_or_default(),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reason = refusal => Err(ClientError::Unauthorized { url: self.url.clone(), reason }),
            result = work => result,
        }
    }
}

/// Where the hub is, and what leads there.
async fn locate(
    args: &ConnectArgs,
    camera: Option<&Token>,
) -> Result<(Found, Option<Forward>), ClientError> {
    let cluster_named = args.place.context.is_some() || args.place.kubeconfig.is_some();
    // A URL is another place; only where a cluster is named too, its hub still tells the subjects.
    let cluster = (args.url.is_none() || cluster_named)
        && Place::choose(&args.place, false) == Place::Cluster;
    if !cluster {
        return Ok((find(args, camera)?, None));
    }
    let cluster = Cluster::open(&args.place).await?;
    let hub = find_hub(&cluster, args.hub.as_deref(), camera.map(Token::as_str)).await?;
    let prefix = Some(hub.prefix);
    if args.url.is_some() {
        let found = Found {
            prefix,
            ..Found::default()
        };
        return Ok((found, None));
    }
    let url = hub
        .url
        .ok_or_else(|| ClusterError::NatsUnknown(hub.key.to_string()))?;
    let target = Target::parse(&url, &hub.key.namespace)?;
    let forward = Forward::start(cluster, target.clone()).await?;
    let found = Found {
        url: Some(target.url_at(forward.address.port())),
        prefix,
        secrets: None,
    };
    Ok((found, Some(forward)))
}

/// The credentials of the command line as a folder with the keys of a Secret.
fn own_secrets(args: &ConnectArgs) -> io::Result<Option<TempDir>> {
    let files = [
        ("password", &args.password_file),
        ("token", &args.token_file),
        ("nats.creds", &args.creds),
        ("ca.crt", &args.tlsca),
        ("tls.crt", &args.tlscert),
        ("tls.key", &args.tlskey),
    ];
    if args.user.is_none() && files.iter().all(|(_, file)| file.is_none()) {
        return Ok(None);
    }
    let dir = TempDir::with_prefix("streamhub-")?;
    if let Some(user) = &args.user {
        std::fs::write(dir.path().join("username"), user)?;
    }
    for (key, file) in files {
        if let Some(file) = file {
            link(file, &dir.path().join(key))?;
        }
    }
    Ok(Some(dir))
}

/// A link, not a copy: no secret is written anywhere, and a rotated one is read anew.
fn link(file: &Path, to: &Path) -> io::Result<()> {
    let file = std::fs::canonicalize(file)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
    symlink(file, to)
}
