//! Credentials and certificates as files with the keys of a Secret.

use std::io;
use std::path::{Path, PathBuf};

use async_nats::Auth;
use nkeys::KeyPair;

use super::SettingsError;

/// Why there are no usable credentials. Says which file, never what is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("`{0}` is in the Secret, `{1}` is not")]
    Missing(&'static str, &'static str),
    #[error("`{0}` of the Secret cannot be read: {1}")]
    Unreadable(&'static str, io::Error),
    #[error("`{0}` of the Secret is empty")]
    Empty(&'static str),
    #[error(
        "`nats.creds` of the Secret is not a NATS credentials file with a user JWT and its seed"
    )]
    NotCreds,
}

/// Which TLS files a Secret has.
#[derive(Debug, Default)]
pub(super) struct TlsFiles {
    pub(super) ca: Option<PathBuf>,
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    pub(super) fn find(folder: Option<&Path>) -> Result<Self, SettingsError> {
        let existing = |key: &str| {
            folder
                .map(|folder| folder.join(key))
                .filter(|path| path.exists())
        };
        let client = match (existing("tls.crt"), existing("tls.key")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(SettingsError::HalfCertificate),
        };
        Ok(Self {
            ca: existing("ca.crt"),
            client,
        })
    }
}

/// Reads the credentials that are there now; none at all is no error, the server may not want any.
pub(super) fn auth(folder: Option<&Path>, nonce: &[u8]) -> Result<Auth, SecretError> {
    let mut auth = Auth::new();
    let Some(folder) = folder else {
        return Ok(auth);
    };
    if let Some(creds) = read(folder, "nats.creds")? {
        let (jwt, key) = parse_creds(&creds).ok_or(SecretError::NotCreds)?;
        auth.signature = Some(key.sign(nonce).map_err(|_| SecretError::NotCreds)?);
        auth.jwt = Some(jwt.to_owned());
    } else if let Some(token) = read(folder, "token")? {
        auth.token = Some(token);
    } else {
        match (read(folder, "username")?, read(folder, "password")?) {
            (None, None) => {}
            (Some(_), None) => return Err(SecretError::Missing("username", "password")),
            (None, Some(_)) => return Err(SecretError::Missing("password", "username")),
            (username, password) => {
                auth.username = username;
                auth.password = password;
            }
        }
    }
    Ok(auth)
}

fn read(folder: &Path, key: &'static str) -> Result<Option<String>, SecretError> {
    match std::fs::read_to_string(folder.join(key)) {
        Ok(text) => {
            // Editors and `echo` end a file with a newline that is no part of the secret.
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                return Err(SecretError::Empty(key));
            }
            Ok(Some(text.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SecretError::Unreadable(key, error)),
    }
}

/// Takes the user JWT and the seed out of the decorated blocks of a credentials file.
fn parse_creds(text: &str) -> Option<(&str, KeyPair)> {
    let jwt = block(text, "NATS USER JWT")?;
    let key = KeyPair::from_seed(block(text, "USER NKEY SEED")?).ok()?;
    Some((jwt, key))
}

fn block<'a>(text: &'a str, title: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("-----BEGIN ") && line.contains(title))?;
    lines
        .find(|line| !line.is_empty())
        .filter(|line| !line.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn what_is_in_the_folder_decides_how_we_log_in() {
        let none = folder(&[]);
        let auth_none = auth(Some(none.path()), b"").unwrap();
        assert!(auth_none.username.is_none() && auth_none.token.is_none());

        let user = folder(&[("username", "u\n"), ("password", "p w\r\n")]);
        let auth_user = auth(Some(user.path()), b"").unwrap();
        assert_eq!(auth_user.username.as_deref(), Some("u"));
        assert_eq!(auth_user.password.as_deref(), Some("p w"));

        let token = folder(&[("token", "t")]);
        assert_eq!(
            auth(Some(token.path()), b"").unwrap().token.as_deref(),
            Some("t")
        );
    }

    #[test]
    fn a_creds_file_signs_the_servers_nonce() {
        let user = KeyPair::new_user();
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\nthe.user.jwt\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap()
        );
        let files = folder(&[("nats.creds", &creds)]);
        let auth = auth(Some(files.path()), b"nonce").unwrap();
        assert_eq!(auth.jwt.as_deref(), Some("the.user.jwt"));
        assert!(user.verify(b"nonce", &auth.signature.unwrap()).is_ok());
    }

    #[test]
    fn an_unusable_secret_is_named_and_not_shown() {
        for (files, expected) in [
            (
                &[("username", "u")][..],
                "`username` is in the Secret, `password` is not",
            ),
            (
                &[("username", "u"), ("password", "")],
                "`password` of the Secret is empty",
            ),
            (&[("nats.creds", "hunter2")], "not a NATS credentials file"),
        ] {
            let files = folder(files);
            let error = auth(Some(files.path()), b"").err().unwrap().to_string();
            assert!(
                error.contains(expected) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let files = folder(&[("tls.crt", "x")]);
        assert_eq!(
            TlsFiles::find(Some(files.path())).unwrap_err(),
            SettingsError::HalfCertificate
        );
    }
}
