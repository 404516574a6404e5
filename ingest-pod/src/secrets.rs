//! Secrets as files: `<folder>/<name>/<key>`, read again at every attempt so that a rotated one is taken.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use streamhub_crds::{
    FileSource, HttpLocation, HttpSource, HttpUrl, RemoteFile, RtspLocation, RtspSource, RtspUrl,
    SecretKeyRef, SecretRef,
};

use crate::fault::{Fault, Redactor};
use crate::source::http::client::{HttpSpec, Login};
use crate::source::remote::RemoteSpec;
use crate::source::remote::cache::CacheSettings;
use crate::source::remote::server::{Bucket, BucketKind, Key, Server};
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
        let place = match &source.location {
            RtspLocation::Url(url) => Place::written(url.as_str(), url.public()),
            RtspLocation::Secret(reference) => {
                let good = |text: &str| text.parse::<RtspUrl>().is_ok();
                self.secret_url(reference, "spec.source.rtsp", "rtsp:// or rtsps://", good)?
            }
        };
        let reference = source.credentials_secret_ref.as_ref();
        let credentials = self.credentials(reference, "spec.source.rtsp.credentialsSecretRef")?;
        let login = credentials.login.clone();
        Ok(RtspSpec {
            transport: match source.transport {
                streamhub_crds::Transport::Tcp => Transport::Tcp,
                streamhub_crds::Transport::Udp => Transport::Udp,
            },
            login,
            ca: credentials.ca.clone(),
            clock: source.clock.into(),
            redactor: place.redactor(&credentials),
            url: place.url,
            shown: place.shown,
        })
    }

    /// Everything that an attempt over HTTP needs, with the secrets as they are now.
    pub fn http(&self, source: &HttpSource) -> Result<HttpSpec, Fault> {
        let place = match &source.location {
            HttpLocation::Url(url) => Place::written(url.as_str(), url.public()),
            HttpLocation::Secret(reference) => {
                let good = |text: &str| text.parse::<HttpUrl>().is_ok();
                self.secret_url(reference, "spec.source.http", "http:// or https://", good)?
            }
        };
        let field = "spec.source.http.credentialsSecretRef";
        let credentials = self.credentials(source.credentials_secret_ref.as_ref(), field)?;
        Ok(place.http(credentials, field))
    }

    /// Everything that a file on a server needs, with the secrets of this namespace as they are now.
    pub fn remote(
        &self,
        namespace: &str,
        source: &FileSource,
        file: RemoteFile<'_>,
        cache: &CacheSettings,
    ) -> Result<RemoteSpec, Fault> {
        let field = "spec.source.file.credentialsSecretRef";
        let (mut credentials, mut key) = (Credentials::default(), None);
        if let Some(reference) = &source.credentials_secret_ref {
            let name = reference.name.as_str();
            if let RemoteFile::Gs { .. } = file {
                key = self.optional(name, "key.json")?;
                credentials.ca = self.authority(name);
                let other = credentials.ca.is_none() || self.optional(name, "username")?.is_some();
                if key.is_none() && other {
                    return Err(missing(field, name, "key.json"));
                }
            } else {
                credentials = self.credentials(Some(reference), field)?;
            }
        }
        let uri = source.uri.as_str();
        let endpoint = source.endpoint.as_ref();
        let place = Place::written(uri, uri);
        let mut redactor = place.redactor(&credentials);
        let mut identity = uri.to_owned();
        if let Some(endpoint) = endpoint {
            identity = format!("{identity} {}", endpoint.as_str());
        }
        if let Some(reference) = &source.credentials_secret_ref {
            // What a login was needed for is no business of cameras that do not have it.
            identity = format!("{identity} {namespace} {}", reference.name.as_str());
        }
        let server = match file {
            RemoteFile::Http(_) => Server::Http(place.http(credentials, field)),
            RemoteFile::Gs { bucket, object } | RemoteFile::S3 { bucket, object } => {
                let kind = match file {
                    RemoteFile::Gs { .. } => BucketKind::Gs,
                    _ => BucketKind::S3,
                };
                let hidden = key.iter().cloned();
                let password = credentials
                    .login
                    .iter()
                    .map(|(_, password)| password.clone());
                redactor = Redactor::new(hidden.chain(password));
                Server::Bucket(Bucket {
                    kind,
                    bucket: bucket.to_owned(),
                    object: object.to_owned(),
                    endpoint: endpoint.map(|endpoint| endpoint.as_str().to_owned()),
                    login: credentials
                        .login
                        .map(|(user, password)| Login { user, password }),
                    key: key.map(Key),
                    ca: credentials.ca,
                })
            }
        };
        Ok(RemoteSpec {
            server,
            shown: uri.to_owned(),
            identity,
            cache: cache.clone(),
            fps: source.fps,
            on_end: source.on_end,
            redactor,
        })
    }

    /// The file with the authority of a server, where the Secret has one.
    fn authority(&self, secret: &str) -> Option<PathBuf> {
        Some(self.folder_of(secret).join("ca.crt"))
            .filter(|path| path.is_file())
            .map(|path| std::path::absolute(&path).unwrap_or(path))
    }

    /// A URL that is kept in a Secret.
    fn secret_url(
        &self,
        reference: &SecretKeyRef,
        source: &str,
        schemes: &str,
        good: fn(&str) -> bool,
    ) -> Result<Place, Fault> {
        let field = format!("{source}.urlSecretRef");
        let (name, key) = (reference.name.as_str(), reference.key.as_str());
        let text = self.required(name, key, &field)?;
        if !good(&text) {
            return Err(Fault::transient(
                "InvalidUrl",
                format!("{field}: the value of key {key} is no {schemes} URL without a user in it"),
                "correct the Secret; user and password go into credentialsSecretRef",
            ));
        }
        let shown = origin(&text).to_owned();
        let path = text.trim_start_matches(&shown).trim_matches('/').to_owned();
        Ok(Place {
            hidden: vec![path, text.clone()],
            url: text,
            shown,
        })
    }

    /// User name, password and authority of a server.
    fn credentials(
        &self,
        reference: Option<&SecretRef>,
        field: &str,
    ) -> Result<Credentials, Fault> {
        let Some(reference) = reference else {
            return Ok(Credentials::default());
        };
        let name = reference.name.as_str();
        let user = self.optional(name, "username")?;
        let password = self.optional(name, "password")?;
        let ca = self.authority(name);
        let login = match (user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) if ca.is_some() => None,
            (None, _) => return Err(missing(field, name, "username")),
            (_, None) => return Err(missing(field, name, "password")),
        };
        Ok(Credentials { login, ca })
    }
}

/// What a Secret with a login holds.
#[derive(Default)]
struct Credentials {
    login: Option<(String, String)>,
    ca: Option<PathBuf>,
}

/// A URL, what may be shown of it, and what must not.
struct Place {
    url: String,
    shown: String,
    hidden: Vec<String>,
}

impl Place {
    fn written(url: &str, shown: &str) -> Self {
        Self {
            url: url.to_owned(),
            shown: shown.to_owned(),
            hidden: Vec::new(),
        }
    }

    fn redactor(&self, credentials: &Credentials) -> Redactor {
        let password = credentials
            .login
            .iter()
            .map(|(_, password)| password.clone());
        let query = self.url.split_once('?').map(|(_, query)| query.to_owned());
        Redactor::new(self.hidden.iter().cloned().chain(password).chain(query))
    }

    fn http(self, credentials: Credentials, field: &str) -> HttpSpec {
        HttpSpec {
            redactor: self.redactor(&credentials),
            url: self.url,
            shown: self.shown,
            login: credentials
                .login
                .map(|(user, password)| Login { user, password }),
            ca: credentials.ca,
            field: field.to_owned(),
        }
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
    fn a_bucket_takes_its_own_keys_of_a_secret_and_a_copy_is_for_who_names_the_secret() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir(folder.path().join("films")).expect("folder");
        let put = |key: &str| std::fs::write(folder.path().join("films").join(key), key);
        let secrets = Secrets::new(folder.path());
        let cache = CacheSettings {
            folder: folder.path().to_owned(),
            size: 1,
        };
        let of = |namespace: &str, yaml: &str| {
            let file: FileSource = serde_saphyr::from_str(yaml).expect("a valid source");
            let remote = file.uri.remote().expect("on a server");
            secrets.remote(namespace, &file, remote, &cache)
        };
        let s3 = "{uri: 's3://films/a.mp4', credentialsSecretRef: {name: films}}";
        let gs = "{uri: 'gs://films/a.mp4', credentialsSecretRef: {name: films}}";
        put("username")
            .and_then(|()| put("password"))
            .expect("files");
        let fault = of("site", gs).err().expect("no key.json yet");
        assert!(fault.message.contains("Secret films with the key key.json"));
        put("key.json").expect("file");
        for (yaml, login, key) in [(s3, true, false), (gs, false, true)] {
            let Server::Bucket(bucket) = of("site", yaml).expect("complete").server else {
                panic!("{yaml}")
            };
            let found = (bucket.login.is_some(), bucket.key.is_some());
            assert_eq!(found, (login, key), "{yaml}");
        }
        let identity = |namespace, yaml| of(namespace, yaml).expect("complete").identity;
        let open = "{uri: 's3://films/a.mp4'}";
        assert_eq!(identity("site", open), identity("site2", open));
        assert_ne!(identity("site", s3), identity("site2", s3));
        assert_ne!(identity("site", s3), identity("site", open));
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
