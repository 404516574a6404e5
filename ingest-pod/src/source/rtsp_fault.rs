//! What an RTSP failure means, from `GStreamer`'s error and the text beside it.

use gstreamer as gst;
use gstreamer::glib;

use crate::fault::{Fault, Redactor};

/// The camera's certificate did not verify.
pub fn certificate_refused(shown: &str, wrong: gio::TlsCertificateFlags) -> Fault {
    let why = [
        (
            gio::TlsCertificateFlags::UNKNOWN_CA,
            "no known authority signed it",
        ),
        (
            gio::TlsCertificateFlags::BAD_IDENTITY,
            "it is for another host name",
        ),
        (
            gio::TlsCertificateFlags::NOT_ACTIVATED,
            "it is not valid yet",
        ),
        (gio::TlsCertificateFlags::EXPIRED, "it has expired"),
        (gio::TlsCertificateFlags::REVOKED, "it was revoked"),
        (gio::TlsCertificateFlags::INSECURE, "its algorithm is weak"),
    ];
    let why: Vec<&str> = why
        .into_iter()
        .filter_map(|(flag, text)| wrong.contains(flag).then_some(text))
        .collect();
    let why = if why.is_empty() {
        "it is invalid".to_owned()
    } else {
        why.join(", ")
    };
    Fault::transient(
        "CertificateRefused",
        format!("{shown}: the camera's certificate is refused: {why}"),
        "put the certificate of the camera's authority into the key ca.crt of the Secret in spec.source.rtsp.credentialsSecretRef",
    )
}

/// The camera asks for a login in a way that nobody here speaks.
pub fn authentication_unsupported(shown: &str, asked: &str) -> Fault {
    Fault::transient(
        "UnsupportedAuthentication",
        format!(
            "{shown}: the camera asks for {asked} authentication; Basic and Digest with MD5 are spoken here"
        ),
        "set the camera to Digest with MD5 (often called digest, or digest/basic), with rtsps where the network is not trusted",
    )
}

/// The camera asks for a login, and none is configured.
pub fn login_wanted(shown: &str) -> Fault {
    Fault::transient(
        "Unauthorized",
        format!(
            "{shown}: unauthorized: the camera wants a user name and a password, and none is configured"
        ),
        "put them into a Secret with the keys username and password, and name it in spec.source.rtsp.credentialsSecretRef",
    )
}

/// Names the reason and a remedy for a failed RTSP attempt.
pub fn classify(error: &glib::Error, debug: &str, shown: &str, redactor: &Redactor) -> Fault {
    let text = format!("{} {debug}", error.message());
    let lower = text.to_lowercase();
    // The first line of the debug text names source file and function; what follows is for people.
    let detail = debug
        .lines()
        .skip(1)
        .map(str::trim)
        .find(|line| !line.is_empty());
    let mut message = format!(
        "{shown}: {}",
        redactor.clean(error.message().trim_end_matches('.'))
    );
    if let Some(detail) = detail {
        message = format!("{message} ({})", redactor.clean(detail));
    }
    let kind = error.kind::<gst::ResourceError>();
    let (reason, remedy) = if kind == Some(gst::ResourceError::NotAuthorized)
        || lower.contains("unauthorized")
        || lower.contains("(401)")
    {
        return Fault::transient(
            "Unauthorized",
            format!("{shown}: unauthorized: the camera refuses the user name or password"),
            "check the keys username and password of the Secret in spec.source.rtsp.credentialsSecretRef; if they are right, see that the camera allows Basic or Digest with MD5",
        );
    } else if kind == Some(gst::ResourceError::NotFound) || lower.contains("(404)") {
        (
            "StreamNotFound",
            "check the path of the URL: the camera answers, but has no such stream",
        )
    } else if lower.contains("tls") || lower.contains("certificate") || lower.contains("ssl") {
        (
            "CertificateRefused",
            "put the camera's certificate authority into the key ca.crt of its Secret",
        )
    } else if lower.contains("(461)")
        || lower.contains("unsupported transport")
        // rtspsrc's words when the camera refuses the only transport that it may use.
        || lower.contains("allow more transport protocols")
    {
        (
            "TransportRefused",
            "change spec.source.rtsp.transport: the camera does not speak this one",
        )
    } else if lower.contains("(453)") || lower.contains("(503)") {
        (
            "CameraBusy",
            "the camera serves no more viewers: close another one, or raise its limit; it is tried again by itself",
        )
    } else if lower.contains("could not receive message. (timeout") {
        (
            "NoAnswer",
            "the camera takes the connection and does not answer: restart it if this lasts",
        )
    } else if lower.contains("(parse error)") {
        (
            "InvalidAnswer",
            "the camera's answer is no valid RTSP: update its firmware (VLC's is invalid when it asks for a password)",
        )
    } else if lower.contains("udp packets") {
        (
            "NoPackets",
            "set spec.source.rtsp.transport to tcp, or let the camera's UDP packets pass the firewall",
        )
    } else if kind == Some(gst::ResourceError::OpenReadWrite)
        || kind == Some(gst::ResourceError::OpenRead)
        || lower.contains("connect")
    {
        (
            "Unreachable",
            "check host and port of the URL, the network, and that the camera is on",
        )
    } else {
        (
            "CameraError",
            "look at the camera's own log; it is reconnected by itself",
        )
    };
    Fault::transient(reason, message, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_gets_its_reason_and_no_secret() {
        let redactor = Redactor::new(["geheim".to_owned()]);
        let cases = [
            (gst::ResourceError::NotAuthorized, "x", "Unauthorized"),
            (
                gst::ResourceError::NotFound,
                "x\nNot Found (404)",
                "StreamNotFound",
            ),
            (
                gst::ResourceError::OpenReadWrite,
                "x\nFailed to connect to rtsp://u:geheim@cam. (Generic error)",
                "Unreachable",
            ),
            (
                gst::ResourceError::Settings,
                "x\nUnsupported Transport (461)",
                "TransportRefused",
            ),
            (
                gst::ResourceError::Settings,
                "x\nNo supported stream was found. You might need to allow more transport protocols",
                "TransportRefused",
            ),
            (
                gst::ResourceError::Read,
                "x\nCould not receive any UDP packets for 5.0 seconds",
                "NoPackets",
            ),
            (
                gst::ResourceError::Read,
                "x\nCould not receive message. (Parse error)",
                "InvalidAnswer",
            ),
            (
                gst::ResourceError::Read,
                "x\nNot Enough Bandwidth (453)",
                "CameraBusy",
            ),
            (
                gst::ResourceError::Read,
                "x\nService Unavailable (503)",
                "CameraBusy",
            ),
            (
                gst::ResourceError::Read,
                "x\nCould not receive message. (Timeout while waiting for server response)",
                "NoAnswer",
            ),
            (
                gst::ResourceError::OpenReadWrite,
                "x\nFailed to connect. (Timeout while waiting for server response)",
                "Unreachable",
            ),
            (
                gst::ResourceError::Read,
                "x\nUnhandled error",
                "CameraError",
            ),
        ];
        for (kind, debug, reason) in cases {
            let fault = classify(
                &glib::Error::new(kind, "Failed."),
                debug,
                "rtsp://cam",
                &redactor,
            );
            assert_eq!(fault.reason, reason);
            assert!(!fault.to_string().contains("geheim"));
            assert!(!fault.permanent);
        }
    }
}
