//! Pictures without `GStreamer`: decoded planes in, scaled and colour-correct JPEG out.
//!
//! JFIF means full range and the BT.601 matrix. Cameras mostly send limited range and BT.709, so
//! [`Encoder`] converts the planes before libjpeg-turbo sees them; there is no detour over RGB.

pub mod jpeg;
pub mod test_card;

mod colour;
mod depth;
mod encoder;
mod join;
mod pool;
mod raw;
mod scale;
mod size;

pub use encoder::Encoder;
pub use pool::Pool;
pub use raw::{Colour, Depth, Layout, Matrix, Plane, Range, Raw};
pub use size::{Size, fit};

/// Why a picture could not be taken, scaled or encoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The planes do not hold the picture they are said to hold.
    #[error("{layout:?} picture of {size}: {what}")]
    Planes {
        /// The layout that was claimed.
        layout: Layout,
        /// The size that was claimed, in pixels.
        size: Size,
        /// What does not fit, in words.
        what: &'static str,
    },
    /// The picture could not be brought to the size asked for.
    #[error("cannot scale to {target}: {reason}")]
    Scale {
        /// The size asked for, in pixels.
        target: Size,
        /// What the scaler said.
        reason: String,
    },
    /// The strips of a picture are no JPEG files of the kind that can be put together.
    #[error("JPEG encoder: strips that cannot be joined")]
    Join,
    /// libjpeg-turbo refused the picture.
    #[error("JPEG encoder: {0}")]
    Encode(#[from] turbojpeg::Error),
}

#[cfg(test)]
mod tests;
