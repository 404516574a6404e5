//! The marker segments of a JPEG file (ITU T.81, annex B), without looking at a coefficient.

use super::Error;
use crate::picture::{Layout, Size};

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DHT: u8 = 0xC4;
const DRI: u8 = 0xDD;
const SOF_BASELINE: u8 = 0xC0;
const SOF_EXTENDED: u8 = 0xC1;
const SOF_PROGRESSIVE: u8 = 0xC2;

/// What the headers of a complete JPEG file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Width and height in pixels.
    pub size: Size,
    /// Colour components: 1 is grey, 3 is colour.
    pub components: u8,
    /// How the samples lie once decoded; none for subsamplings that libjpeg-turbo has no name for.
    pub layout: Option<Layout>,
    /// Whether the file brings the tables that it is coded with; Motion JPEG may leave them out.
    pub huffman_tables: bool,
    /// Whether the picture comes in several passes.
    pub progressive: bool,
    /// Blocks (MCU) between restart markers; 0 without such markers.
    pub restart_interval: u16,
    /// Bytes up to and with the end marker; some cameras send padding after it.
    pub length: usize,
    /// Where the first scan begins: missing tables go before it.
    pub(super) first_scan: usize,
}

/// Looks through a whole JPEG file of unknown origin.
///
/// Fails on everything that is no complete JPEG picture of a common kind: [`Error::Truncated`],
/// [`Error::Malformed`], [`Error::Unsupported`].
pub fn inspect(data: &[u8]) -> Result<Info, Error> {
    let mut reader = Reader { data, at: 0 };
    if reader.bytes(2)? != [0xFF, SOI] {
        return Err(Error::Malformed {
            at: 0,
            what: "does not begin with a start marker",
        });
    }
    let mut frame = None;
    let mut first_scan = None;
    let (mut huffman_tables, mut restart_interval) = (false, 0);
    loop {
        let at = reader.at;
        let malformed = |what| Error::Malformed { at, what };
        match reader.marker()? {
            EOI => {
                let frame: Frame = frame.ok_or(malformed("ends without a frame header"))?;
                let first_scan = first_scan.ok_or(malformed("ends without a scan"))?;
                if frame.progressive && !huffman_tables {
                    return Err(malformed("progressive without Huffman tables"));
                }
                return Ok(Info {
                    size: frame.size,
                    components: frame.components,
                    layout: frame.layout,
                    huffman_tables,
                    progressive: frame.progressive,
                    restart_interval,
                    length: reader.at,
                    first_scan,
                });
            }
            SOS => {
                if frame.is_none() {
                    return Err(malformed("a scan before the frame header"));
                }
                first_scan.get_or_insert(at);
                reader.segment()?;
                reader.skip_entropy_coded()?;
            }
            DHT => {
                reader.segment()?;
                huffman_tables |= first_scan.is_none();
            }
            DRI => {
                let [high, low] = *reader.segment()? else {
                    return Err(malformed("restart interval of wrong length"));
                };
                restart_interval = u16::from_be_bytes([high, low]);
            }
            kind @ (SOF_BASELINE | SOF_EXTENDED | SOF_PROGRESSIVE) => {
                let header =
                    Frame::parse(reader.segment()?, kind == SOF_PROGRESSIVE).map_err(malformed)?;
                if frame.replace(header).is_some() {
                    return Err(malformed("two frame headers"));
                }
            }
            // The other processes of T.81 table B.1; C8 is reserved, CC is a table of arithmetic coding.
            kind @ (0xC3 | 0xC5..=0xCF) => {
                return Err(Error::Unsupported(format!(
                    "coding process SOF{}",
                    kind - SOF_BASELINE
                )));
            }
            // Restart markers and TEM stand alone.
            0x01 | 0xD0..=0xD7 => {}
            SOI => return Err(malformed("a start marker inside a picture")),
            0x00 | 0x02..=0xBF => return Err(malformed("reserved marker")),
            _ => {
                reader.segment()?;
            }
        }
    }
}

struct Frame {
    size: Size,
    components: u8,
    layout: Option<Layout>,
    progressive: bool,
}

impl Frame {
    fn parse(segment: &[u8], progressive: bool) -> Result<Self, &'static str> {
        let [
            precision,
            height_high,
            height_low,
            width_high,
            width_low,
            components,
            rest @ ..,
        ] = segment
        else {
            return Err("frame header too short");
        };
        if *precision != 8 {
            return Err("samples are not 8 bits");
        }
        let height = u16::from_be_bytes([*height_high, *height_low]);
        let width = u16::from_be_bytes([*width_high, *width_low]);
        if width == 0 || height == 0 {
            return Err("picture without pixels");
        }
        let (specifications, []) = rest.as_chunks::<3>() else {
            return Err("frame header of wrong length");
        };
        if specifications.len() != usize::from(*components) || !matches!(components, 1..=4) {
            return Err("wrong number of components");
        }
        let sampling: Vec<u8> = specifications
            .iter()
            .map(|[_, sampling, _]| *sampling)
            .collect();
        if sampling
            .iter()
            .any(|both| !matches!(both >> 4, 1..=4) || !matches!(both & 15, 1..=4))
        {
            return Err("sampling factor out of range");
        }
        let layout = match *sampling.as_slice() {
            [_] => Some(Layout::Gray8),
            [0x22, 0x11, 0x11] => Some(Layout::I420),
            // The same ratio is written both ways: libjpeg-turbo reads either.
            [0x21, 0x11, 0x11] | [0x22, 0x12, 0x12] => Some(Layout::I422),
            [0x12, 0x11, 0x11] | [0x22, 0x21, 0x21] => Some(Layout::I440),
            [0x41, 0x11, 0x11] => Some(Layout::I411),
            [0x14, 0x11, 0x11] => Some(Layout::I441),
            [luma, blue, red] if luma == blue && blue == red => Some(Layout::I444),
            _ => None,
        };
        let size = Size::new(u32::from(width), u32::from(height));
        Ok(Self {
            size,
            components: *components,
            layout,
            progressive,
        })
    }
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn truncated(&self) -> Error {
        Error::Truncated(self.data.len())
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let end = self.at.saturating_add(count);
        let bytes = self
            .data
            .get(self.at..end)
            .ok_or_else(|| self.truncated())?;
        self.at = end;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let byte = self
            .data
            .get(self.at)
            .copied()
            .ok_or_else(|| self.truncated())?;
        self.at += 1;
        Ok(byte)
    }

    /// The next marker's second byte; any number of fill bytes may stand before it (B.1.1.2).
    fn marker(&mut self) -> Result<u8, Error> {
        let at = self.at;
        if self.byte()? != 0xFF {
            return Err(Error::Malformed {
                at,
                what: "no marker where one must be",
            });
        }
        loop {
            match self.byte()? {
                0xFF => {}
                kind => return Ok(kind),
            }
        }
    }

    /// The parameters of a segment, without its length.
    fn segment(&mut self) -> Result<&'a [u8], Error> {
        let at = self.at;
        let length = usize::from(u16::from_be_bytes([self.byte()?, self.byte()?]));
        let length = length.checked_sub(2).ok_or(Error::Malformed {
            at,
            what: "segment shorter than its length",
        })?;
        self.bytes(length)
    }

    /// Stops at the first marker that is neither a stuffed byte nor a restart marker.
    fn skip_entropy_coded(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.data.get(self.at..).unwrap_or_default();
            let offset = memchr::memchr(0xFF, rest).ok_or_else(|| self.truncated())?;
            let next = rest
                .get(offset + 1)
                .copied()
                .ok_or_else(|| self.truncated())?;
            self.at += offset;
            match next {
                0x00 | 0xD0..=0xD7 => self.at += 2,
                0xFF => self.at += 1,
                _ => return Ok(()),
            }
        }
    }
}
