//! A generated picture.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Dimension, Fps};

/// A moving picture with time and frame number in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestSource {
    /// Width in pixels.
    #[serde(default = "default_width")]
    pub width: Dimension,
    /// Height in pixels.
    #[serde(default = "default_height")]
    pub height: Dimension,
    /// Rate in frames per second, written like a rendition's rate.
    #[serde(default = "default_fps")]
    pub fps: Fps,
}

impl Default for TestSource {
    fn default() -> Self {
        Self {
            width: default_width(),
            height: default_height(),
            fps: default_fps(),
        }
    }
}

fn default_width() -> Dimension {
    Dimension::HD_WIDTH
}

fn default_height() -> Dimension {
    Dimension::HD_HEIGHT
}

fn default_fps() -> Fps {
    Fps::THIRTY
}
