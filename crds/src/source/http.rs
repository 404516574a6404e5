//! A stream over HTTP.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ONE_URL;
use crate::schema::rule;
use crate::secret::{SecretKeyRef, SecretRef};
use crate::values::{HttpUrl, InvalidValue};

/// A stream over HTTP: multipart MJPEG, a container that arrives bit by bit, or HLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "HttpFields", into = "HttpFields")]
#[schemars(extend("x-kubernetes-validations" = [rule("has(self.url) != has(self.urlSecretRef)", ONE_URL)]))]
pub struct HttpSource {
    /// Where the stream is.
    pub location: HttpLocation,
    /// Secret with `username` and `password`, and `ca.crt` for a server whose certificate a private authority signed.
    pub credentials_secret_ref: Option<SecretRef>,
}

/// Where an HTTP stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpLocation {
    /// Written in the manifest.
    Url(HttpUrl),
    /// The whole URL is kept in a Secret, for cameras that want their password in the path or the query.
    Secret(SecretKeyRef),
}

/// The HTTP source as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HttpFields {
    /// URL of the stream, `http://` or `https://`, without user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<HttpUrl>,
    /// Secret key that holds the whole URL, for cameras that want their password in the path or the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url_secret_ref: Option<SecretKeyRef>,
    /// Secret with the keys `username` and `password`, and `ca.crt` where a private authority signed the server's
    /// certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials_secret_ref: Option<SecretRef>,
}

impl TryFrom<HttpFields> for HttpSource {
    type Error = InvalidValue;

    fn try_from(fields: HttpFields) -> Result<Self, Self::Error> {
        let location = match (fields.url, fields.url_secret_ref) {
            (Some(url), None) => HttpLocation::Url(url),
            (None, Some(reference)) => HttpLocation::Secret(reference),
            _ => return Err(InvalidValue::new(ONE_URL)),
        };
        Ok(Self {
            location,
            credentials_secret_ref: fields.credentials_secret_ref,
        })
    }
}

impl From<HttpSource> for HttpFields {
    fn from(source: HttpSource) -> Self {
        let (url, url_secret_ref) = match source.location {
            HttpLocation::Url(url) => (Some(url), None),
            HttpLocation::Secret(reference) => (None, Some(reference)),
        };
        Self {
            url,
            url_secret_ref,
            credentials_secret_ref: source.credentials_secret_ref,
        }
    }
}
