//! Secrets as files: `<folder>/<name>/<key>`, read again at every attempt so that a rotated one is taken.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use streamhub_crds::{RtspLocation, RtspSource, RtspUrl};

use crate::fault::{Fault, Redactor};
use crate::source::rtsp::{RtspSpec, Transport};

/// More than this is no password, URL or certificate.
const MAX_BYTES: u64 = 1024 * 1024;

/// The folder of mounted Secrets.
#[derive(Debug, Clone)]
pub struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// Secrets below `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder of one Secret.
    pub fn folder_of(&self, secret: &str) -> PathBuf {
        self.folder.join(secret)
    }

    /// A key's value without a trailing newline; `None` when Secret or key are not there.
    fn optional(&self, secret: &str, key: &str) -> Result<Option<String>, Fault> {
        let path = self.folder_of(secret).join(key);
        let unreadable = |why: String| {
            Fault::transient(
                "SecretUnreadable",
                format!("key {key} of Secret {secret}: {why}"),
                "check the Secret and the rights of its files",
            )
        };
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(unreadable("larger than 1 MiB".to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        }
        let bytes = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
        let text =
            String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn required(&self, secret: &str, key: &str, field: &str) -> Result<String, Fault> {
        self.optional(secret, key)?.ok_or_else(|| {
            Fault::transient(
                "SecretMissing",
                format!("{field}: Secret {secret} with the key {key} is not there"),
                format!("create Secret {secret} with the key {key} in the camera's namespace"),
            )
        })
    }

    /// Everything that an RTSP attempt needs, with the secrets as they are now.
    pub fn rtsp(&self, source: &RtspSource) -> Result<RtspSpec, Fault> {
        let mut hidden = Vec::new();
        let (url, shown) = match &source.location {
            RtspLocation::Url(url) => (url.as_str().to_owned(), url.public().to_owned()),
            RtspLocation::Secret(reference) => {
                let field = "spec.source.rtsp.urlSecretRef";
                let (name, key) = (reference.name.as_str(), reference.key.as_str());
                let text = self.required(name, key, field)?;
                let url: RtspUrl = text.parse().map_err(|_| {
                    Fault::transient(
                        "InvalidUrl",
                        format!("{field}: the value of key {key} is no rtsp:// or rtsps:// URL without a user in it"),
                        "correct the Secret; user and password go into credentialsSecretRef",
                    )
                })?;
                let shown = origin(url.as_str()).to_owned();
                hidden.push(text.trim_start_matches(&shown).trim_matches('/').to_owned());
                hidden.push(text);
                (url.as_str().to_owned(), shown)
            }
        };
        let (mut login, mut ca) = (None, None);
        if let Some(reference) = &source.credentials_secret_ref {
            let name = reference.name.as_str();
            let field = "spec.source.rtsp.credentialsSecretRef";
            let user = self.optional(name, "username")?;
            let password = self.optional(name, "password")?;
            ca = Some(self.folder_of(name).join("ca.crt")).filter(|path| path.is_file());
            login = match (user, password) {
                (Some(user), Some(password)) => {
                    hidden.push(password.clone());
                    Some((user, password))
                }
                (None, None) if ca.is_some() => None,
                (None, _) => return Err(missing(field, name, "username")),
                (_, None) => return Err(missing(field, name, "password")),
            };
        }
        if let Some((_, query)) = url.split_once('?') {
            hidden.push(query.to_owned());
        }
        Ok(RtspSpec {
            url,
            shown,
            transport: match source.transport {
                streamhub_crds::Transport::Tcp => Transport::Tcp,
                streamhub_crds::Transport::Udp => Transport::Udp,
            },
            login,
            ca: ca.map(|path| std::path::absolute(&path).unwrap_or(path)),
            redactor: Redactor::new(hidden),
        })
    }
}

fn missing(field: &str, secret: &str, key: &str) -> Fault {
    Fault::transient(
        "SecretMissing",
        format!("{field}: Secret {secret} with the key {key} is not there"),
        format!("create Secret {secret} with the key {key} in the camera's namespace"),
    )
}

/// Scheme, host and port of a URL.
fn origin(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url
        .get(after_scheme..)
        .and_then(|rest| rest.find(['/', '?', '#']))
        .map_or(url.len(), |at| after_scheme + at);
    url.get(..end).unwrap_or(url)
}

/// Where a folder with Secrets is expected when none is named: beside the camera's file.
pub fn default_folder(camera_file: &Path) -> PathBuf {
    camera_file
        .parent()
        .map_or_else(|| PathBuf::from("secrets"), |folder| folder.join("secrets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(yaml: &str) -> RtspSource {
        serde_saphyr::from_str(yaml).expect("a valid source")
    }

    #[test]
    fn a_secret_url_is_shown_without_its_path_and_a_missing_key_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let secrets = Secrets::new(folder.path());
        let with_secret_url = source("{urlSecretRef: {name: cam1, key: url}}");
        let missing = secrets
            .rtsp(&with_secret_url)
            .err()
            .expect("no such secret");
        assert_eq!(missing.reason, "SecretMissing");
        assert!(
            missing.message.contains("Secret cam1 with the key url"),
            "{missing}"
        );

        std::fs::create_dir(folder.path().join("cam1")).expect("folder");
        std::fs::write(
            folder.path().join("cam1/url"),
            "rtsp://10.0.0.7:554/geheim/stream?token=auch\n",
        )
        .expect("file");
        let spec = secrets.rtsp(&with_secret_url).expect("complete");
        assert_eq!(spec.shown, "rtsp://10.0.0.7:554");
        assert_eq!(spec.url, "rtsp://10.0.0.7:554/geheim/stream?token=auch");
        let error = spec.redactor.clean(&format!("cannot open {}", spec.url));
        assert!(
            !error.contains("geheim") && !error.contains("auch"),
            "{error}"
        );
    }

    #[test]
    fn a_rotated_password_is_seen_at_the_next_reading() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir(folder.path().join("cam1")).expect("folder");
        let put = |key: &str, value: &str| {
            std::fs::write(folder.path().join("cam1").join(key), value).expect("file");
        };
        let secrets = Secrets::new(folder.path());
        let camera = source("{url: 'rtsp://10.0.0.7/a', credentialsSecretRef: {name: cam1}}");
        put("username", "admin");
        let fault = secrets.rtsp(&camera).err().expect("no password yet");
        assert!(fault.message.contains("password"), "{fault}");
        put("password", "old");
        let login = |secrets: &Secrets| secrets.rtsp(&camera).expect("complete").login;
        assert_eq!(login(&secrets), Some(("admin".into(), "old".into())));
        put("password", "new\n");
        assert_eq!(login(&secrets), Some(("admin".into(), "new".into())));
    }
}
