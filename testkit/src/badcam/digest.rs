//! Whether a client knows the password (RFC 7617, RFC 7616 without qop, as cameras do it).

use gio::glib::{Checksum, ChecksumType};

use super::rtsp::Request;
use super::scenario::{Auth, Scenario};

const REALM: &str = "badcam";
const NONCE: &str = "8d3b1f0c7a5e4296";

/// The value of `WWW-Authenticate`.
pub(super) fn challenge(auth: Auth) -> String {
    match auth {
        Auth::Basic => format!("Basic realm=\"{REALM}\""),
        Auth::Digest => format!("Digest realm=\"{REALM}\", nonce=\"{NONCE}\""),
        Auth::Sha256 => format!("Digest realm=\"{REALM}\", nonce=\"{NONCE}\", algorithm=SHA-256"),
    }
}

/// Whether the request's `Authorization` is right.
pub(super) fn admits(auth: Auth, scenario: &Scenario, request: &Request) -> bool {
    let Some(given) = request.header("authorization") else {
        return false;
    };
    let (user, password) = &scenario.login;
    if auth == Auth::Basic {
        let login = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
        return given.strip_prefix("Basic ") == Some(&login);
    }
    let kind = match auth {
        Auth::Sha256 => ChecksumType::Sha256,
        Auth::Basic | Auth::Digest => ChecksumType::Md5,
    };
    let field = |name: &str| {
        let (_, rest) = given.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let login = hash(kind, &format!("{user}:{REALM}:{password}"));
    let uri = field("uri").unwrap_or_default();
    let asked = hash(kind, &format!("{}:{uri}", request.method));
    let expected = hash(kind, &format!("{login}:{NONCE}:{asked}"));
    field("response") == Some(&expected) && field("username") == Some(user)
}

fn hash(kind: ChecksumType, text: &str) -> String {
    let checksum = Checksum::new(kind).map(|mut checksum| {
        checksum.update(text.as_bytes());
        checksum.string().unwrap_or_default()
    });
    checksum.unwrap_or_default()
}
