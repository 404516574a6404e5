//! A video file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rule_at;
use crate::secret::SecretRef;
use crate::values::{ClaimName, FileUri, Fps, HttpUrl};

const REMOTE: &str = "^(https?|gs|s3)://";
const IN_A_BUCKET: &str = "^(gs|s3)://";

/// A video file, on the machine or fetched to it, played at the speed of the wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    rule_at(
        ".credentialsSecretRef",
        &format!("!has(self.credentialsSecretRef) || self.uri.matches('{REMOTE}')"),
        "only a file at http://, https://, gs:// or s3:// takes credentials",
    ),
    rule_at(
        ".endpoint",
        &format!("!has(self.endpoint) || self.uri.matches('{IN_A_BUCKET}')"),
        "only a file at gs:// or s3:// takes an endpoint",
    ),
    rule_at(
        ".claimName",
        &format!("!has(self.claimName) || !self.uri.matches('{REMOTE}')"),
        "only a file on the machine is on a claim: leave it out for one at http://, https://, gs:// or s3://",
    ),
]))]
pub struct FileSource {
    /// The file: an absolute path, `file://` and an absolute path, or a path relative to the folder of this document;
    /// or `https://host/path`, `http://host/path`, `gs://bucket/object`, `s3://bucket/object`, which is fetched to the
    /// machine before it is played.
    pub uri: FileUri,
    /// Secret with the keys `username` and `password` (of an HTTP server; for `s3://` the access key's id and secret),
    /// `key.json` (a service account, for `gs://`), and `ca.crt` where a private authority signed the server's
    /// certificate; absent = what the environment of the process says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Server to ask in place of Amazon's or Google's, for what speaks as they do (`MinIO`, Ceph).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 255))]
    pub endpoint: Option<HttpUrl>,
    /// In a cluster, the `PersistentVolumeClaim` in the camera's namespace that the file is on; a relative path begins
    /// at its root, which is `/media` in the camera's pod. On one machine nothing is made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_name: Option<ClaimName>,
    /// Rate to play at, in frames per second, written like a rendition's rate; absent = the file's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<Fps>,
    /// What happens at the end of the file: `Loop` begins again, `HoldLast` repeats the last picture, `Stop` ends.
    #[serde(default)]
    pub on_end: OnEnd,
}

/// What happens at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum OnEnd {
    /// It begins again.
    #[default]
    Loop,
    /// The last picture is repeated.
    HoldLast,
    /// Nothing more is published.
    Stop,
}
