//! Times as objects carry them.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Now, in RFC 3339 to the millisecond: what happens within one second is told apart.
pub fn now() -> String {
    shown(Timestamp::now())
}

/// A time as it is written.
pub fn shown(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// How long ago a written time was; `None` where it is no time.
pub fn since(time: &str, now: Timestamp) -> Option<SignedDuration> {
    let time: Timestamp = time.parse().ok()?;
    Some(now.duration_since(time))
}
