//! JPEG files as cameras send them: looked through, completed, decoded.

mod decoder;
mod parse;
mod tables;
#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use parse::{Info, inspect};
pub use tables::with_huffman_tables;

use super::Size;

/// Why a camera's JPEG is no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file ends before its end marker.
    #[error("truncated JPEG: no end marker in {0} bytes")]
    Truncated(usize),
    /// Something is not as ITU T.81 says.
    #[error("malformed JPEG at byte {at}: {what}")]
    Malformed {
        /// Offset of the segment.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A kind of JPEG that hardly any viewer shows, or that cannot be made smaller here.
    #[error("unsupported JPEG: {0}")]
    Unsupported(String),
    /// More pixels than any camera has: not worth the memory that decoding it would take.
    #[error("JPEG of {0} is larger than any camera's")]
    TooLarge(Size),
    /// libjpeg-turbo could not decode it without damage.
    #[error("JPEG decoder: {0}")]
    Decode(#[from] turbojpeg::Error),
    /// The decoded planes are not what the header promised.
    #[error(transparent)]
    Picture(#[from] super::Error),
}
