//! Sizes and qualities of pictures.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::InvalidValue;
use crate::schema::rule;

const EVEN: &str = "must be even: 4:2:0 pictures have no odd sizes";

/// Width or height of a picture in pixels: even, 16 to 7680.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Dimension(u32);

impl Dimension {
    /// 1280 pixels.
    pub const HD_WIDTH: Self = Self(1280);
    /// 720 pixels.
    pub const HD_HEIGHT: Self = Self(720);

    /// The size in pixels.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Dimension {
    type Error = InvalidValue;

    fn try_from(pixels: u32) -> Result<Self, Self::Error> {
        if !(16..=7680).contains(&pixels) {
            return Err(InvalidValue::new("must be 16 to 7680 pixels"));
        }
        if !pixels.is_multiple_of(2) {
            return Err(InvalidValue::new(EVEN));
        }
        Ok(Self(pixels))
    }
}

impl From<Dimension> for u32 {
    fn from(value: Dimension) -> Self {
        value.0
    }
}

impl std::fmt::Display for Dimension {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl JsonSchema for Dimension {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Dimension".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer",
            "minimum": 16,
            "maximum": 7680,
            "x-kubernetes-validations": [rule("self % 2 == 0", EVEN)],
        })
    }
}

/// JPEG quality on libjpeg's scale: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quality(u8);

impl Quality {
    /// 40: what load may take a rendition to when its floor says nothing.
    pub const FLOOR: Self = Self(40);

    /// The quality on libjpeg's scale.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Quality {
    fn default() -> Self {
        Self(80)
    }
}

impl TryFrom<u32> for Quality {
    type Error = InvalidValue;

    fn try_from(quality: u32) -> Result<Self, Self::Error> {
        match u8::try_from(quality) {
            Ok(quality @ 1..=100) => Ok(Self(quality)),
            _ => Err(InvalidValue::new("must be 1 to 100")),
        }
    }
}

impl From<Quality> for u32 {
    fn from(value: Quality) -> Self {
        value.0.into()
    }
}

impl std::fmt::Display for Quality {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl JsonSchema for Quality {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quality".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": 100})
    }
}
