//! What cameras send around their pictures.

use streamhub_ingest::clock::rtcp::sender_reports;
use streamhub_ingest::clock::rtp::RtpHeader;
use streamhub_ingest::clock::{Settings, StreamClock};
use streamhub_ingest::source::access_unit::{Coding, Entry, inspect};
use streamhub_ingest::source::continuity::{Carried, Continuity, Packet};

/// Hub time minus monotonic time: a day in 2026.
const WALL_US: i64 = 1_795_000_000_000_000;
/// What the shortest sender report takes.
const SENDER_REPORT: usize = 20;

/// RTP and RTCP packets of one stream, each behind its length in two bytes and 20 ms after the one before. What is
/// read is dated.
pub(crate) fn rtp(data: &[u8]) -> bool {
    let settings = Settings {
        rate: 90_000,
        ..Settings::default()
    };
    let mut clock = StreamClock::new(settings, WALL_US);
    let (mut rest, mut now_us) = (data, 0);
    let (mut dated, mut reported) = (false, false);
    while let Some((&[high, low], tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(tail.len());
        let (packet, next) = tail.split_at(length);
        rest = next;
        now_us += 20_000;
        let mut reports = 0;
        for report in sender_reports(packet) {
            clock.report(report, now_us);
            reports += 1;
        }
        assert!(reports * SENDER_REPORT <= packet.len());
        reported |= reports > 0;
        if reports == 0
            && let Some(header) = RtpHeader::parse(packet)
        {
            let stamp = clock.arrived(header.time, header.ssrc, now_us);
            dated |= clock.capture(stamp, WALL_US).is_some();
        }
    }
    dated && reported
}

/// RTP packets, each behind its length in one byte, as every way of carrying video reads them.
pub(crate) fn continuity(mut data: &[u8]) -> bool {
    let mut streams = [Carried::H264, Carried::H265, Carried::Jpeg]
        .map(|carried| (carried, Continuity::default()));
    let mut read = false;
    while let Some((length, rest)) = data.split_first() {
        let Some((packet, rest)) = rest.split_at_checked(usize::from(*length)) else {
            break;
        };
        data = rest;
        for (carried, continuity) in &mut streams {
            if let Some(packet) = Packet::parse(packet, *carried) {
                continuity.ends_early(packet, *carried);
                continuity.packet(packet);
                read = true;
            }
        }
    }
    read
}

/// An access unit of H.264, or of H.265 where the first byte is odd: `true` where decoding can begin.
pub(crate) fn access_unit(data: &[u8]) -> bool {
    let Some((coding, data)) = data.split_first() else {
        return false;
    };
    let coding = if coding % 2 == 0 {
        Coding::H264
    } else {
        Coding::H265
    };
    inspect(coding, data).entry != Entry::No
}
