//! `testcam`: an RTSP camera for tests and for the demo. Stop it with SIGTERM or Ctrl-C.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use streamhub_testkit::testcam::{Login, Mount, Scheme, Settings, Transport, serve};
use tokio::signal::unix::{SignalKind, signal};

/// Serves films and test pictures over RTSP on 127.0.0.1, in real time and for ever.
#[derive(Parser)]
struct Arguments {
    /// TCP port; 0 lets the system choose, and the first line of output tells.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// `/name=FILE` (H.264, H.265 or MJPEG in MP4, MKV or AVI) or `/name=testsrc[:h264|h265|mjpeg[:WIDTHxHEIGHT@FPS]]`.
    #[arg(long = "mount", value_name = "MOUNT", required = true)]
    mounts: Vec<Mount>,
    /// Ask for this user.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// A file with the password; a newline at its end does not count.
    #[arg(long, requires = "user")]
    password_file: Option<PathBuf>,
    /// How the password is asked for.
    #[arg(long, value_enum, default_value_t = AuthArgument::Digest)]
    auth: AuthArgument,
    /// Certificate (PEM): serve rtsps instead of rtsp.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate (PEM).
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Refuse the other transport with 461.
    #[arg(long, value_enum, default_value_t = TransportArgument::Both)]
    transport: TransportArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum AuthArgument {
    Basic,
    Digest,
}

#[derive(Clone, Copy, ValueEnum)]
enum TransportArgument {
    Both,
    Tcp,
    Udp,
}

impl Arguments {
    fn settings(self) -> Result<Settings> {
        let login = match self.user.zip(self.password_file) {
            None => None,
            Some((user, file)) => Some(Login {
                user,
                password: fs::read_to_string(&file)
                    .with_context(|| format!("can't read {}", file.display()))?
                    .trim_end_matches('\n')
                    .to_owned(),
                scheme: match self.auth {
                    AuthArgument::Basic => Scheme::Basic,
                    AuthArgument::Digest => Scheme::Digest,
                },
            }),
        };
        Ok(Settings {
            port: self.port,
            mounts: self.mounts,
            login,
            tls: self.tls_cert.zip(self.tls_key),
            transport: match self.transport {
                TransportArgument::Both => Transport::Both,
                TransportArgument::Tcp => Transport::Tcp,
                TransportArgument::Udp => Transport::Udp,
            },
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testcam: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let settings = Arguments::parse().settings()?;
    let scheme = if settings.tls.is_some() {
        "rtsps"
    } else {
        "rtsp"
    };
    let port = serve(&settings)?;
    println!("listening on {scheme}://127.0.0.1:{port}");
    for mount in &settings.mounts {
        println!("serving {scheme}://127.0.0.1:{port}{}", mount.path);
    }
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}
