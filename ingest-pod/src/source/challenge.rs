//! Which authentication a camera asks for. `rtspsrc` 1.22 knows Basic and Digest with MD5; asked for anything else it
//! says no more than that it was not let in. So after a refusal the camera is asked once more, without a login.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// All of the question and its answer.
const WITHIN: Duration = Duration::from_secs(3);
/// An answer's headers are read up to here.
const LONGEST: usize = 16 * 1024;

/// The schemes that `rtsp://` cameras at this URL ask for, where none of them can be spoken.
pub fn unsupported_at(url: &str) -> Option<String> {
    let rest = url.strip_prefix("rtsp://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let address = if has_port(host) {
        host.to_owned()
    } else {
        format!("{host}:554")
    };
    let plain = url.replacen(authority, host, 1);
    unsupported(&ask(&address, &plain)?)
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(before, _)| !before.contains(':') || before.ends_with(']'))
}

/// The headers of the answer to a DESCRIBE without a login.
fn ask(address: &str, url: &str) -> Option<String> {
    let end = Instant::now() + WITHIN;
    let left = || {
        let left = end.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    };
    let address = address.to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, left()?).ok()?;
    stream.set_write_timeout(Some(left()?)).ok()?;
    write!(
        stream,
        "DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\nUser-Agent: {}\r\n\r\n",
        super::rtsp::USER_AGENT
    )
    .ok()?;
    let mut answer = Vec::new();
    let mut chunk = [0; 2_048];
    while answer.len() < LONGEST && !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.set_read_timeout(Some(left()?)).ok()?;
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        answer.extend_from_slice(chunk.get(..count)?);
    }
    let text = String::from_utf8_lossy(&answer);
    text.split("\r\n\r\n").next().map(str::to_owned)
}

/// The schemes of all `WWW-Authenticate` headers, unless one of them can be spoken.
pub fn unsupported(headers: &str) -> Option<String> {
    let mut refused = Vec::new();
    for line in headers.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if !name.trim().eq_ignore_ascii_case("www-authenticate") {
            continue;
        }
        let value = value.trim();
        let scheme: String = value
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .take(32)
            .collect();
        let lower = value.to_ascii_lowercase();
        let algorithm: Option<String> = lower.split_once("algorithm=").map(|(_, rest)| {
            rest.trim_start_matches('"')
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .take(32)
                .collect()
        });
        let known = match scheme.to_ascii_lowercase().as_str() {
            "basic" => true,
            "digest" => algorithm.as_ref().is_none_or(|name| name == "md5"),
            _ => false,
        };
        if known {
            return None;
        }
        refused.push(match algorithm {
            Some(algorithm) => format!("{scheme} {}", algorithm.to_ascii_uppercase()),
            None => scheme,
        });
    }
    (!refused.is_empty()).then(|| refused.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_challenge_that_nobody_here_can_answer_is_named() {
        let headers = |lines: &[&str]| {
            format!(
                "RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n{}",
                lines.join("\r\n")
            )
        };
        let sha = "WWW-Authenticate: Digest realm=\"c\", nonce=\"x\", algorithm=SHA-256";
        let md5 = "www-authenticate: Digest realm=\"c\", nonce=\"x\", algorithm=\"MD5\"";
        let table = [
            (headers(&[sha]), Some("Digest SHA-256")),
            (headers(&[sha, md5]), None),
            (headers(&[md5]), None),
            (headers(&["WWW-Authenticate: Digest realm=\"c\""]), None),
            (headers(&["WWW-Authenticate: Basic realm=\"c\""]), None),
            (headers(&["WWW-Authenticate: Bearer"]), Some("Bearer")),
            (headers(&[]), None),
        ];
        for (headers, expected) in table {
            assert_eq!(unsupported(&headers).as_deref(), expected, "{headers}");
        }
    }

    #[test]
    fn a_port_is_told_from_an_address_with_colons() {
        assert!(has_port("cam:8554") && has_port("[fe80::1]:554"));
        assert!(!has_port("cam") && !has_port("[fe80::1]"));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(text in "(?s).{0,200}") {
            let _ = unsupported(&format!("WWW-Authenticate: {text}"));
        }
    }
}
