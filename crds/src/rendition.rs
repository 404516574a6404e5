//! What is made of a camera's pictures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Dimension, Fps, Quality, SubjectToken};

/// One stream of JPEG frames made from a camera.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// Name of the rendition: the last token of its NATS subject.
    pub name: SubjectToken,
    /// Highest rate in frames per second, more than 0 and at most 240: a whole number (15), or in quotes a decimal
    /// ("0.5") or a fraction ("1/10", "30000/1001").
    #[serde(default = "default_fps")]
    pub fps: Fps,
    /// JPEG quality on libjpeg's scale.
    #[serde(default)]
    pub quality: Quality,
    /// Width in pixels. With `height` absent the aspect is kept; pictures are never enlarged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<Dimension>,
    /// Height in pixels. With both given the picture is made to fit inside and the aspect is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<Dimension>,
    /// Publish the metadata a second time without the picture, on the `meta` subject.
    #[serde(default)]
    pub meta: bool,
}

impl Rendition {
    /// A rendition with the defaults: 15 frames per second, quality 80, the camera's own size.
    pub fn named(name: SubjectToken) -> Self {
        Self {
            name,
            fps: Fps::DEFAULT,
            quality: Quality::default(),
            width: None,
            height: None,
            meta: false,
        }
    }

    /// What a camera publishes where neither it nor its hub says anything: `main`.
    pub(crate) fn implied() -> Vec<Self> {
        vec![Self::named(SubjectToken::main())]
    }
}

fn default_fps() -> Fps {
    Fps::DEFAULT
}
