//! RTSP cameras as processes: testcam (GStreamer) and VLC (which is not).

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::paths::{clip, free_port, target_bin};
use crate::process::Proc;
use crate::wait::eventually;

const START: Duration = Duration::from_secs(30);

/// How a [`Testcam`] is to be started.
#[derive(Default)]
pub struct TestcamOptions {
    arguments: Vec<OsString>,
    password: Option<String>,
    encrypted: bool,
}

impl TestcamOptions {
    /// Serves a file (H.264, H.265 or MJPEG) in a loop under `path`, which begins with a slash.
    #[must_use]
    pub fn film(self, path: &str, file: &Path) -> Self {
        self.pair("--mount", format!("{path}={}", file.display()))
    }

    /// Serves a test picture under `path`, for instance `h264:640x360@25`.
    #[must_use]
    pub fn test_picture(self, path: &str, form: &str) -> Self {
        self.pair("--mount", format!("{path}=testsrc:{form}"))
    }

    /// Asks for a password by Basic authentication.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        self.login("basic", user, password)
    }

    /// Asks for a password by Digest authentication.
    #[must_use]
    pub fn digest(self, user: &str, password: &str) -> Self {
        self.login("digest", user, password)
    }

    /// Speaks rtsps, with the server certificate of `certificates`.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.encrypted = true;
        self.pair("--tls-cert", certificates.server_certificate())
            .pair("--tls-key", certificates.server_key())
    }

    /// Refuses UDP with 461.
    #[must_use]
    pub fn tcp_only(self) -> Self {
        self.pair("--transport", "tcp")
    }

    /// Refuses TCP with 461.
    #[must_use]
    pub fn udp_only(self) -> Self {
        self.pair("--transport", "udp")
    }

    /// Starts the camera and waits until it listens.
    pub fn start(mut self) -> Result<Testcam> {
        let folder = TempDir::with_prefix("streamhub-testcam-")?;
        if let Some(password) = &self.password {
            let file = folder.path().join("password");
            fs::write(&file, password)?;
            self = self.pair("--password-file", file);
        }
        let (process, port) = launch(&self.arguments, 0)?;
        Ok(Testcam {
            arguments: self.arguments,
            encrypted: self.encrypted,
            port,
            process,
            _folder: folder,
        })
    }

    fn login(mut self, scheme: &str, user: &str, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.pair("--auth", scheme).pair("--user", user)
    }

    fn pair(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.arguments.extend([name.into(), value.into()]);
        self
    }
}

/// A running camera; it ends with this value.
#[derive(Debug)]
pub struct Testcam {
    arguments: Vec<OsString>,
    encrypted: bool,
    port: u16,
    process: Proc,
    _folder: TempDir,
}

impl Testcam {
    /// A camera with mounts and a password of its own.
    pub fn options() -> TestcamOptions {
        TestcamOptions::default()
    }

    /// A camera that sends the clip of this name under `/cam` to everybody.
    pub fn of_clip(name: &str) -> Result<Self> {
        Self::options().film("/cam", &clip(name)?).start()
    }

    /// `rtsp://127.0.0.1:PORT` + `path`, or `rtsps://` when encrypted.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.encrypted { "rtsps" } else { "rtsp" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// The TCP port; it stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The camera's process, to freeze it and to read its log.
    pub fn process(&mut self) -> &mut Proc {
        &mut self.process
    }

    /// How many clients have connected since it was last started.
    pub fn connections(&self) -> usize {
        self.process.stdout().matches("client connected").count()
    }

    /// Pulls the plug (SIGKILL); [`Self::restart`] puts it back.
    pub fn stop(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        (self.process, self.port) = launch(&self.arguments, self.port)?;
        Ok(())
    }
}

fn launch(arguments: &[OsString], port: u16) -> Result<(Proc, u16)> {
    let mut command = Command::new(target_bin("testcam")?);
    command.args(["--port", &port.to_string()]).args(arguments);
    let mut process = Proc::spawn("testcam", &mut command)?;
    let line = process.wait_for_line("listening on", START)?;
    let port = line
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    Ok((process, port.context("testcam named no port")?))
}

/// VLC as a camera: UDP only (TCP gets 461), Basic authentication only, at `/cam`.
///
/// It refuses to run as root, so root lends it the user `nobody` and a copy of the film that this user can read.
#[derive(Debug)]
pub struct Vlc {
    port: u16,
    process: Proc,
    _folder: TempDir,
}

impl Vlc {
    /// Serves the clip of this name in a loop to everybody.
    pub fn of_clip(name: &str) -> Result<Self> {
        Self::start(&clip(name)?, None)
    }

    /// Serves a film in a loop, asking for user and password when given.
    pub fn start(film: &Path, login: Option<(&str, &str)>) -> Result<Self> {
        let folder = TempDir::with_prefix("streamhub-vlc-")?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        let copy = folder
            .path()
            .join("film")
            .with_extension(film.extension().unwrap_or_default());
        fs::copy(film, &copy).with_context(|| format!("can't copy {}", film.display()))?;
        fs::set_permissions(&copy, Permissions::from_mode(0o644))?;
        let port = free_port()?;
        let mut settings = String::new();
        if let Some((user, password)) = login {
            writeln!(settings, "sout-rtsp-user={user}\nsout-rtsp-pwd={password}")?;
        }
        // In a file, as a command line can be read by everybody.
        let config = folder.path().join("vlcrc");
        fs::write(&config, settings)?;

        let mut command = if rustix::process::getuid().is_root() {
            let mut lend = Command::new("setpriv");
            lend.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "vlc"]);
            lend
        } else {
            Command::new("vlc")
        };
        command
            .args([
                "-I",
                "dummy",
                "--no-audio",
                "--input-repeat=65535",
                "--sout-keep",
            ])
            .arg("--config")
            .arg(&config)
            .arg("--sout")
            .arg(format!("#rtp{{sdp=rtsp://127.0.0.1:{port}/cam}}"))
            .arg(&copy)
            .env("HOME", folder.path())
            .current_dir(folder.path());
        let process = Proc::spawn("vlc", &mut command)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        eventually(START, "VLC to listen", || TcpStream::connect(address).ok())
            .with_context(|| process.last_words())?;
        Ok(Self {
            port,
            process,
            _folder: folder,
        })
    }

    /// `rtsp://127.0.0.1:PORT/cam`.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/cam", self.port)
    }

    /// VLC's process, to freeze it and to read its log.
    pub fn process(&mut self) -> &mut Proc {
        &mut self.process
    }
}
