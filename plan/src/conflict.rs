//! What a camera opens for itself alone.

use streamhub_crds::{Camera, HttpLocation, RtspLocation, SecretKeyRef, Source};

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
pub fn claims(camera: &Camera) -> Vec<Claim> {
    let source = &camera.spec.source;
    let mut claims: Vec<Claim> = url(&source.primary).into_iter().collect();
    for claim in source.all().filter_map(device) {
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    claims
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
    let path = v4l2.device_selector.device_path.as_str();
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    Some(Claim {
        identity: format!("device {}", parts.join("/")),
        shown: format!("device {path}"),
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
