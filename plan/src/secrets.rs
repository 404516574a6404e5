//! Which keys of which Secrets a camera's process may see.

use serde::Serialize;
use streamhub_crds::{Camera, HttpLocation, RtspLocation, Source, StreamHub};

/// Keys of one Secret, in the camera's namespace. Each may be absent; the process says which one it misses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SecretNeed {
    /// Name of the Secret.
    pub name: String,
    /// Its keys, sorted, each once.
    pub keys: Vec<String>,
}

const CAMERA_KEYS: [&str; 3] = ["ca.crt", "password", "username"];
const FILE_KEYS: [&str; 4] = ["ca.crt", "key.json", "password", "username"];
const NATS_KEYS: [&str; 7] = [
    "ca.crt",
    "nats.creds",
    "password",
    "tls.crt",
    "tls.key",
    "token",
    "username",
];

/// All Secrets of a camera on a hub, its fallbacks' too, sorted by name; two references to one Secret become one need.
pub fn needs(camera: &Camera, hub: &StreamHub) -> Vec<SecretNeed> {
    let mut wanted: Vec<(String, String)> = Vec::new();
    let mut want = |name: &str, keys: &[&str]| {
        wanted.extend(keys.iter().map(|key| (name.to_owned(), (*key).to_owned())));
    };
    for source in camera.spec.source.all() {
        let (url, login, keys) = match source {
            Source::Rtsp(rtsp) => (
                match &rtsp.location {
                    RtspLocation::Secret(reference) => Some(reference),
                    RtspLocation::Url(_) => None,
                },
                &rtsp.credentials_secret_ref,
                &CAMERA_KEYS[..],
            ),
            Source::Http(http) => (
                match &http.location {
                    HttpLocation::Secret(reference) => Some(reference),
                    HttpLocation::Url(_) => None,
                },
                &http.credentials_secret_ref,
                &CAMERA_KEYS[..],
            ),
            Source::File(file) => (None, &file.credentials_secret_ref, &FILE_KEYS[..]),
            Source::V4l2(_) | Source::Test(_) => continue,
        };
        if let Some(reference) = url {
            want(reference.name.as_str(), &[reference.key.as_str()]);
        }
        if let Some(reference) = login {
            want(reference.name.as_str(), keys);
        }
    }
    if let Some(reference) = hub
        .spec
        .nats
        .as_ref()
        .and_then(|nats| nats.credentials_secret_ref.as_ref())
    {
        want(reference.name.as_str(), &NATS_KEYS);
    }
    wanted.sort();
    wanted.dedup();
    let mut needs: Vec<SecretNeed> = Vec::new();
    for (name, key) in wanted {
        match needs.last_mut() {
            Some(last) if last.name == name => last.keys.push(key),
            _ => needs.push(SecretNeed {
                name,
                keys: vec![key],
            }),
        }
    }
    needs
}
