//! Sender reports out of RTCP packets (RFC 3550 §6.4.1).

/// A sender report's pair of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// Whose report it is.
    pub ssrc: u32,
    /// The sender's wall clock: seconds since 1900 (era 0) or 2036 in the upper half, 2^-32 s in the lower; 0 when it
    /// has none.
    pub ntp: u64,
    /// The same instant on the stream's RTP clock.
    pub rtp: u32,
}

const HEADER: usize = 4;
const SENDER_REPORT: u8 = 200;

/// The sender reports of a compound packet; what follows the first damage is left out.
///
/// The validity checks of RFC 3550 §A.2, except for two that cameras are known to break: that the first packet is
/// a report, and that the lengths add up.
pub fn sender_reports(packet: &[u8]) -> impl Iterator<Item = SenderReport> {
    let mut rest = packet;
    std::iter::from_fn(move || {
        loop {
            let (report, next) = step(rest)?;
            rest = next;
            if report.is_some() {
                return report;
            }
        }
    })
}

/// One packet off the front of a compound.
fn step(packet: &[u8]) -> Option<(Option<SenderReport>, &[u8])> {
    let [first, kind, high, low] = *packet.first_chunk::<HEADER>()?;
    if first >> 6 != 2 || !(192..=223).contains(&kind) {
        return None;
    }
    let words = usize::from(u16::from_be_bytes([high, low]));
    let (whole, rest) = packet.split_at_checked(HEADER + words * 4)?;
    if kind != SENDER_REPORT {
        return Some((None, rest));
    }
    let body = whole.get(HEADER..)?.first_chunk::<16>();
    let report = body.map(
        |&[
            s0,
            s1,
            s2,
            s3,
            n0,
            n1,
            n2,
            n3,
            n4,
            n5,
            n6,
            n7,
            r0,
            r1,
            r2,
            r3,
        ]| SenderReport {
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            ntp: u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7]),
            rtp: u32::from_be_bytes([r0, r1, r2, r3]),
        },
    );
    Some((report, rest))
}

/// UNIX microseconds of an NTP time, in the era that lies nearest to `near_us` (RFC 5905 §6). `None` for 0, which
/// means that the sender has no clock.
pub fn unix_us(ntp: u64, near_us: i64) -> Option<i64> {
    const UNIX_IN_NTP: i64 = 2_208_988_800;
    const ERA: i64 = 1 << 32;
    if ntp == 0 {
        return None;
    }
    let seconds = (ntp >> 32) as i64 - UNIX_IN_NTP;
    let micros = ((ntp & 0xffff_ffff) * 1_000_000 + (1 << 31)) >> 32;
    let off = near_us.div_euclid(1_000_000) - seconds;
    let era = (off + ERA / 2).div_euclid(ERA);
    Some((seconds + era * ERA) * 1_000_000 + micros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(report: SenderReport) -> Vec<u8> {
        let mut packet = vec![0x80, SENDER_REPORT, 0, 6];
        packet.extend(report.ssrc.to_be_bytes());
        packet.extend(report.ntp.to_be_bytes());
        packet.extend(report.rtp.to_be_bytes());
        packet.extend([0; 8]);
        packet
    }

    fn ntp(unix_us: i64) -> u64 {
        let seconds = unix_us.div_euclid(1_000_000) + 2_208_988_800;
        let fraction = ((unix_us.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
        ((seconds as u64) << 32) | fraction
    }

    const SDES: [u8; 12] = [0x81, 202, 0, 2, 1, 2, 3, 4, 1, 0, 0, 0];

    #[test]
    fn reports_are_found_wherever_they_stand_in_a_compound() {
        let (a, b) = (
            SenderReport {
                ssrc: 7,
                ntp: 0xee00_0000_8000_0000,
                rtp: 9,
            },
            SenderReport {
                ssrc: 8,
                ntp: 1,
                rtp: u32::MAX,
            },
        );
        let compound = [&SDES[..], &report(a), &SDES, &report(b)].concat();
        assert_eq!(sender_reports(&compound).collect::<Vec<_>>(), [a, b]);
        let cut = &compound[..compound.len() - 1];
        assert_eq!(sender_reports(cut).collect::<Vec<_>>(), [a]);
    }

    #[test]
    fn ntp_time_goes_on_into_the_next_era() {
        let before = 2_085_978_495_250_000; // 2036-02-07 06:28:15, the last second of era 0
        for unix in [before, before + 1_000_000, 1_795_000_000_123_456] {
            assert!((unix_us(ntp(unix), unix).unwrap() - unix).abs() <= 1);
        }
        assert_eq!(unix_us(0, before), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(sender_reports(&bytes).count() <= bytes.len() / 20);
        }

        #[test]
        fn what_is_written_is_read(ssrc in any::<u32>(), ntp in any::<u64>(), rtp in any::<u32>(), cut in 0usize..28, junk in prop::collection::vec(any::<u8>(), 0..20)) {
            let sent = SenderReport { ssrc, ntp, rtp };
            let packet = report(sent);
            prop_assert_eq!(sender_reports(&packet[..cut]).next(), None);
            let with_junk = [packet, junk].concat();
            prop_assert_eq!(sender_reports(&with_junk).next(), Some(sent));
        }
    }
}
