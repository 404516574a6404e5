//! A picture as it comes from a source, shared by all renditions without a copy.

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use streamhub_wire::metadata::CaptureSource;

use crate::picture::{
    Colour, Layout, Matrix, Plane, Pool, Range, Raw, Size,
    jpeg::{self, Decoder},
};

/// One frame of a source.
#[derive(Clone)]
pub struct Captured {
    /// The picture.
    pub content: Arc<Content>,
    /// When the light hit the sensor, as well as it can be known.
    pub at: Instant,
    /// How `at` was found.
    pub capture: CaptureSource,
    /// A finished file's last frame, shown again.
    pub repeated: bool,
}

/// What a picture is made of.
pub enum Content {
    /// A whole JPEG from the camera.
    Jpeg(CameraJpeg),
    /// A decoded picture in system memory.
    Video(Box<gst_video::VideoFrame<gst_video::video_frame::Readable>>),
    /// A picture in memory of our own.
    Still(Still),
}

/// A camera's JPEG, decoded at most once however many renditions need its planes.
pub struct CameraJpeg {
    /// The file, complete and with Huffman tables.
    pub bytes: Bytes,
    /// Its size in pixels.
    pub size: Size,
    planes: OnceLock<Option<Still>>,
}

impl CameraJpeg {
    /// Takes a buffer over without a copy, unless it lacks its Huffman tables.
    pub fn new(buffer: gst::Buffer) -> Result<Self, jpeg::Error> {
        let map = buffer
            .into_mapped_buffer_readable()
            .map_err(|_| jpeg::Error::Truncated(0))?;
        let info = jpeg::inspect(&map)?;
        Ok(Self {
            size: info.size,
            bytes: jpeg::with_huffman_tables(Bytes::from_owner(map), &info),
            planes: OnceLock::new(),
        })
    }

    /// The decoded planes; `None` for a file that cannot be decoded.
    pub fn planes(&self, decoder: &JpegDecoder) -> Option<&Still> {
        self.planes
            .get_or_init(|| decoder.decode(&self.bytes, self.size))
            .as_ref()
    }
}

/// The one JPEG decoder of a camera.
pub struct JpegDecoder {
    decoder: Mutex<Decoder>,
    pool: Pool,
}

impl JpegDecoder {
    /// A decoder with buffers of its own.
    pub fn new() -> Result<Self, jpeg::Error> {
        Ok(Self {
            decoder: Mutex::new(Decoder::new()?),
            pool: Pool::new(6),
        })
    }

    fn decode(&self, bytes: &[u8], size: Size) -> Option<Still> {
        let mut decoder = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        match decoder.decode(bytes, size) {
            Ok(raw) => Some(Still::copied(&raw, &self.pool)),
            Err(error) => {
                tracing::debug!(%error, "camera's JPEG cannot be decoded");
                None
            }
        }
    }
}

/// A picture in memory that is given back to a pool at the end.
pub struct Still {
    layout: Layout,
    size: Size,
    colour: Colour,
    planes: [(Bytes, usize); 3],
}

impl Still {
    /// Copies a borrowed picture.
    pub fn copied(raw: &Raw<'_>, pool: &Pool) -> Self {
        let planes = raw
            .planes
            .map(|plane| (pool.copy(plane.data), plane.stride));
        Self {
            layout: raw.layout(),
            size: raw.size(),
            colour: raw.colour(),
            planes,
        }
    }

    /// The picture, borrowed.
    pub fn raw(&self) -> Result<Raw<'_>, crate::picture::Error> {
        let [y, u, v] = &self.planes;
        let planes = [y, u, v].map(|(data, stride)| Plane::new(data, *stride));
        let used = planes.get(..self.layout.planes()).unwrap_or(&planes);
        Raw::new(self.layout, self.size, self.colour, used)
    }
}

/// Decoded planes of a GStreamer frame, borrowed.
pub fn raw_of(
    frame: &gst_video::VideoFrame<gst_video::video_frame::Readable>,
) -> Option<Result<Raw<'_>, crate::picture::Error>> {
    let layout = match frame.format() {
        gst_video::VideoFormat::I420 => Layout::I420,
        gst_video::VideoFormat::Nv12 => Layout::Nv12,
        gst_video::VideoFormat::Y42b => Layout::I422,
        gst_video::VideoFormat::Y444 => Layout::I444,
        gst_video::VideoFormat::Gray8 => Layout::Gray8,
        _ => return None,
    };
    let mut planes = [Plane::new(&[], 0); 3];
    for (index, (plane, stride)) in planes
        .iter_mut()
        .zip(frame.plane_stride())
        .take(layout.planes())
        .enumerate()
    {
        let stride = usize::try_from(*stride).ok()?;
        *plane = Plane::new(frame.plane_data(index as u32).ok()?, stride);
    }
    let used = planes.get(..layout.planes())?;
    let size = Size::new(frame.width(), frame.height());
    Some(Raw::new(layout, size, colour_of(frame.info()), used))
}

/// What the samples mean, as the stream says; where it says nothing, limited range and the matrix
/// that is customary for the size.
fn colour_of(info: &gst_video::VideoInfo) -> Colour {
    let colorimetry = info.colorimetry();
    let range = match colorimetry.range() {
        gst_video::VideoColorRange::Range0_255 => Range::Full,
        _ => Range::Limited,
    };
    let matrix = match colorimetry.matrix() {
        gst_video::VideoColorMatrix::Bt709 => Matrix::Bt709,
        gst_video::VideoColorMatrix::Bt2020 => Matrix::Bt2020,
        gst_video::VideoColorMatrix::Unknown if info.height() > 576 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    Colour { range, matrix }
}
