//! RTP headers and RTP time (RFC 3550 §5.1).

/// What is needed of the header of an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    /// The last packet of an access unit, as most payload formats use this bit.
    pub marker: bool,
    /// RTP time; for video the presentation time of the access unit.
    pub time: u32,
    /// The stream's source.
    pub ssrc: u32,
}

impl RtpHeader {
    /// Reads the fixed part; `None` for what is no RTP packet of version 2.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let [first, second, _, _, rest @ ..] = packet.first_chunk::<12>()?;
        let [t0, t1, t2, t3, s0, s1, s2, s3] = *rest;
        (first >> 6 == 2).then_some(Self {
            marker: second & 0x80 != 0,
            time: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        })
    }
}

/// Counts RTP time on past its wrap, every 13 hours at 90 kHz.
#[derive(Debug, Clone, Copy)]
pub struct Unwrapped {
    last: u32,
    ticks: i64,
    rate: u32,
}

impl Unwrapped {
    /// Begins to count at this RTP time. `rate` is in ticks a second; 0 is taken for the customary 90 kHz.
    pub fn new(first: u32, rate: u32) -> Self {
        Self {
            last: first,
            ticks: 0,
            rate: if rate == 0 { 90_000 } else { rate },
        }
    }

    /// Media time in microseconds since the first: the nearest one that this RTP time can mean.
    pub fn peek(&self, time: u32) -> i64 {
        let ticks = self.ticks + i64::from(time.wrapping_sub(self.last).cast_signed());
        let rate = i64::from(self.rate);
        // Seconds and the rest apart, so that nothing overflows.
        ticks.div_euclid(rate) * 1_000_000 + ticks.rem_euclid(rate) * 1_000_000 / rate
    }

    /// The same, and counts on from there.
    pub fn advance(&mut self, time: u32) -> i64 {
        let media = self.peek(time);
        self.ticks += i64::from(time.wrapping_sub(self.last).cast_signed());
        self.last = time;
        media
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_is_read_and_what_is_none_is_refused() {
        let packet = [
            0x80, 0xe0, 0, 7, 0x12, 0x34, 0x56, 0x78, 0xaa, 0xbb, 0xcc, 0xdd, 1,
        ];
        let header = RtpHeader {
            marker: true,
            time: 0x1234_5678,
            ssrc: 0xaabb_ccdd,
        };
        assert_eq!(RtpHeader::parse(&packet), Some(header));
        assert_eq!(RtpHeader::parse(&packet[..11]), None);
        assert_eq!(RtpHeader::parse(&[0x40; 12]), None);
    }

    proptest! {
        #[test]
        fn media_time_goes_on_across_the_wrap(first in any::<u32>(), rate in 1_000u32..200_000, steps in prop::collection::vec(-90_000i32..900_000, 1..200)) {
            let mut unwrapped = Unwrapped::new(first, rate);
            let mut ticks = 0i64;
            for step in steps {
                ticks += i64::from(step);
                let media = unwrapped.advance(first.wrapping_add(ticks as u32));
                let exact = i128::from(ticks) * 1_000_000;
                prop_assert!((i128::from(media) * i128::from(rate) - exact).abs() <= i128::from(rate));
            }
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = RtpHeader::parse(&bytes);
        }
    }
}
