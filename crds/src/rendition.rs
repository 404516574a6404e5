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
    /// When frames are made: `OnDemand` while somebody listens, and now and then to find out whether somebody does;
    /// `Always` whether anybody listens or not.
    #[serde(default)]
    pub publish: Publish,
    /// How far down an overloaded machine may take it. A floor at or above the rendition's own value means that this
    /// part is never reduced.
    #[serde(default, skip_serializing_if = "Floor::is_default")]
    pub floor: Floor,
}

/// When frames are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Publish {
    /// While somebody listens.
    #[default]
    OnDemand,
    /// Whether anybody listens or not.
    Always,
}

/// What a rendition keeps however overloaded the machine is; what is absent has a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Floor {
    /// Lowest JPEG quality; absent = 40.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Lowest rate in frames per second, written like a rendition's rate; absent = a third of the rendition's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<Fps>,
    /// Smallest width in pixels; absent = half of what the rendition has without load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<Dimension>,
}

impl Floor {
    /// Whether nothing of it is written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
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
            publish: Publish::default(),
            floor: Floor::default(),
        }
    }

    /// The lowest quality that load may take it to; its own where the floor is no lower.
    pub fn lowest_quality(&self) -> Quality {
        self.floor
            .quality
            .unwrap_or(Quality::FLOOR)
            .min(self.quality)
    }

    /// The lowest rate that load may take it to; its own where the floor is no lower.
    pub fn lowest_fps(&self) -> Fps {
        match self.floor.fps {
            Some(floor) if floor.as_f64() < self.fps.as_f64() => floor,
            Some(_) => self.fps,
            None => self.fps.third(),
        }
    }

    /// The smallest width in pixels that load may take it to, when `width` is what it has without load: `width`
    /// itself where the floor is no lower.
    pub fn lowest_width(&self, width: u32) -> u32 {
        let floor = self.floor.width.map_or(width / 2, Dimension::get);
        floor.min(width)
    }

    /// What a camera publishes where neither it nor its hub says anything: `main`.
    pub(crate) fn implied() -> Vec<Self> {
        vec![Self::named(SubjectToken::main())]
    }
}

fn default_fps() -> Fps {
    Fps::DEFAULT
}
