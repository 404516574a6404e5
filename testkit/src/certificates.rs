//! Certificates for tests: one authority, a server on 127.0.0.1 and a client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A certificate authority and what it signed, as PEM files in a folder that goes with this value.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes an authority, a server certificate for `127.0.0.1` and `localhost`, and one for a client named `camera`.
    pub fn generate() -> Result<Self> {
        let made = Self {
            folder: TempDir::with_prefix("streamhub-certificates-")?,
        };
        made.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-days",
            "30",
            "-subj",
            "/CN=Test authority",
        ])?;
        made.sign(
            "server",
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n",
        )?;
        made.sign(
            "client",
            "subjectAltName=DNS:camera\nextendedKeyUsage=clientAuth\n",
        )?;
        Ok(made)
    }

    /// The authority's certificate: what a client is told to trust.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// The server's certificate.
    pub fn server_certificate(&self) -> PathBuf {
        self.path("server.crt")
    }

    /// The server's private key.
    pub fn server_key(&self) -> PathBuf {
        self.path("server.key")
    }

    /// The client's certificate.
    pub fn client_certificate(&self) -> PathBuf {
        self.path("client.crt")
    }

    /// The client's private key.
    pub fn client_key(&self) -> PathBuf {
        self.path("client.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sign(&self, name: &str, extensions: &str) -> Result<()> {
        let file = |suffix: &str| format!("{name}.{suffix}");
        fs::write(self.path(&file("ext")), extensions)?;
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            &file("key"),
            "-out",
            &file("csr"),
            "-subj",
            &format!("/CN={name}"),
        ])?;
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &file("csr"),
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-out",
            &file("crt"),
            "-days",
            "30",
            "-extfile",
            &file("ext"),
        ])
    }

    fn openssl(&self, arguments: &[&str]) -> Result<()> {
        run_in(self.folder.path(), arguments)
    }
}

fn run_in(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("can't run openssl: run scripts/setup test")?;
    ensure!(
        output.status.success(),
        "openssl {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
