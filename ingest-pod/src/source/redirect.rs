//! Where a camera sends us on to (RFC 2326, 11.3), and that a login never goes there with us.
//!
//! `rtspsrc` follows by itself, with its user name and password. Its property `location` then is the new place, before
//! the first request goes there.

use gst::prelude::*;
use gstreamer as gst;
use std::sync::{Arc, Mutex, PoisonError};

use crate::fault::Fault;

/// Requests before a stream is chosen; a camera that sends on for ever makes more of them.
const MOST_REQUESTS: u32 = 24;

/// What became of the camera's address during an attempt.
#[derive(Debug, Default)]
pub struct Redirects {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: u32,
    /// Another server, and whether a login was held back from it.
    elsewhere: Option<(String, bool)>,
}

impl Redirects {
    /// Watches a source that is to read `url`.
    pub fn watch(source: &gst::Element, url: &str, login: bool) -> Arc<Self> {
        let redirects = Arc::new(Self::default());
        let (noted, home) = (Arc::clone(&redirects), origin(url));
        source.connect("before-send", false, move |values| {
            let source = values.first().and_then(|v| v.get::<gst::Element>().ok());
            if let Some(source) = source {
                let mut state = noted.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.requests = state.requests.saturating_add(1);
                let now = source.property::<Option<String>>("location");
                let now = now.as_deref().and_then(origin);
                if let Some(now) = now.filter(|now| Some(now) != home.as_ref()) {
                    if login {
                        source.set_property("user-id", None::<&str>);
                        source.set_property("user-pw", None::<&str>);
                    }
                    state.elsewhere = Some((now, login));
                }
            }
            Some(true.to_value())
        });
        redirects
    }

    /// The camera sends on and on.
    pub fn endless(&self, shown: &str) -> Option<Fault> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.requests > MOST_REQUESTS).then(|| {
            Fault::transient(
                "RedirectRefused",
                format!("{shown}: the camera redirects without an end"),
                "write the address that the camera means into spec.source.rtsp.url",
            )
        })
    }

    /// The server that a refusal came from, where it was not let know the login.
    pub fn refused(&self, shown: &str) -> Option<Fault> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (elsewhere, login) = state.elsewhere.as_ref()?;
        login.then(|| {
            Fault::transient(
                "RedirectRefused",
                format!(
                    "{shown}: the camera redirects to {elsewhere}, which asks for a password; the one in the Secret is not given to another server"
                ),
                format!("write {elsewhere} with its path into spec.source.rtsp.url, if it is to be trusted"),
            )
        })
    }
}

/// Scheme, host and port of a URL; without them there is nothing to compare.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.to_ascii_lowercase();
    let scheme = scheme.to_ascii_lowercase();
    // RFC 7826, 4.2; rtspsrc knows more schemes, for tunnels and single transports.
    let default = if scheme.starts_with("rtsps") {
        ":322"
    } else {
        ":554"
    };
    let host = host.strip_suffix(default).unwrap_or(&host);
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_scheme_host_or_port_is_another_server() {
        let home = origin("rtsp://Cam/one?token=1");
        for same in ["rtsp://cam:554/two", "RTSP://u:p@cam", "rtsp://cam#x"] {
            assert_eq!(origin(same), home, "{same}");
        }
        for other in ["rtsps://cam/one", "rtsp://cam2/one", "rtsp://cam:8554/one"] {
            assert_ne!(origin(other), home, "{other}");
        }
        assert_eq!(
            origin("rtsp://u:secret@cam:1/x?y"),
            Some("rtsp://cam:1".to_owned())
        );
    }
}
