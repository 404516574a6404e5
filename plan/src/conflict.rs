//! What a camera opens for itself alone.

use streamhub_crds::{Camera, DeviceSelector, HttpLocation, RtspLocation, SecretKeyRef, Source};

use crate::device::Device;

/// A thing that only one camera may open, as it is compared, and as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Equal for two cameras that open the same thing.
    pub identity: String,
    /// For people; nothing secret.
    pub shown: String,
    /// Whether cameras of other namespaces want the same thing by this name: a device belongs to the machine.
    pub everywhere: bool,
}

/// What a camera claims: the URL of its source, and the devices of its source and its fallbacks. Files and test
/// pictures can be read by any number; so may the URLs of fallbacks, which are opened only now and then.
///
/// On one machine a device is what its selector says, and what is `known` of where that leads; where a body looks for the
/// devices, it is what was `found`, and what was not found is nobody's.
pub(crate) fn claims(camera: &Camera, found: Option<&[&Device]>, known: &[String]) -> Vec<Claim> {
    let mut claims: Vec<Claim> = url_claim(camera).into_iter().collect();
    if let Some(found) = found {
        claims.extend(found.iter().map(|device| Claim {
            identity: format!("device {}", device.id),
            shown: format!("device {device}"),
            everywhere: true,
        }));
        return claims;
    }
    let known = known.iter().map(|device| Claim {
        identity: format!("known device {device}"),
        shown: format!("device {device}"),
        everywhere: true,
    });
    for claim in camera.spec.source.all().filter_map(device).chain(known) {
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    claims
}

/// The URL that a camera claims.
pub fn url_claim(camera: &Camera) -> Option<Claim> {
    url(&camera.spec.source.primary)
}

fn url(source: &Source) -> Option<Claim> {
    match source {
        Source::Rtsp(rtsp) => Some(match &rtsp.location {
            RtspLocation::Url(url) => written(url.as_str(), url.public()),
            RtspLocation::Secret(reference) => secret(reference),
        }),
        Source::Http(http) => Some(match &http.location {
            HttpLocation::Url(url) => written(url.as_str(), url.public()),
            HttpLocation::Secret(reference) => secret(reference),
        }),
        Source::V4l2(_) | Source::File(_) | Source::Test(_) => None,
    }
}

fn device(source: &Source) -> Option<Claim> {
    let Source::V4l2(v4l2) = source else {
        return None;
    };
    let selector = &v4l2.device_selector;
    // One path may be written in many ways.
    let path = selector.device_path.as_ref().map(|path| {
        let parts = path.as_str().split('/');
        let parts: Vec<&str> = parts.filter(|part| !matches!(*part, "" | ".")).collect();
        parts.join("/")
    });
    let others = DeviceSelector {
        device_path: None,
        ..selector.clone()
    };
    Some(Claim {
        identity: format!("device {others} {}", path.unwrap_or_default()),
        shown: format!("device {selector}"),
        everywhere: true,
    })
}

fn written(url: &str, public: &str) -> Claim {
    Claim {
        identity: format!("url {}", normal(url)),
        shown: format!("URL {public}"),
        everywhere: false,
    }
}

fn secret(reference: &SecretKeyRef) -> Claim {
    let (name, key) = (reference.name.as_str(), reference.key.as_str());
    Claim {
        identity: format!("secret {name} {key}"),
        shown: format!("URL of Secret {name}, key {key}"),
        everywhere: false,
    }
}

/// Scheme and host in lower case, the scheme's own port left out.
fn normal(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let scheme = scheme.to_ascii_lowercase();
    let authority = authority.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "rtsps" => ":322",
        "http" => ":80",
        "https" => ":443",
        _ => ":554",
    };
    format!(
        "{scheme}://{}{path}",
        authority.strip_suffix(usual).unwrap_or(&authority)
    )
}
