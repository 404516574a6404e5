//! Planes to JPEG: scale, convert the colours, compress.

use bytes::Bytes;
use turbojpeg::{Compressor, Image, OutputBuf, PixelFormat, Subsamp, YuvPlanesImage};

use super::colour::Converter;
use super::depth::Narrower;
use super::join::Joiner;
use super::scale::Scaler;
use super::{Error, Layout, Pool, Raw, Size};

/// Frames of a rendition that may wait at readers before buffers are allocated and freed again: NATS
/// holds two, a slow `next` client one, and some are in between.
const SPARE_BUFFERS: usize = 6;

/// Pixels that are converted and compressed at a time. Strips save memory, 3 MB of converted samples of a 1080p
/// picture, and no time: no size from 64 K pixels to whole pictures was measurably faster than another.
const STRIP_PIXELS: u32 = 128 * 1024;

/// Turns decoded pictures into JPEG files for one rendition.
///
/// Owns all memory it works in; after the first frames of one size only frames that readers keep for
/// long make it allocate. Not shared: one thread, one encoder.
#[derive(Debug)]
pub struct Encoder {
    scaler: Scaler,
    whole: Narrower,
    strip: Strip,
    pool: Pool,
}

/// What one strip of a picture is worked on in.
#[derive(Debug)]
struct Strip {
    narrower: Narrower,
    converter: Converter,
    compressor: Compressor,
    output: Vec<u8>,
}

impl Encoder {
    /// An encoder with buffers of its own.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            scaler: Scaler::default(),
            whole: Narrower::default(),
            strip: Strip {
                narrower: Narrower::default(),
                converter: Converter::default(),
                compressor: Compressor::new()?,
                output: Vec::new(),
            },
            pool: Pool::new(SPARE_BUFFERS),
        })
    }

    /// `raw` as a JPEG file of at most `target` pixels, with `quality` from 1 to 100 (clamped).
    ///
    /// Never enlarges; the subsampling of the chroma stays what it is, and grey stays grey. The colours
    /// are those of the camera: range and matrix are brought to what JFIF means.
    pub fn encode(&mut self, raw: &Raw<'_>, target: Size, quality: u8) -> Result<Bytes, Error> {
        let narrow = if target.min(raw.size) == raw.size {
            *raw
        } else {
            self.whole.narrow(raw)
        };
        let scaled = self.scaler.scale(&narrow, target)?;
        let subsamp = subsampling(scaled.layout);
        let compressor = &mut self.strip.compressor;
        compressor.set_quality(i32::from(quality.clamp(1, 100)))?;
        compressor.set_subsamp(subsamp)?;
        let columns = scaled.size.width.div_ceil(subsamp.mcu_width() as u32);
        let lines = strip_height(scaled.size, subsamp.mcu_height() as u32);
        let mut joiner = Joiner {
            height: scaled.size.height as u16,
            interval: (columns * lines / subsamp.mcu_height() as u32) as u16,
            strips: 0,
        };
        let mut file = self.pool.take();
        for first in (0..scaled.size.height).step_by(lines as usize) {
            let Some(rows) = scaled.rows(first, lines) else {
                break;
            };
            let strip = self.strip.compress(&rows, subsamp)?;
            if rows.size == scaled.size {
                file.extend_from_slice(strip);
                return Ok(self.pool.lend(file));
            }
            joiner.add(&mut file, strip)?;
        }
        Joiner::finish(&mut file);
        Ok(self.pool.lend(file))
    }
}

impl Strip {
    /// A file of its own.
    fn compress(&mut self, rows: &Raw<'_>, subsamp: Subsamp) -> Result<&[u8], Error> {
        let narrow = self.narrower.narrow(rows);
        let planes = self.converter.convert(&narrow);
        let (width, height) = (planes.size.width as usize, planes.size.height as usize);
        let worst_case = turbojpeg::compressed_buf_len(width, height, subsamp)?;
        if self.output.len() < worst_case {
            // Fresh zeroes rather than resize(): the pages beyond what JPEGs really need are never touched.
            self.output = vec![0; worst_case];
        }
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
        let written = output.len();
        drop(output);
        Ok(self.output.get(..written).unwrap_or_default())
    }
}

fn subsampling(layout: Layout) -> Subsamp {
    match layout {
        Layout::I420 | Layout::Nv12 => Subsamp::Sub2x2,
        Layout::I422 => Subsamp::Sub2x1,
        Layout::I444 => Subsamp::None,
        Layout::I440 => Subsamp::Sub1x2,
        Layout::I411 => Subsamp::Sub4x1,
        Layout::I441 => Subsamp::Sub1x4,
        Layout::Gray8 => Subsamp::Gray,
    }
}

/// Lines of a strip: whole rows of MCUs, all of the picture where it is small.
fn strip_height(size: Size, mcu: u32) -> u32 {
    (STRIP_PIXELS / size.width.max(1) / mcu).max(1) * mcu
}
