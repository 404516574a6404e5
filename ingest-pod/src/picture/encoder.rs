//! Planes to JPEG: scale, convert the colours, compress.

use bytes::Bytes;
use turbojpeg::{Compressor, Image, OutputBuf, PixelFormat, Subsamp, YuvPlanesImage};

use super::colour::Converter;
use super::scale::Scaler;
use super::{Error, Layout, Pool, Raw, Size};

/// Frames of a rendition that may wait at readers before buffers are allocated and freed again: NATS
/// holds two, a slow `next` client one, and some are in between.
const SPARE_BUFFERS: usize = 6;

/// Turns decoded pictures into JPEG files for one rendition.
///
/// Owns all memory it works in; after the first frames of one size only frames that readers keep for
/// long make it allocate. Not shared: one thread, one encoder.
#[derive(Debug)]
pub struct Encoder {
    scaler: Scaler,
    converter: Converter,
    compressor: Compressor,
    output: Vec<u8>,
    pool: Pool,
}

impl Encoder {
    /// An encoder with buffers of its own.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            scaler: Scaler::default(),
            converter: Converter::default(),
            compressor: Compressor::new()?,
            output: Vec::new(),
            pool: Pool::new(SPARE_BUFFERS),
        })
    }

    /// `raw` as a JPEG file of at most `target` pixels, with `quality` from 1 to 100 (clamped).
    ///
    /// Never enlarges; the subsampling of the chroma stays what it is, and grey stays grey. The colours
    /// are those of the camera: range and matrix are brought to what JFIF means.
    pub fn encode(&mut self, raw: &Raw<'_>, target: Size, quality: u8) -> Result<Bytes, Error> {
        let scaled = self.scaler.scale(raw, target)?;
        let planes = self.converter.convert(&scaled);
        let subsamp = match planes.layout {
            Layout::I420 | Layout::Nv12 => Subsamp::Sub2x2,
            Layout::I422 => Subsamp::Sub2x1,
            Layout::I444 => Subsamp::None,
            Layout::Gray8 => Subsamp::Gray,
        };
        let (width, height) = (planes.size.width as usize, planes.size.height as usize);
        let worst_case = turbojpeg::compressed_buf_len(width, height, subsamp)?;
        if self.output.len() < worst_case {
            // Fresh zeroes rather than resize(): the pages beyond what JPEGs really need are never touched.
            self.output = vec![0; worst_case];
        }
        self.compressor
            .set_quality(i32::from(quality.clamp(1, 100)))?;
        self.compressor.set_subsamp(subsamp)?;
        let mut output = OutputBuf::borrowed(&mut self.output);
        let [y, u, v] = planes.planes;
        if planes.layout == Layout::Gray8 {
            let image = Image {
                pixels: y.data,
                width,
                pitch: y.stride,
                height,
                format: PixelFormat::GRAY,
            };
            self.compressor.compress(image, &mut output)?;
        } else {
            let image = YuvPlanesImage {
                y_plane: y.data,
                u_plane: u.data,
                v_plane: v.data,
                width,
                height,
                y_stride: y.stride,
                u_stride: u.stride,
                v_stride: v.stride,
                subsamp,
            };
            self.compressor.compress_yuv_planes(&image, &mut output)?;
        }
        Ok(self.pool.copy(&output))
    }
}
