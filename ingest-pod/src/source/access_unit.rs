//! What an access unit of H.264 or H.265 offers to a decoder that knows nothing yet: read from its NAL unit headers,
//! the begin of its slice headers, and its recovery point SEI (ITU-T H.264 D.2.8, H.265 D.3.8).

use memchr::memmem;

/// The coding of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// ITU-T H.264
    H264,
    /// ITU-T H.265
    H265,
}

/// Whether decoding can begin here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It needs what was before.
    No,
    /// Nothing after it refers to what was before it.
    Closed,
    /// It is whole itself; pictures that are shown before it may need what was before.
    Open,
    /// It is whole itself, and nothing says so of those after it: an encoder may have found it cheaper so.
    Intra,
    /// The picture is whole after so many more reference pictures (intra refresh).
    Gradual(u32),
}

/// What is known of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nature {
    /// Whether decoding can begin here.
    pub entry: Entry,
    /// Only a message beside the picture says so (SEI), which may belong to a picture that was lost.
    pub announced: bool,
    /// Others may refer to it.
    pub reference: bool,
}

/// Reads an access unit: a byte stream (annex B), or NAL units each after its length of four bytes.
pub fn inspect(coding: Coding, bytes: &[u8]) -> Nature {
    let mut seen = Seen::default();
    for unit in units(bytes) {
        match coding {
            Coding::H264 => seen.h264(unit),
            Coding::H265 => seen.h265(unit),
        }
    }
    let intra = seen.slices > 0 && seen.predicted == 0;
    let entry = match seen.recovery {
        _ if seen.slices == 0 => Entry::No,
        _ if seen.closed => Entry::Closed,
        _ if seen.open => Entry::Open,
        Some(0) => Entry::Open,
        _ if intra => Entry::Intra,
        Some(count) => Entry::Gradual(count),
        None => Entry::No,
    };
    Nature {
        entry,
        announced: entry != Entry::No && !(seen.closed || seen.open || intra),
        reference: seen.reference,
    }
}

#[derive(Default)]
struct Seen {
    slices: u32,
    /// Slices that refer to other pictures; those of H.265 are not read so far, and count as such.
    predicted: u32,
    closed: bool,
    open: bool,
    reference: bool,
    recovery: Option<u32>,
}

impl Seen {
    fn h264(&mut self, unit: &[u8]) {
        let Some((header, body)) = unit.split_first() else {
            return;
        };
        match header & 0x1f {
            6 => self.recovery = self.recovery.or(recovery_point(body, false)),
            kind @ (1 | 2 | 5) => {
                self.slices += 1;
                self.closed |= kind == 5;
                self.reference |= header & 0x60 != 0;
                let mut bits = Bits::new(body);
                let slice_type = bits.unsigned().and_then(|_first| bits.unsigned());
                // 2 and 7 are I, 4 and 9 are SI.
                let intra = slice_type.is_some_and(|kind| matches!(kind % 5, 2 | 4));
                self.predicted += u32::from(!intra);
            }
            _ => {}
        }
    }

    fn h265(&mut self, unit: &[u8]) {
        let [header, _, body @ ..] = unit else {
            return;
        };
        match (header >> 1) & 0x3f {
            39 => self.recovery = self.recovery.or(recovery_point(body, true)),
            kind @ 0..=31 => {
                self.slices += 1;
                self.predicted += 1;
                // IDR; after BLA and CRA leading pictures may follow that cannot be decoded.
                self.closed |= matches!(kind, 19 | 20);
                self.open |= matches!(kind, 16..=18 | 21);
                // Sub-layer non-reference pictures have even types below 16.
                self.reference |= kind >= 16 || kind % 2 == 1;
            }
            _ => {}
        }
    }
}

/// `recovery_frame_cnt` or `recovery_poc_cnt` of the first recovery point in an SEI NAL unit.
fn recovery_point(body: &[u8], signed: bool) -> Option<u32> {
    let mut plain = [0_u8; 64];
    let length = without_emulation(body, &mut plain);
    let mut rest = plain.get(..length)?;
    loop {
        let (kind, after) = sei_number(rest)?;
        let (size, after) = sei_number(after)?;
        if kind == 6 {
            let mut bits = Bits::new(after);
            let code = bits.unsigned()?;
            // Signed Exp-Golomb: odd codes are positive; a point in the past is one now.
            return Some(match (signed, code % 2) {
                (false, _) => code,
                (true, 1) => code.div_ceil(2),
                (true, _) => 0,
            });
        }
        rest = after.get(size..)?;
    }
}

/// A number that is written as so many 255 and a last byte.
fn sei_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let at = bytes.iter().position(|byte| *byte != 255)?;
    let (last, rest) = bytes.get(at..)?.split_first()?;
    Some((at * 255 + usize::from(*last), rest))
}

/// Copies the beginning without emulation prevention bytes; returns how much was copied.
fn without_emulation(from: &[u8], to: &mut [u8]) -> usize {
    let (mut zeros, mut length) = (0, 0);
    for byte in from {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        let Some(slot) = to.get_mut(length) else {
            break;
        };
        *slot = *byte;
        length += 1;
    }
    length
}

/// The NAL units of an access unit.
fn units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    // No NAL unit has a length of one, so that a start code is never a length.
    let stream = bytes.starts_with(&[0, 0, 1]) || bytes.starts_with(&[0, 0, 0, 1]);
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if stream {
            let start = memmem::find(rest, &[0, 0, 1])? + 3;
            let after = rest.get(start..)?;
            let end = memmem::find(after, &[0, 0, 1]).unwrap_or(after.len());
            rest = after.get(end..)?;
            after.get(..end)
        } else {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = u32::from_be_bytes(*length) as usize;
            rest = after.get(length..)?;
            after.get(..length)
        }
    })
}

/// Exp-Golomb codes (H.264, 9.1).
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let mut value = 1_u32;
        for _ in 0..zeros {
            value = value << 1 | self.bit()?;
        }
        Some(value - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        let framed = units
            .iter()
            .flat_map(|unit| [&[0, 0, 0, 1], *unit].concat());
        framed.collect()
    }

    fn lengths(units: &[&[u8]]) -> Vec<u8> {
        let framed = units.iter().flat_map(|unit| {
            let length = (unit.len() as u32).to_be_bytes();
            [&length, *unit].concat()
        });
        framed.collect()
    }

    // Slice headers: ue(first_mb) ue(slice_type): 1 011 is P (0 is 1, 2 is 011), written as bits below.
    const SPS: &[u8] = &[0x67, 0x42, 0x00];
    const IDR: &[u8] = &[0x65, 0b1000_1000, 0xff];
    const INTRA: &[u8] = &[0x41, 0b1011_0000, 0xff];
    const PREDICTED: &[u8] = &[0x41, 0b1100_0000, 0xff];
    const DISPOSABLE: &[u8] = &[0x01, 0b1010_0000, 0xff];
    /// Recovery point after 4 frames: type 6, size 1, ue 4 is 00101.
    const RECOVERY: &[u8] = &[0x06, 6, 1, 0b0010_1000, 0x80];
    /// The same at once: ue 0 is 1.
    const RECOVERED: &[u8] = &[0x06, 6, 1, 0b1100_0000, 0x80];

    #[test]
    fn each_kind_of_entry_is_known_in_both_framings() {
        let table: [(&[&[u8]], Entry, bool, bool); 8] = [
            (&[SPS, IDR], Entry::Closed, false, true),
            (&[PREDICTED], Entry::No, false, true),
            (&[DISPOSABLE], Entry::No, false, false),
            (&[INTRA, INTRA], Entry::Intra, false, true),
            // Refresh by slices: one intra slice makes no entry.
            (&[INTRA, PREDICTED], Entry::No, false, true),
            (&[RECOVERY, PREDICTED], Entry::Gradual(4), true, true),
            (&[RECOVERED, PREDICTED], Entry::Open, true, true),
            (&[SPS], Entry::No, false, false),
        ];
        for (units, entry, announced, reference) in table {
            for bytes in [stream(units), lengths(units)] {
                let expected = Nature {
                    entry,
                    announced,
                    reference,
                };
                assert_eq!(inspect(Coding::H264, &bytes), expected, "{bytes:x?}");
            }
        }
        for (kind, entry) in [(19, Entry::Closed), (21, Entry::Open), (1, Entry::No)] {
            let bytes = stream(&[&[kind << 1, 1, 0xff]]);
            assert_eq!(inspect(Coding::H265, &bytes).entry, entry);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            for coding in [Coding::H264, Coding::H265] {
                inspect(coding, &bytes);
                inspect(coding, &stream(&[&bytes]));
            }
        }
    }
}
