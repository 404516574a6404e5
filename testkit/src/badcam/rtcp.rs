//! RTCP packets (RFC 3550, section 6).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from 1900 to 1970.
const NTP_ERA: u64 = 2_208_988_800;

/// A sender report. `ntp` is the wall clock in NTP's 32.32 format.
pub(super) fn sender_report(ssrc: u32, ntp: u64, rtp: u32, packets: u32, bytes: u32) -> Vec<u8> {
    let mut report = vec![0x80, 200, 0, 6];
    report.extend(ssrc.to_be_bytes());
    report.extend(ntp.to_be_bytes());
    for field in [rtp, packets, bytes] {
        report.extend(field.to_be_bytes());
    }
    // A compound packet carries a CNAME (6.1).
    report.extend([0x81, 202, 0, 3]);
    report.extend(ssrc.to_be_bytes());
    report.extend([1, 6]);
    report.extend(b"badcam\0\0".get(..6).unwrap_or_default());
    report
}

/// The source leaves the session.
pub(super) fn bye(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x81, 203, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet
}

/// The wall clock, off by so many seconds, in NTP's format.
pub(super) fn ntp_now(off: f64) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let shift = Duration::from_secs_f64(off.abs());
    let shown = if off < 0.0 {
        now.saturating_sub(shift)
    } else {
        now + shift
    };
    let fraction = (u64::from(shown.subsec_nanos()) << 32) / 1_000_000_000;
    (shown.as_secs() + NTP_ERA) << 32 | fraction
}
