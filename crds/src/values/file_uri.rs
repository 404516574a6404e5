//! Addresses of files.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::text::{shown_as_written, text_type};
use super::urls::{HOST, is_host_and_port};
use crate::schema::rule;

const SCHEME_MESSAGE: &str =
    "must be a path, or begin with file:///, http://, https://, gs:// or s3://";
const REMOTE_MESSAGE: &str = "must name one file: https://host/path, gs://bucket/object or s3://bucket/object, without empty, . and .. parts";
const SECRET_MESSAGE: &str = "must not contain a user, password, query or fragment: put user and password into a Secret and name it in credentialsSecretRef";

fn rules() -> Vec<serde_json::Value> {
    let object = r"([^/?#]*@)?[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9](/[^/\\x00-\\x1f\\x7f]+)+";
    vec![
        rule(
            "!self.matches('^[A-Za-z][A-Za-z0-9+.-]*://') || self.matches('^(file:///|https?://|gs://|s3://)')",
            SCHEME_MESSAGE,
        ),
        rule(
            &format!(
                r"!self.matches('^(https?|gs|s3)://') || (self.matches('^(https?://{HOST}(/[^/\\x00-\\x20\\x7f]+)+|(gs|s3)://{object})$') && !self.matches('/[.][.]?(/|$)'))"
            ),
            REMOTE_MESSAGE,
        ),
        rule(
            "!self.matches('^(https?|gs|s3)://([^/?#]*@|[^?#]*[?#])')",
            SECRET_MESSAGE,
        ),
    ]
}

text_type! {
    /// Where a file is: an absolute path, `file://` and an absolute path, a path relative to the folder of the
    /// document that names it; or a file on a server, `http://`, `https://`, `gs://`, `s3://`.
    FileUri, min 1, max 1024,
    rules rules(),
    check |text| {
        let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme))?;
        match scheme {
            "file" => (!rest.starts_with('/')).then_some(SCHEME_MESSAGE),
            "http" | "https" | "gs" | "s3" => check_remote(scheme, rest),
            _ => Some(SCHEME_MESSAGE),
        }
    }
}
shown_as_written!(FileUri);

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-'))
}

/// Mirrors the CEL rules of [`rules`].
fn check_remote(scheme: &str, rest: &str) -> Option<&'static str> {
    let Some((authority, path)) = rest.split_once('/') else {
        return Some(REMOTE_MESSAGE);
    };
    let bucket = matches!(scheme, "gs" | "s3");
    let least = if bucket { ' ' } else { '!' };
    let good_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .chars()
                .all(|character| character >= least && character != '\x7f')
    };
    let good_authority = if bucket {
        is_bucket(authority)
    } else {
        // For the rule, it begins a path like any other.
        is_host_and_port(authority) && !matches!(authority, "." | "..")
    };
    if authority.contains('@') || path.contains(['?', '#']) {
        Some(SECRET_MESSAGE)
    } else if !good_authority || !path.split('/').all(good_part) {
        Some(REMOTE_MESSAGE)
    } else {
        None
    }
}

fn is_bucket(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    (3..=222).contains(&bytes.len())
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// A file that is fetched before it is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteFile<'a> {
    /// On an HTTP server: the whole URL.
    Http(&'a str),
    /// In a bucket of Google Cloud Storage.
    Gs {
        /// Name of the bucket.
        bucket: &'a str,
        /// Name of the object, as it is, nothing encoded.
        object: &'a str,
    },
    /// In a bucket of Amazon S3, or of what speaks the same protocol.
    S3 {
        /// Name of the bucket.
        bucket: &'a str,
        /// Key of the object, as it is, nothing encoded.
        object: &'a str,
    },
}

impl FileUri {
    /// The file on a server; `None` for one on this machine.
    pub fn remote(&self) -> Option<RemoteFile<'_>> {
        let (scheme, rest) = self.as_str().split_once("://")?;
        let (bucket, object) = rest.split_once('/')?;
        match scheme {
            "http" | "https" => Some(RemoteFile::Http(self.as_str())),
            "gs" => Some(RemoteFile::Gs { bucket, object }),
            "s3" => Some(RemoteFile::S3 { bucket, object }),
            _ => None,
        }
    }

    /// The path that is meant, a relative one below `folder`. `%xx` in a `file://` form stands for one byte. Of no use
    /// for a file on a server.
    pub fn path(&self, folder: &Path) -> PathBuf {
        match self.as_str().strip_prefix("file://") {
            Some(encoded) => decoded(encoded),
            None => folder.join(self.as_str()),
        }
    }
}

fn decoded(encoded: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        let byte = escape
            .get(1..3)
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        let used = if byte.is_some() { 3 } else { 1 };
        rest = escape.get(used..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    OsString::from_vec(bytes).into()
}
