//! Access units into RTP packets.

use super::clip::Unit;
use super::jpeg;
use crate::testcam::Codec;

/// Payload bytes of a packet at most, so that it fits into an Ethernet frame.
pub(super) const LARGEST: usize = 1_400;

/// One RTP payload.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub bytes: Vec<u8>,
    pub marker: bool,
}

/// The payloads of an access unit; the last one has the marker. None for what cannot be sent.
pub(super) fn payloads(codec: Codec, unit: &Unit) -> Vec<Payload> {
    let bytes: Vec<Vec<u8>> = match codec {
        Codec::Mjpeg => unit.parts.iter().flat_map(|p| jpeg::payloads(p)).collect(),
        Codec::H264 => unit.parts.iter().flat_map(|part| h264(part)).collect(),
        Codec::H265 => unit.parts.iter().flat_map(|part| h265(part)).collect(),
    };
    let last = bytes.len().saturating_sub(1);
    bytes
        .into_iter()
        .enumerate()
        .map(|(at, bytes)| Payload {
            bytes,
            marker: at == last,
        })
        .collect()
}

/// A single NAL unit packet or FU-As (RFC 6184, 5.6 and 5.8).
fn h264(unit: &[u8]) -> Vec<Vec<u8>> {
    let Some((&header, body)) = unit.split_first().filter(|_| unit.len() > LARGEST) else {
        return vec![unit.to_vec()];
    };
    fragments(body, |start, end| {
        let flags = u8::from(start) << 7 | u8::from(end) << 6;
        vec![header & 0xe0 | 0x1c, flags | header & 0x1f]
    })
}

/// A single NAL unit packet or fragmentation units (RFC 7798, 4.4.1 and 4.4.3).
fn h265(unit: &[u8]) -> Vec<Vec<u8>> {
    let (true, [first, second, body @ ..]) = (unit.len() > LARGEST, unit) else {
        return vec![unit.to_vec()];
    };
    fragments(body, |start, end| {
        let flags = u8::from(start) << 7 | u8::from(end) << 6;
        vec![first & 0x81 | 0x31 << 1, *second, flags | first >> 1 & 0x3f]
    })
}

fn fragments(body: &[u8], header: impl Fn(bool, bool) -> Vec<u8>) -> Vec<Vec<u8>> {
    let count = body.len().div_ceil(LARGEST);
    body.chunks(LARGEST)
        .enumerate()
        .map(|(at, chunk)| {
            let mut packet = header(at == 0, at + 1 == count);
            packet.extend_from_slice(chunk);
            packet
        })
        .collect()
}

/// The RTP header (RFC 3550, 5.1) and the payload.
pub(super) fn packet(
    payload_type: u8,
    sequence: u16,
    time: u32,
    ssrc: u32,
    payload: &Payload,
) -> Vec<u8> {
    let mut packet = Vec::with_capacity(12 + payload.bytes.len());
    packet.extend([0x80, u8::from(payload.marker) << 7 | payload_type]);
    packet.extend(sequence.to_be_bytes());
    packet.extend(time.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend_from_slice(&payload.bytes);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_unit_is_put_together_again_from_its_fragments() {
        let unit: Vec<u8> = [0x65]
            .into_iter()
            .chain((0..5_000_u32).map(|n| n as u8))
            .collect();
        let packets = h264(&unit);
        assert_eq!(packets.len(), 4);
        let header = packets[0][0] & 0xe0 | packets[0][1] & 0x1f;
        let mut whole = vec![header];
        whole.extend(packets.iter().flat_map(|packet| &packet[2..]));
        assert_eq!(whole, unit);
        let flags: Vec<u8> = packets.iter().map(|packet| packet[1] >> 6).collect();
        assert_eq!(flags, [2, 0, 0, 1]);
    }
}
