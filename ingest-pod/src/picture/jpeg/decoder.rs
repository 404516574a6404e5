//! JPEG back to planes, for cameras of which a smaller picture is asked.

use turbojpeg::{Colorspace, Decompressor, ScalingFactor, Subsamp, YuvImage};

use super::Error;
use crate::picture::{Colour, Layout, Plane, Raw, Size};

/// Twice the pixels of an 8K camera.
const MAX_PIXELS: u64 = 8192 * 8192;
/// More passes than encoders make; without a limit a small file can keep a decoder busy for minutes.
const MAX_SCANS: u32 = 100;
/// Shrinking that libjpeg-turbo does while it decodes, cheaper than decoding whole; the strongest first.
const FACTORS: [ScalingFactor; 3] = [
    ScalingFactor::ONE_EIGHTH,
    ScalingFactor::ONE_QUARTER,
    ScalingFactor::ONE_HALF,
];

/// Decodes JPEG files into planes in a buffer of its own.
#[derive(Debug)]
pub struct Decoder {
    decompressor: Decompressor,
    pixels: Vec<u8>,
}

impl Decoder {
    /// A decoder with a buffer of its own.
    pub fn new() -> Result<Self, Error> {
        let mut decompressor = Decompressor::new()?;
        decompressor.set_scan_limit(MAX_SCANS)?;
        Ok(Self {
            decompressor,
            pixels: Vec::new(),
        })
    }

    /// The planes of `data`, in [`Colour::JFIF`].
    ///
    /// The picture may come out smaller than it is in the file, but not smaller than `at_least` in either
    /// direction. Damaged files are errors, not grey patches.
    pub fn decode(&mut self, data: &[u8], at_least: Size) -> Result<Raw<'_>, Error> {
        let header = self.decompressor.read_header(data)?;
        let full = Size::new(header.width as u32, header.height as u32);
        if full.pixels() > MAX_PIXELS {
            return Err(Error::TooLarge(full));
        }
        let layout = match (header.colorspace, header.subsamp) {
            (Colorspace::Gray, _) => Layout::Gray8,
            (Colorspace::YCbCr, Subsamp::Sub2x2) => Layout::I420,
            (Colorspace::YCbCr, Subsamp::Sub2x1) => Layout::I422,
            (Colorspace::YCbCr, Subsamp::None) => Layout::I444,
            (Colorspace::YCbCr, Subsamp::Sub1x2) => Layout::I440,
            (Colorspace::YCbCr, Subsamp::Sub4x1) => Layout::I411,
            (Colorspace::YCbCr, Subsamp::Sub1x4) => Layout::I441,
            (colorspace, subsamp) => {
                return Err(Error::Unsupported(format!(
                    "{colorspace:?} with subsampling {subsamp:?} cannot be resized"
                )));
            }
        };
        let wanted = at_least.min(full);
        let scaled = |factor: ScalingFactor| {
            Size::new(
                factor.scale(header.width) as u32,
                factor.scale(header.height) as u32,
            )
        };
        let factor = FACTORS
            .into_iter()
            .find(|factor| wanted.min(scaled(*factor)) == wanted && !header.is_lossless)
            .unwrap_or(ScalingFactor::ONE);
        self.decompressor.set_scaling_factor(factor)?;
        let size = scaled(factor);
        let (width, height) = (size.width as usize, size.height as usize);
        let needed = turbojpeg::yuv_pixels_len(width, 1, height, header.subsamp)?;
        self.pixels.resize(needed, 0);
        let image = YuvImage {
            pixels: self.pixels.as_mut_slice(),
            width,
            align: 1,
            height,
            subsamp: header.subsamp,
        };
        self.decompressor.decompress_to_yuv(data, image)?;
        Ok(planes(&self.pixels, layout, size)?)
    }
}

/// Cuts the planes out of one buffer in which they lie without gaps.
fn planes(pixels: &[u8], layout: Layout, size: Size) -> Result<Raw<'_>, crate::picture::Error> {
    let (luma, chroma) = (layout.padded(size), layout.chroma_size(size));
    let mut rest = pixels;
    let planes = [luma, chroma, chroma].map(|plane| {
        let (data, after) = rest
            .split_at_checked(plane.pixels() as usize)
            .unwrap_or((rest, &[]));
        rest = after;
        Plane::new(data, plane.width as usize)
    });
    Raw::new(
        layout,
        size,
        Colour::JFIF,
        planes.get(..layout.planes()).unwrap_or_default(),
    )
}
