//! Baseline JPEG as RTP payloads (RFC 2435), with the quantisation tables in the first packet.

use super::packets::LARGEST;

#[derive(Default)]
struct Parsed<'a> {
    /// Table for luma and table for chroma.
    tables: Vec<&'a [u8]>,
    width: u16,
    height: u16,
    /// 0 for 4:2:2, 1 for 4:2:0.
    kind: u8,
    scan: &'a [u8],
}

/// The payloads of one file; none when it is no JPEG that RFC 2435 can carry.
pub(super) fn payloads(file: &[u8]) -> Vec<Vec<u8>> {
    let Some(parsed) = parse(file) else {
        return Vec::new();
    };
    let quantisation: Vec<u8> = parsed.tables.concat();
    let mut packets = Vec::new();
    let mut offset = 0;
    for chunk in parsed.scan.chunks(LARGEST - 200) {
        let mut packet = (offset as u32).to_be_bytes().to_vec();
        packet.extend([
            parsed.kind,
            255,
            (parsed.width / 8) as u8,
            (parsed.height / 8) as u8,
        ]);
        if offset == 0 {
            packet.extend([0, 0]);
            packet.extend((quantisation.len() as u16).to_be_bytes());
            packet.extend_from_slice(&quantisation);
        }
        packet.extend_from_slice(chunk);
        packets.push(packet);
        offset += chunk.len();
    }
    packets
}

fn parse(file: &[u8]) -> Option<Parsed<'_>> {
    let mut parsed = Parsed::default();
    let mut rest = file.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (&[0xff, marker, high, low], _) = rest.split_first_chunk()? else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = rest.get(4..2 + length)?;
        rest = rest.get(2 + length..)?;
        match marker {
            0xdb => {
                parsed
                    .tables
                    .extend(segment.chunks_exact(65).filter_map(|table| table.get(1..)));
            }
            0xc0 => {
                let [_, h1, h2, w1, w2, _, _, sampling, ..] = *segment else {
                    return None;
                };
                parsed.height = u16::from_be_bytes([h1, h2]);
                parsed.width = u16::from_be_bytes([w1, w2]);
                parsed.kind = match sampling {
                    0x21 => 0,
                    0x22 => 1,
                    _ => return None,
                };
            }
            0xda => {
                // With the end marker, as most cameras do.
                let end = rest.windows(2).rposition(|pair| pair == [0xff, 0xd9]);
                parsed.scan = rest.get(..end.map_or(rest.len(), |end| end + 2))?;
                // A file with one table uses it for all components.
                if let [only] = parsed.tables[..] {
                    parsed.tables.push(only);
                }
                return (parsed.width > 0).then_some(parsed);
            }
            _ => {}
        }
    }
}
