//! What a device offers, read off the caps of `v4l2src`, and the caps that ask for one mode of it.

use gstreamer as gst;
use gstreamer_video as gst_video;
use std::str::FromStr as _;

use super::choose::{Coding, Mode, Offer, Rate, Rates, Span};

/// A pixel format under both its names. More drivers' codes than one stand for some of GStreamer's formats; the first
/// is the one that is shown.
struct Known {
    fourcc: &'static str,
    /// Media type, or the format of `video/x-raw`.
    name: &'static str,
    coding: Coding,
}

const fn known(fourcc: &'static str, name: &'static str, coding: Coding) -> Known {
    Known {
        fourcc,
        name,
        coding,
    }
}

/// The codes of `videodev2.h` that `v4l2src` of GStreamer 1.22 knows and that a decoder or converter takes.
const FORMATS: [Known; 26] = [
    known("MJPG", "image/jpeg", Coding::Jpeg),
    known("NV12", "NV12", Coding::Planar),
    known("YU12", "I420", Coding::Planar),
    known("YV12", "YV12", Coding::Planar),
    known("NV21", "NV21", Coding::Planar),
    known("422P", "Y42B", Coding::Planar),
    known("NV16", "NV16", Coding::Planar),
    known("NV61", "NV61", Coding::Planar),
    known("NV24", "NV24", Coding::Planar),
    known("411P", "Y41B", Coding::Planar),
    known("YUYV", "YUY2", Coding::Packed),
    known("UYVY", "UYVY", Coding::Packed),
    known("YVYU", "YVYU", Coding::Packed),
    known("VYUY", "VYUY", Coding::Packed),
    known("RGB3", "RGB", Coding::Rgb),
    known("BGR3", "BGR", Coding::Rgb),
    known("XR24", "BGRx", Coding::Rgb),
    known("BX24", "xRGB", Coding::Rgb),
    known("AR24", "BGRA", Coding::Rgb),
    known("BA24", "ARGB", Coding::Rgb),
    known("RGBP", "RGB16", Coding::Rgb),
    known("GREY", "GRAY8", Coding::Grey),
    known("Y16 ", "GRAY16_LE", Coding::Grey),
    known("H264", "video/x-h264", Coding::Video),
    known("HEVC", "video/x-h265", Coding::Video),
    known("VP80", "video/x-vp8", Coding::Video),
];

/// The formats, sizes and rates in a device's caps; what no element could make a picture of is left out.
pub fn offers(caps: &gst::CapsRef) -> Vec<Offer> {
    caps.iter_with_features()
        .filter(|(_, features)| features.is_equal(gst::CAPS_FEATURES_MEMORY_SYSTEM_MEMORY.as_ref()))
        .flat_map(|(structure, _)| of_structure(structure))
        .collect()
}

fn of_structure(structure: &gst::StructureRef) -> Vec<Offer> {
    let formats: Vec<&Known> = names(structure)
        .iter()
        .filter_map(|name| FORMATS.iter().find(|known| known.name == name))
        .collect();
    let (widths, heights) = (sides(structure, "width"), sides(structure, "height"));
    let rates = rates(structure);
    let mut offers = Vec::new();
    for known in formats {
        for width in &widths {
            for height in &heights {
                offers.push(Offer {
                    fourcc: known.fourcc,
                    coding: known.coding,
                    width: *width,
                    height: *height,
                    rates: rates.clone(),
                });
            }
        }
    }
    offers
}

/// Media type, or for raw video the formats, of which a structure may hold a list.
fn names(structure: &gst::StructureRef) -> Vec<String> {
    if structure.name() != "video/x-raw" {
        return vec![structure.name().to_string()];
    }
    match structure.get::<gst::List>("format") {
        Ok(list) => list.iter().filter_map(|value| value.get().ok()).collect(),
        Err(_) => structure.get("format").into_iter().collect(),
    }
}

fn sides(structure: &gst::StructureRef, name: &str) -> Vec<Span> {
    let one = |value: i32| Span::one(value.unsigned_abs());
    if let Ok(side) = structure.get::<i32>(name) {
        return vec![one(side)];
    }
    if let Ok(range) = structure.get::<gst::IntRange<i32>>(name) {
        return vec![Span {
            min: range.min().unsigned_abs(),
            max: range.max().unsigned_abs(),
            step: range.step().unsigned_abs().max(1),
        }];
    }
    let list = structure.get::<gst::List>(name);
    list.map(|list| {
        list.iter()
            .filter_map(|value| value.get().ok().map(one))
            .collect()
    })
    .unwrap_or_default()
}

fn rates(structure: &gst::StructureRef) -> Rates {
    let rate = |fraction: gst::Fraction| Rate {
        num: fraction.numer().unsigned_abs(),
        den: fraction.denom().unsigned_abs().max(1),
    };
    if let Ok(one) = structure.get::<gst::Fraction>("framerate") {
        return Rates::Discrete(vec![rate(one)]);
    }
    if let Ok(list) = structure.get::<gst::List>("framerate") {
        return Rates::Discrete(
            list.iter()
                .filter_map(|value| value.get().ok().map(rate))
                .collect(),
        );
    }
    match structure.get::<gst::FractionRange>("framerate") {
        Ok(range) => Rates::Between(rate(range.min()), rate(range.max())),
        // A device that does not say: whatever is asked for, it sends what it sends.
        Err(_) => Rates::Between(
            Rate { num: 0, den: 1 },
            Rate {
                num: i32::MAX as u32,
                den: 1,
            },
        ),
    }
}

/// Caps that leave a device no choice but this mode.
pub fn caps_of(mode: &Mode) -> Option<gst::Caps> {
    let known = FORMATS.iter().find(|known| known.fourcc == mode.fourcc)?;
    let (media, format) = if known.name.contains('/') {
        (known.name, None)
    } else {
        (
            "video/x-raw",
            Some(gst_video::VideoFormat::from_str(known.name).ok()?),
        )
    };
    let builder = gst::Caps::builder(media)
        .field("width", i32::try_from(mode.size.width).ok()?)
        .field("height", i32::try_from(mode.size.height).ok()?)
        .field(
            "framerate",
            gst::Fraction::new(
                i32::try_from(mode.rate.num).ok()?,
                i32::try_from(mode.rate.den).ok()?,
            ),
        );
    Some(match format {
        Some(format) => builder.field("format", format.to_str()).build(),
        None => builder.build(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::v4l2::choose::{Need, Wanted, choose, listed};

    /// As `v4l2src` writes them: one structure for each size, ranges for devices that scale.
    const WEBCAM: &str = "video/x-raw, format=(string)YUY2, width=(int)640, height=(int)480, \
         framerate=(fraction){ 30/1, 15/1 }; \
         image/jpeg, width=(int)1280, height=(int)720, framerate=(fraction)30/1; \
         video/x-raw(memory:DMABuf), format=(string)NV12, width=(int)640, height=(int)480, framerate=(fraction)60/1; \
         video/x-bayer, format=(string)bggr, width=(int)640, height=(int)480, framerate=(fraction)60/1; \
         video/x-raw, format=(string){ NV12, GRAY8 }, width=(int)[ 32, 4096, 2 ], height=(int)[ 32, 4096, 2 ], \
         framerate=(fraction)[ 0/1, 60/1 ]";

    #[test]
    fn formats_that_give_a_picture_are_read_and_others_left_out() {
        gst::init().unwrap();
        let caps = gst::Caps::from_str(WEBCAM).unwrap();
        assert_eq!(
            listed(&offers(&caps), None),
            "MJPG 1280x720 at 30; NV12 32..4096x32..4096 at 0 to 60; YUYV 640x480 at 30, 15; \
             GREY 32..4096x32..4096 at 0 to 60"
        );
    }

    #[test]
    fn the_caps_of_each_choice_are_among_those_of_the_device() {
        gst::init().unwrap();
        let device = gst::Caps::from_str(WEBCAM).unwrap();
        let offers = offers(&device);
        let need = Need {
            fps: Rate { num: 15, den: 1 },
            size: None,
        };
        for fourcc in ["MJPG", "NV12", "YUYV", "GREY"] {
            let wanted = Wanted {
                fourcc: Some(fourcc),
                ..Wanted::default()
            };
            let mode = choose(&offers, wanted, need).unwrap();
            let caps = caps_of(&mode).unwrap();
            assert!(caps.is_fixed() && device.can_intersect(&caps), "{caps}");
        }
    }
}
