//! A clip as a camera sends it: NAL units or whole JPEGs, with their times.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::paths;
use crate::testcam::Codec;
use crate::testcam::film::Film;

/// All of a clip.
#[derive(Debug)]
pub(super) struct Clip {
    pub codec: Codec,
    pub units: Vec<Unit>,
    /// From the first unit to where the first of the next lap belongs.
    pub length: Duration,
}

/// One access unit; times count from the beginning of the clip.
#[derive(Debug)]
pub(super) struct Unit {
    /// NAL units without start codes; a single file for JPEG.
    pub parts: Vec<Vec<u8>>,
    pub decode: Duration,
    pub present: Duration,
}

impl Clip {
    /// Reads a file, or a prepared clip of this name.
    pub fn load(name: &str) -> Result<Self> {
        gstreamer::init()?;
        let path = if Path::new(name).is_file() {
            name.into()
        } else {
            paths::clip(name)?
        };
        let film = Film::load(&path)?;
        let units = film.units.iter().map(|unit| {
            let bytes = unit.buffer.map_readable().context("unreadable buffer")?;
            Ok(Unit {
                parts: match film.codec {
                    Codec::Mjpeg => vec![bytes.to_vec()],
                    Codec::H264 | Codec::H265 => nal_units(&bytes),
                },
                decode: unit.decode.into(),
                present: unit.present.into(),
            })
        });
        Ok(Self {
            codec: film.codec,
            units: units.collect::<Result<_>>()?,
            length: film.length.into(),
        })
    }

    /// Mean rate in frames a second.
    pub fn fps(&self) -> f64 {
        self.units.len() as f64 / self.length.as_secs_f64()
    }
}

/// The NAL units of a byte stream (ITU-T H.264, annex B).
fn nal_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> = stream
        .windows(3)
        .enumerate()
        .filter_map(|(at, code)| (code == [0, 0, 1]).then_some(at))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| {
            let unit = stream.get(start + 3..end)?;
            let length = unit.iter().rposition(|byte| *byte != 0)? + 1;
            unit.get(..length).map(<[u8]>::to_vec)
        })
        .collect()
}

/// What a NAL unit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// VPS, SPS, PPS with the name of their field in the SDP.
    Parameters(&'static str),
    Sei,
    Slice,
    Other,
}

/// The role of a NAL unit by its header.
pub(super) fn role(codec: Codec, unit: &[u8]) -> Role {
    let header = unit.first().copied().unwrap_or_default();
    match (codec, header & 0x1f, (header >> 1) & 0x3f) {
        (Codec::H264, 7 | 8, _) => Role::Parameters("sprop-parameter-sets"),
        (Codec::H264, 6, _) | (Codec::H265, _, 39 | 40) => Role::Sei,
        (Codec::H264, 1..=5, _) | (Codec::H265, _, 0..=31) => Role::Slice,
        (Codec::H265, _, 32) => Role::Parameters("sprop-vps"),
        (Codec::H265, _, 33) => Role::Parameters("sprop-sps"),
        (Codec::H265, _, 34) => Role::Parameters("sprop-pps"),
        _ => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clip_is_whole_and_begins_with_its_parameter_sets() {
        for (name, codec) in [
            ("h264-bframes-720p25.mp4", Codec::H264),
            ("h265-720p25.mp4", Codec::H265),
        ] {
            let clip = Clip::load(name).unwrap();
            assert_eq!((clip.codec, clip.units.len()), (codec, 132));
            assert!((clip.fps() - 25.0).abs() < 0.1);
            let roles: Vec<Role> = clip.units[0].parts.iter().map(|p| role(codec, p)).collect();
            assert!(roles.iter().any(|role| matches!(role, Role::Parameters(_))));
            assert!(roles.contains(&Role::Slice), "{name}: {roles:?}");
        }
    }
}
