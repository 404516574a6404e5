//! A real `nats-server` as a test wants it: set as a hub's server is, on a port of its own.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::paths::nats_server_bin;
use crate::process::Proc;
use crate::wait::eventually;

const START: Duration = Duration::from_secs(15);

/// How a server is to be started; see [`NatsServer::options`].
#[derive(Debug, Default)]
pub struct NatsOptions {
    config: String,
    encrypted: bool,
    port: Option<u16>,
}

impl NatsOptions {
    /// Adds configuration in the server's own language, for instance `max_payload: 64KB`.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config += text;
        self.config += "\n";
        self
    }

    /// Requires this user and password.
    #[must_use]
    pub fn user(self, user: &str, password: &str) -> Self {
        self.config(&format!(
            "authorization {{ user: {user:?}, password: {password:?} }}"
        ))
    }

    /// Requires this token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.config(&format!("authorization {{ token: {token:?} }}"))
    }

    /// Encrypts, with the server certificate of `certificates`.
    #[must_use]
    pub fn tls(self, certificates: &Certificates) -> Self {
        self.with_tls(certificates, "")
    }

    /// Encrypts, and refuses clients without a certificate of the same authority.
    #[must_use]
    pub fn mutual_tls(self, certificates: &Certificates) -> Self {
        let verify = format!("verify: true, ca_file: {}", quoted(&certificates.ca()));
        self.with_tls(certificates, &verify)
    }

    /// A fixed port instead of one that the server chooses.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    fn with_tls(mut self, certificates: &Certificates, more: &str) -> Self {
        self.encrypted = true;
        self.config(&format!(
            "tls {{ cert_file: {}, key_file: {}, {more} }}",
            quoted(&certificates.server_certificate()),
            quoted(&certificates.server_key()),
        ))
    }

    /// Starts the server and waits until it takes connections.
    pub fn start(self) -> Result<NatsServer> {
        let folder = TempDir::with_prefix("streamhub-nats-")?;
        let (process, ports) = launch(&folder, &self.config, self.port, None)?;
        Ok(NatsServer {
            encrypted: self.encrypted,
            config: self.config,
            process,
            port: port_of(&ports.nats)?,
            monitoring: port_of(&ports.monitoring)?,
            folder,
        })
    }
}

/// A running `nats-server` with the limits that a hub's server has (`max_pending: 8MB`, `write_deadline: 2s`).
///
/// It ends with this value.
#[derive(Debug)]
pub struct NatsServer {
    config: String,
    encrypted: bool,
    process: Proc,
    port: u16,
    monitoring: u16,
    folder: TempDir,
}

impl NatsServer {
    /// A server that lets everybody in.
    pub fn start() -> Result<Self> {
        Self::options().start()
    }

    /// A server with configuration of its own.
    pub fn options() -> NatsOptions {
        NatsOptions::default()
    }

    /// What a client connects to: `nats://127.0.0.1:PORT`, or `tls://` when encrypted.
    pub fn url(&self) -> String {
        let scheme = if self.encrypted { "tls" } else { "nats" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The port that clients connect to; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The monitoring endpoint, for instance `http://127.0.0.1:PORT` + `/connz?subs=1`.
    pub fn monitoring_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitoring)
    }

    /// The server's process, for its id and its log.
    pub fn process(&mut self) -> &mut Proc {
        &mut self.process
    }

    /// A client of a server that asks for no credentials.
    pub async fn connect(&self) -> Result<async_nats::Client> {
        async_nats::connect(self.url())
            .await
            .with_context(|| format!("can't connect to {}", self.url()))
    }

    /// Kills the server as a power cut would (SIGKILL); [`Self::restart`] brings it back.
    pub fn stop(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) -> Result<()> {
        let config = self.config.clone();
        self.restart_with(&config)
    }

    /// Starts it again on the same port with other configuration in place of what the options gave.
    pub fn restart_with(&mut self, config: &str) -> Result<()> {
        self.process.kill()?;
        config.clone_into(&mut self.config);
        let (process, _) = launch(&self.folder, config, Some(self.port), Some(self.monitoring))?;
        self.process = process;
        Ok(())
    }

    /// Stops it in its tracks: connections stay open and nothing answers.
    pub fn freeze(&mut self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets a frozen server go on.
    pub fn thaw(&mut self) -> Result<()> {
        self.process.thaw()
    }
}

/// The server's own file of the ports it chose.
#[derive(Debug, Deserialize)]
struct Ports {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

fn launch(
    folder: &TempDir,
    more: &str,
    port: Option<u16>,
    monitoring: Option<u16>,
) -> Result<(Proc, Ports)> {
    let choose =
        |fixed: Option<u16>| fixed.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let mut config = String::new();
    writeln!(config, "listen: \"127.0.0.1:{}\"", choose(port))?;
    writeln!(config, "http: \"127.0.0.1:{}\"", choose(monitoring))?;
    writeln!(config, "ports_file_dir: {}", quoted(folder.path()))?;
    writeln!(config, "max_pending: 8MB\nwrite_deadline: \"2s\"\n{more}")?;
    let file = folder.path().join("nats.conf");
    fs::write(&file, config)?;

    let mut command = Command::new(nats_server_bin()?);
    command.arg("-c").arg(&file);
    let mut process = Proc::spawn("nats-server", &mut command)?;
    process.wait_for_line("Server is ready", START)?;
    let ports_file = folder
        .path()
        .join(format!("nats-server_{}.ports", process.id()));
    let ports: Ports = eventually(START, "the server's ports file", || {
        serde_json::from_slice(&fs::read(&ports_file).ok()?).ok()
    })?;
    let port = port_of(&ports.nats)?;
    eventually(START, "the server to take connections", || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
    })?;
    Ok((process, ports))
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn port_of(urls: &[String]) -> Result<u16> {
    urls.first()
        .and_then(|url| url.rsplit_once(':'))
        .and_then(|(_, port)| port.parse().ok())
        .context("the server named no port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_comes_back_on_its_port() {
        let mut server = NatsServer::start().unwrap();
        let port = server.port();
        server.connect().await.unwrap();
        server.stop().unwrap();
        server.restart_with("max_payload: 65536").unwrap();
        assert_eq!(server.port(), port);
        let client = server.connect().await.unwrap();
        assert_eq!(client.max_payload(), 65536);
    }

    #[tokio::test]
    async fn a_server_with_a_password_refuses_others() {
        let server = NatsServer::options().user("cam", "s3cret").start().unwrap();
        assert!(server.connect().await.is_err());
        async_nats::ConnectOptions::with_user_and_password("cam".into(), "s3cret".into())
            .connect(server.url())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn mutual_tls_admits_only_the_authoritys_clients() {
        let certificates = Certificates::generate().unwrap();
        let server = NatsServer::options()
            .mutual_tls(&certificates)
            .start()
            .unwrap();
        let trusting =
            || async_nats::ConnectOptions::new().add_root_certificates(certificates.ca());
        assert!(trusting().connect(server.url()).await.is_err());
        trusting()
            .add_client_certificate(certificates.client_certificate(), certificates.client_key())
            .connect(server.url())
            .await
            .unwrap();
    }
}
