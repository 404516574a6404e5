//! A picture as it comes from a source, shared by all renditions without a copy.

pub mod signalled;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use streamhub_wire::metadata::CaptureSource;

use crate::picture::{
    Colour, Depth, Layout, Plane, Pool, Raw, Size,
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
    /// How far off `at` may be at most, without what the node's clock is off; `None` where no bound can be given, as for
    /// a bare arrival time.
    pub error: Option<Duration>,
    /// A finished file's last frame, shown again.
    pub repeated: bool,
}

/// What a picture is made of.
pub enum Content {
    /// A whole JPEG from the camera.
    Jpeg(CameraJpeg),
    /// A decoded picture in system memory.
    Video(Box<Video>),
    /// A picture in memory of our own.
    Still(Still),
}

impl Content {
    /// Its size in pixels.
    pub fn size(&self) -> Size {
        match self {
            Self::Jpeg(jpeg) => jpeg.size,
            Self::Video(video) => Size::new(video.frame.width(), video.frame.height()),
            Self::Still(still) => still.size,
        }
    }
}

/// A decoded picture and what its samples mean.
pub struct Video {
    /// The samples.
    pub frame: gst_video::VideoFrame<gst_video::video_frame::Readable>,
    /// From [`signalled::colour`].
    pub colour: Colour,
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
        Self::whole(Bytes::from_owner(map))
    }

    /// Copies a buffer before it looks at it: what a driver lends may be written over at any time, and what goes out has
    /// to be what was found to be whole.
    pub fn copied(buffer: &gst::BufferRef) -> Result<Self, jpeg::Error> {
        let map = buffer
            .map_readable()
            .map_err(|_| jpeg::Error::Truncated(0))?;
        Self::whole(Bytes::copy_from_slice(&map))
    }

    /// The picture alone, without what lies behind its end.
    fn whole(mut bytes: Bytes) -> Result<Self, jpeg::Error> {
        let info = jpeg::inspect(&bytes)?;
        bytes.truncate(info.length);
        Ok(Self {
            size: info.size,
            bytes: jpeg::with_huffman_tables(bytes, &info),
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
    depth: Depth,
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
            depth: raw.depth(),
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
        Raw::deep(self.layout, self.depth, self.size, self.colour, used)
    }
}

/// Raw formats that are taken as they are, best first: a decoder that makes another one is converted.
pub const FORMATS: [(gst_video::VideoFormat, Layout, Depth); 16] = {
    use gst_video::VideoFormat as F;
    [
        (F::I420, Layout::I420, Depth::Eight),
        (F::Nv12, Layout::Nv12, Depth::Eight),
        (F::Y42b, Layout::I422, Depth::Eight),
        (F::Y444, Layout::I444, Depth::Eight),
        (F::Gray8, Layout::Gray8, Depth::Eight),
        (F::Y41b, Layout::I411, Depth::Eight),
        (F::I42010le, Layout::I420, Depth::Low(10)),
        (F::P01010le, Layout::Nv12, Depth::High),
        (F::I42210le, Layout::I422, Depth::Low(10)),
        (F::Y44410le, Layout::I444, Depth::Low(10)),
        (F::I42012le, Layout::I420, Depth::Low(12)),
        (F::P012Le, Layout::Nv12, Depth::High),
        (F::I42212le, Layout::I422, Depth::Low(12)),
        (F::Y44412le, Layout::I444, Depth::Low(12)),
        (F::P016Le, Layout::Nv12, Depth::High),
        (F::Gray16Le, Layout::Gray8, Depth::Low(16)),
    ]
};

impl Video {
    /// The planes, borrowed; `None` for a format that is not one of [`FORMATS`].
    pub fn raw(&self) -> Option<Result<Raw<'_>, crate::picture::Error>> {
        let frame = &self.frame;
        let (_, layout, depth) = FORMATS
            .into_iter()
            .find(|(format, ..)| *format == frame.format())?;
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
        Some(Raw::deep(layout, depth, size, self.colour, used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Encoder;
    use crate::picture::test_card::TestCard;

    fn card() -> Bytes {
        let size = Size::new(64, 48);
        let mut card = TestCard::new(size, "door");
        let mut encoder = Encoder::new().unwrap();
        encoder.encode(&card.draw(7, 0), size, 80).unwrap()
    }

    fn address(buffer: &gst::BufferRef) -> *const u8 {
        buffer.map_readable().unwrap().as_ptr()
    }

    #[test]
    fn what_lies_behind_the_end_of_a_picture_is_no_part_of_it() {
        gst::init().unwrap();
        let jpeg = card();
        // Padding, and all of a driver's buffer with what is left of a longer picture.
        for behind in [vec![0; 100], [&jpeg[30..], &vec![0; 2_000_000]].concat()] {
            let buffer = gst::Buffer::from_slice([&jpeg[..], &behind].concat());
            assert_eq!(CameraJpeg::copied(&buffer).unwrap().bytes, jpeg);
            assert_eq!(CameraJpeg::new(buffer).unwrap().bytes, jpeg);
        }
    }

    #[test]
    fn a_picture_that_is_cut_is_none() {
        gst::init().unwrap();
        let jpeg = card();
        for length in [jpeg.len() - 1, jpeg.len() / 2, 0] {
            let buffer = gst::Buffer::from_slice(jpeg.slice(..length));
            let cut = |refused| matches!(refused, Err(jpeg::Error::Truncated(_)));
            assert!(cut(CameraJpeg::copied(&buffer)), "{length} bytes");
            assert!(cut(CameraJpeg::new(buffer)), "{length} bytes");
        }
    }

    #[test]
    fn a_buffer_of_our_own_is_taken_over_and_a_lent_one_is_copied() {
        gst::init().unwrap();
        let buffer = gst::Buffer::from_slice(card());
        let lent = address(&buffer);
        assert_ne!(CameraJpeg::copied(&buffer).unwrap().bytes.as_ptr(), lent);
        assert_eq!(CameraJpeg::new(buffer).unwrap().bytes.as_ptr(), lent);
    }
}
