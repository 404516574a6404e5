//! What the numbers of a stream mean: as it signals, else as is customary.

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::{VideoColorMatrix, VideoColorPrimaries, VideoColorRange};
use std::str::FromStr as _;

use crate::picture::{Colour, Matrix, Range, Size};

/// The meaning of raw video of these caps.
///
/// Not by way of `VideoInfo`, which takes a stream that signals only a part (very common: full range and no
/// matrix) for one that signals nothing, and all 4K video for BT.2020.
pub fn colour(caps: &gst::CapsRef) -> Colour {
    let Some(structure) = caps.structure(0) else {
        return guess(Signal::default(), Size::new(0, 0));
    };
    let signal = structure
        .get::<&str>("colorimetry")
        .ok()
        .and_then(|text| gst_video::VideoColorimetry::from_str(text).ok())
        .map_or_else(Signal::default, |known| Signal {
            range: known.range(),
            matrix: known.matrix(),
            primaries: known.primaries(),
        });
    let side = |name| structure.get::<i32>(name).ok().map_or(0, i32::unsigned_abs);
    guess(signal, Size::new(side("width"), side("height")))
}

/// What a stream tells, each part of it perhaps unknown.
#[derive(Debug, Clone, Copy)]
struct Signal {
    range: VideoColorRange,
    matrix: VideoColorMatrix,
    primaries: VideoColorPrimaries,
}

impl Default for Signal {
    fn default() -> Self {
        Self {
            range: VideoColorRange::Unknown,
            matrix: VideoColorMatrix::Unknown,
            primaries: VideoColorPrimaries::Unknown,
        }
    }
}

/// Video is limited range unless it says otherwise. A matrix that is not told is the one that goes with the
/// primaries, and where these are not told either, BT.709 for what is larger than PAL and BT.601 for the rest,
/// as players have it. The "RGB matrix" makes no sense for planes of luma and chroma: as if it were not told.
fn guess(signal: Signal, size: Size) -> Colour {
    let range = match signal.range {
        VideoColorRange::Range0_255 => Range::Full,
        _ => Range::Limited,
    };
    let matrix = match signal.matrix {
        VideoColorMatrix::Bt601 => Matrix::Bt601,
        VideoColorMatrix::Bt709 => Matrix::Bt709,
        VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        VideoColorMatrix::Fcc => Matrix::Fcc,
        VideoColorMatrix::Smpte240m => Matrix::Smpte240m,
        _ => match signal.primaries {
            VideoColorPrimaries::Bt2020 => Matrix::Bt2020,
            VideoColorPrimaries::Bt709 => Matrix::Bt709,
            VideoColorPrimaries::Bt470bg | VideoColorPrimaries::Smpte170m => Matrix::Bt601,
            _ if size.width >= 1280 || size.height > 576 => Matrix::Bt709,
            _ => Matrix::Bt601,
        },
    };
    Colour { range, matrix }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(colorimetry: Option<&str>, width: i32, height: i32) -> (Range, Matrix) {
        gst::init().unwrap();
        let mut caps = gst::Caps::builder("video/x-raw")
            .field("width", width)
            .field("height", height);
        if let Some(text) = colorimetry {
            caps = caps.field("colorimetry", text);
        }
        let colour = colour(&caps.build());
        (colour.range, colour.matrix)
    }

    #[test]
    fn what_is_signalled_counts_and_each_part_by_itself() {
        // Range:matrix:transfer:primaries, as decoders put a stream's parameters into caps.
        for (text, expected) in [
            ("1:3:5:1", (Range::Full, Matrix::Bt709)),
            ("2:3:5:1", (Range::Limited, Matrix::Bt709)),
            ("0:3:0:0", (Range::Limited, Matrix::Bt709)),
            ("1:0:0:0", (Range::Full, Matrix::Bt601)),
            ("1:1:0:0", (Range::Full, Matrix::Bt601)),
            ("1:0:5:1", (Range::Full, Matrix::Bt709)),
            ("2:0:13:7", (Range::Limited, Matrix::Bt2020)),
            ("2:2:0:0", (Range::Limited, Matrix::Fcc)),
            ("2:5:0:0", (Range::Limited, Matrix::Smpte240m)),
            ("bt2020-10", (Range::Limited, Matrix::Bt2020)),
            ("nonsense", (Range::Limited, Matrix::Bt601)),
        ] {
            assert_eq!(of(Some(text), 320, 240), expected, "{text}");
        }
    }

    #[test]
    fn where_nothing_is_signalled_the_size_decides() {
        for (width, height, matrix) in [
            (640, 480, Matrix::Bt601),
            (720, 576, Matrix::Bt601),
            (1280, 544, Matrix::Bt709),
            (1280, 720, Matrix::Bt709),
            (3840, 2160, Matrix::Bt709),
        ] {
            assert_eq!(
                of(None, width, height),
                (Range::Limited, matrix),
                "{width}x{height}"
            );
        }
    }
}
