//! What a camera opens for itself alone.

use streamhub_crds::{Camera, RtspLocation, Source};

/// The thing that only one camera of a namespace may open, as it is compared, and as it may be shown.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Equal for two cameras that open the same thing.
    pub identity: String,
    /// For people; nothing secret.
    pub shown: String,
}

/// What a camera claims. Files and test pictures can be read by any number.
pub fn claim(camera: &Camera) -> Option<Claim> {
    let Source::Rtsp(rtsp) = &camera.spec.source else {
        return None;
    };
    Some(match &rtsp.location {
        RtspLocation::Url(url) => Claim {
            identity: format!("url {}", normal(url.as_str())),
            shown: url.public().to_owned(),
        },
        RtspLocation::Secret(reference) => {
            let shown = format!(
                "of Secret {}, key {}",
                reference.name.as_str(),
                reference.key.as_str()
            );
            Claim {
                identity: format!("secret {shown}"),
                shown,
            }
        }
    })
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
    let usual = if scheme == "rtsps" { ":322" } else { ":554" };
    format!(
        "{scheme}://{}{path}",
        authority.strip_suffix(usual).unwrap_or(&authority)
    )
}
