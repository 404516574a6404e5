//! What the camera offers (RFC 8866, RFC 6184 section 8.2, RFC 7798 section 7.2).

use std::fmt::Write as _;

use data_encoding::BASE64;

use super::clip::{Clip, Role, role};
use super::scenario::{Scenario, Track};
use crate::testcam::Codec;

/// The payload type of this codec (RFC 3551, 6).
pub(super) fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Mjpeg => 26,
        Codec::H264 | Codec::H265 => 96,
    }
}

/// The session description; track n has the control attribute `track=n`.
pub(super) fn describe(scenario: &Scenario, video: &Clip, second: Option<&Clip>) -> String {
    let mut sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=badcam\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
                   a=control:*\r\na=range:npt=now-\r\n"
        .to_owned();
    for (at, track) in scenario.tracks.iter().enumerate() {
        match track {
            Track::Audio => sdp.push_str("m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"),
            Track::Video => sdp.push_str(&medium(scenario, video)),
            Track::Second => sdp.push_str(&medium(scenario, second.unwrap_or(video))),
        }
        let _ = write!(sdp, "a=control:track={at}\r\n");
    }
    sdp
}

fn medium(scenario: &Scenario, clip: &Clip) -> String {
    let number = payload_type(clip.codec);
    let name = match clip.codec {
        Codec::H264 => "H264",
        Codec::H265 => "H265",
        Codec::Mjpeg => "JPEG",
    };
    let mut text = format!("m=video 0 RTP/AVP {number}\r\na=rtpmap:{number} {name}/90000\r\n");
    let sets = parameter_sets(clip);
    if !sets.is_empty() {
        let mode = match clip.codec {
            Codec::H264 => "packetization-mode=1;",
            Codec::H265 | Codec::Mjpeg => "",
        };
        let _ = write!(text, "a=fmtp:{number} {mode}{}\r\n", sets.join(";"));
    }
    if let Some(fps) = scenario.sdp_fps {
        let _ = write!(text, "a=framerate:{fps}\r\n");
    }
    text
}

/// `name=value` of each field with parameter sets; several sets of one field are joined by commas.
fn parameter_sets(clip: &Clip) -> Vec<String> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    let first = clip.units.first().map_or(&[][..], |unit| &unit.parts);
    for part in first {
        let Role::Parameters(name) = role(clip.codec, part) else {
            continue;
        };
        let value = BASE64.encode(part);
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => *values = format!("{values},{value}"),
            None => fields.push((name, value)),
        }
    }
    fields
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}
