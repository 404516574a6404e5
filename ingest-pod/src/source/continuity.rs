//! Which access units arrived whole: from sequence number, time and marker of each RTP packet (RFC 3550, 5.1).

/// What is read of an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    sequence: u16,
    time: u32,
    marker: bool,
    /// The payload can only be the first one of its access unit.
    first: bool,
    /// The payload ends as a JPEG file does.
    end: bool,
}

/// How RTP carries the video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// RFC 6184
    H264,
    /// RFC 7798
    H265,
    /// RFC 2435
    Jpeg,
}

impl Packet {
    /// Reads the headers of a packet; `None` for what is none.
    pub fn parse(bytes: &[u8], carried: Carried) -> Option<Self> {
        let [flags, second, s1, s2, t1, t2, t3, t4, ..] = *bytes else {
            return None;
        };
        let sources = usize::from(flags & 0x0f) * 4;
        let mut header = 12 + sources;
        if flags & 0x10 != 0 {
            let length = bytes.get(header + 2..header + 4)?;
            let words = length
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            header += 4 + words * 4;
        }
        Some(Self {
            sequence: u16::from_be_bytes([s1, s2]),
            time: u32::from_be_bytes([t1, t2, t3, t4]),
            marker: second & 0x80 != 0,
            first: is_first(bytes.get(header..)?, carried),
            end: bytes.ends_with(&[0xff, 0xd9]),
        })
    }
}

/// Whether nothing of the same access unit comes before this payload.
///
/// A slice whose first macroblock is number 0 has a 1 as first bit of its header. Parameter sets, SEI and delimiters
/// come before all slices.
fn is_first(payload: &[u8], carried: Carried) -> bool {
    match (carried, payload) {
        (Carried::Jpeg, [_, o1, o2, o3, ..]) => [o1, o2, o3] == [&0; 3],
        (Carried::H264, [header, rest @ ..]) => {
            let unit = |header: u8, body: &[u8]| match header & 0x1f {
                6..=9 => true,
                1..=5 => body.first().is_some_and(|byte| byte & 0x80 != 0),
                _ => false,
            };
            match (header & 0x1f, rest) {
                // STAP-A: a length of two bytes before each NAL unit.
                (24, [_, _, header, body @ ..]) => unit(*header, body),
                // FU-A with its start bit.
                (28, [fragment, body @ ..]) => fragment & 0x80 != 0 && unit(*fragment, body),
                _ => unit(*header, rest),
            }
        }
        (Carried::H265, [header, _, rest @ ..]) => {
            let unit = |kind: u8, body: &[u8]| match kind {
                32..=35 | 39 => true,
                0..=31 => body.first().is_some_and(|byte| byte & 0x80 != 0),
                _ => false,
            };
            match ((header >> 1) & 0x3f, rest) {
                (48, [_, _, header, _, body @ ..]) => unit((header >> 1) & 0x3f, body),
                (49, [fragment, body @ ..]) => fragment & 0x80 != 0 && unit(fragment & 0x3f, body),
                (kind, body) => unit(kind, body),
            }
        }
        _ => false,
    }
}

/// What a packet says about the access units around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// The access unit before this packet's has lost its end.
    pub previous_incomplete: bool,
    /// This packet's access unit lacks something.
    pub incomplete: bool,
    /// Something before this packet's access unit was lost.
    pub lost_before: bool,
}

/// Follows the packets of one stream, in the order in which the depayloader gets them.
#[derive(Debug, Default)]
pub struct Continuity {
    last: Option<Packet>,
    /// Every JPEG so far ended with its end marker.
    ends: Option<bool>,
}

impl Continuity {
    /// Whether a JPEG is at its last packet without the end marker with which all before it ended. RTP need not carry
    /// the marker (RFC 2435, 3.1.5), so that nothing is known of a camera that leaves it out.
    pub fn ends_early(&mut self, packet: Packet, carried: Carried) -> bool {
        if carried != Carried::Jpeg || !packet.marker {
            return false;
        }
        let before = *self.ends.get_or_insert(packet.end);
        before && !packet.end
    }

    /// The next packet.
    pub fn packet(&mut self, packet: Packet) -> Gap {
        let Some(last) = self.last.replace(packet) else {
            // Nobody can say whether the first packet begins its access unit, unless it says so itself.
            return Gap {
                incomplete: !packet.first,
                ..Gap::default()
            };
        };
        let whole = packet.sequence == last.sequence.wrapping_add(1);
        let new = packet.time != last.time || last.marker;
        match (whole, new) {
            (true, _) => Gap::default(),
            (false, false) => Gap {
                incomplete: true,
                ..Gap::default()
            },
            (false, true) => Gap {
                previous_incomplete: !last.marker,
                incomplete: !packet.first,
                lost_before: true,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: Gap = Gap {
        previous_incomplete: false,
        incomplete: false,
        lost_before: false,
    };

    fn packet(sequence: u16, time: u32, marker: bool, first: bool) -> Packet {
        Packet {
            sequence,
            time,
            marker,
            first,
            end: true,
        }
    }

    #[test]
    fn a_loss_is_laid_to_the_access_units_that_it_can_have_hit() {
        let mut stream = Continuity::default();
        assert_eq!(stream.packet(packet(65_534, 0, false, true)), WHOLE);
        assert_eq!(stream.packet(packet(65_535, 0, false, false)), WHOLE);
        assert_eq!(stream.packet(packet(0, 0, true, false)), WHOLE);
        // In the middle.
        assert_eq!(stream.packet(packet(1, 10, false, true)), WHOLE);
        assert!(stream.packet(packet(3, 10, true, false)).incomplete);
        // A whole one between two whole ones.
        let gap = stream.packet(packet(9, 30, true, true));
        assert_eq!(
            (gap.previous_incomplete, gap.incomplete, gap.lost_before),
            (false, false, true)
        );
        // The end of one, and perhaps the beginning of the next.
        assert_eq!(stream.packet(packet(10, 40, false, true)), WHOLE);
        let gap = stream.packet(packet(12, 50, false, false));
        assert_eq!(
            (gap.previous_incomplete, gap.incomplete, gap.lost_before),
            (true, true, true)
        );
    }

    #[test]
    fn a_jpeg_without_its_end_is_noticed_where_the_others_had_theirs() {
        let whole = packet(1, 0, true, true);
        let torn = Packet {
            end: false,
            ..whole
        };
        let mut stream = Continuity::default();
        let seen = [whole, torn, whole].map(|packet| stream.ends_early(packet, Carried::Jpeg));
        assert_eq!(seen, [false, true, false]);
        let mut without = Continuity::default();
        assert!(
            !without.ends_early(torn, Carried::Jpeg) && !without.ends_early(torn, Carried::Jpeg)
        );
        assert!(!stream.ends_early(torn, Carried::H264));
    }

    #[test]
    fn the_first_payload_of_an_access_unit_is_known() {
        let table: [(&[u8], Carried, bool); 9] = [
            (&[0x67, 0x42], Carried::H264, true),
            (&[0x65, 0x88], Carried::H264, true),
            (&[0x65, 0x22], Carried::H264, false),
            (&[0x7c, 0x85, 0x88], Carried::H264, true),
            (&[0x7c, 0x05, 0x88], Carried::H264, false),
            (&[0x78, 0, 9, 0x67, 1], Carried::H264, true),
            (&[0x26, 0x01, 0xaf], Carried::H265, true),
            (&[0x62, 0x01, 0x93, 0x20], Carried::H265, false),
            (&[0, 0, 0, 0, 1, 255, 4, 4], Carried::Jpeg, true),
        ];
        for (payload, carried, first) in table {
            assert_eq!(is_first(payload, carried), first, "{payload:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for carried in [Carried::H264, Carried::H265, Carried::Jpeg] {
                let _ = Packet::parse(&bytes, carried);
            }
        }

        #[test]
        fn without_a_gap_nothing_is_incomplete(sizes in prop::collection::vec(1_u16..9, 1..40), start: u16) {
            let mut stream = Continuity::default();
            let mut sequence = start;
            for (time, size) in sizes.into_iter().enumerate() {
                for at in 0..size {
                    let gap = stream.packet(packet(sequence, time as u32, at + 1 == size, at == 0));
                    prop_assert_eq!(gap, WHOLE);
                    sequence = sequence.wrapping_add(1);
                }
            }
        }
    }
}
