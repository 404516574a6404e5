//! Addresses of cameras and NATS servers.

use std::fmt;

use super::text::{shown_as_written, text_type};
use crate::schema::rule;

/// Perhaps a user, which another rule refuses by name; a host; perhaps a port up to 65535.
pub(super) const HOST: &str = concat!(
    r"([^/?#]*@)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])",
    "(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?",
);
/// Perhaps a path or a query.
const REST: &str = r"([/?][^\\x00-\\x20#]*)?$";
const RTSP_MESSAGE: &str =
    "must be rtsp:// or rtsps://, then a host and, where needed, a port and a path";
const LOGIN_IN_URL: &str = "must not contain a user or password: put them into a Secret with the keys username and password, and name it in credentialsSecretRef";
const HTTP_MESSAGE: &str =
    "must be http:// or https://, then a host and, where needed, a port and a path";
const NATS_MESSAGE: &str =
    "must be nats://, tls://, ws:// or wss://, then one host and, where needed, a port";
const NATS_USERINFO: &str = "must not contain a user, password or token: put them into a Secret and name it in credentialsSecretRef";

fn url_rules(schemes: &str, message: &str, userinfo: &str) -> Vec<serde_json::Value> {
    vec![
        rule(
            &format!("self.matches('^({schemes})://{HOST}{REST}')"),
            message,
        ),
        rule("!self.matches('^[a-z]+://[^/?#]*@')", userinfo),
    ]
}

/// Mirrors the CEL rules of [`url_rules`].
fn check_url(
    text: &str,
    schemes: &[&str],
    message: &'static str,
    userinfo: &'static str,
) -> Option<&'static str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some(message);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((authority, after)) = rest.split_at_checked(end) else {
        return Some(message);
    };
    let (before, host) = match authority.rsplit_once('@') {
        Some((before, host)) => (Some(before), host),
        None => (None, authority),
    };
    let strange = |character: char| character <= ' ' || character == '#';
    if !schemes.contains(&scheme) || !is_host_and_port(host) || after.contains(strange) {
        return Some(message);
    }
    before.map(|_| userinfo)
}

pub(super) fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.starts_with(|first: char| matches!(first, '1'..='9')) && port.parse::<u16>().is_ok()
    };
    let port_is_good = port.is_none_or(is_port);
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_is_good = match bracketed {
        Some(address) => {
            !address.is_empty()
                && address
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        }
    };
    port_is_good && host_is_good
}

/// Shows neither query nor fragment in `Display` and `Debug`.
macro_rules! shown_without_query {
    ($name:ident, $tls:literal) => {
        impl $name {
            /// Scheme, host, port and path: what logs, statuses and frame metadata may show.
            pub fn public(&self) -> &str {
                self.as_str().split(['?', '#']).next().unwrap_or_default()
            }

            /// Whether the connection is to be encrypted.
            pub fn is_tls(&self) -> bool {
                self.as_str().starts_with($tls)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.public())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.public(), formatter)
            }
        }
    };
}

text_type! {
    /// Where an RTSP camera is: `rtsp://` or `rtsps://`, with no user or password in it.
    ///
    /// A query may still carry a token, so `Display` and `Debug` show only scheme, host, port and path.
    RtspUrl, min 1, max 1024,
    rules url_rules("rtsps?", RTSP_MESSAGE, LOGIN_IN_URL),
    check |text| check_url(text, &["rtsp", "rtsps"], RTSP_MESSAGE, LOGIN_IN_URL)
}

shown_without_query!(RtspUrl, "rtsps://");

text_type! {
    /// Where an HTTP stream is: `http://` or `https://`, with no user or password in it.
    ///
    /// A query may still carry a token, so `Display` and `Debug` show only scheme, host, port and path.
    HttpUrl, min 1, max 1024,
    rules url_rules("https?", HTTP_MESSAGE, LOGIN_IN_URL),
    check |text| check_url(text, &["http", "https"], HTTP_MESSAGE, LOGIN_IN_URL)
}
shown_without_query!(HttpUrl, "https://");

text_type! {
    /// Where a NATS server is: `nats://`, `tls://`, `ws://` or `wss://`, with no user, password or token in it.
    NatsUrl, min 1, max 1024,
    rules url_rules("nats|tls|ws|wss", NATS_MESSAGE, NATS_USERINFO),
    check |text| check_url(text, &["nats", "tls", "ws", "wss"], NATS_MESSAGE, NATS_USERINFO)
}
shown_as_written!(NatsUrl);
