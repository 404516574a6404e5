//! Devices that show no picture by themselves, and what to do instead.

use crate::query::Queried;

/// Formats of `videodev2.h` that are what an image sensor measures, in the order of its colour filter.
const BAYER: [&str; 41] = [
    "BA81", "GBRG", "GRBG", "RGGB", // 8 bits
    "BG10", "GB10", "BA10", "RG10", "pBAA", "pGAA", "pgAA", "pRAA", // 10 bits
    "aBA8", "aGA8", "agA8", "aRA8", "bBA8", "bGA8", "BD10", "bRA8", // 10 bits as 8
    "BG12", "GB12", "BA12", "RG12", "pBCC", "pGCC", "pgCC", "pRCC", // 12 bits
    "BG14", "GB14", "GR14", "RG14", // 14 bits
    "BYR2", "GB16", "GR16", "RG16", // 16 bits
    "PC1B", "PC1G", "PC1g", "PC1R", "PC1M", // compressed, Raspberry Pi 5
];

/// Parts of an image processor that show as capture devices although no camera is behind them.
const PROCESSORS: [&str; 2] = ["bcm2835-isp", "pispbe"];

const INSTEAD: &str = "a camera at a CSI connector needs libcamera: run a program that uses it, such as rpicam-vid, into an RTSP server or a v4l2loopback device, and give the Camera that";

/// Whether a node is that of a device, rather than a step of processing.
pub fn is_device(queried: &Queried) -> bool {
    queried.captures && !PROCESSORS.contains(&queried.driver.as_str())
}

/// Why no picture would come of it; `None` where one would.
pub fn reason(queried: &Queried) -> Option<String> {
    let names = || queried.formats.iter().map(|format| format.fourcc.as_str());
    if queried.media_controller {
        return Some(format!(
            "the device is one part of a chain that a program must set up (media controller); {INSTEAD}"
        ));
    }
    let raw = names().next().is_some() && names().all(|name| BAYER.contains(&name));
    raw.then(|| {
        let names: Vec<&str> = names().collect();
        format!(
            "the device gives what its sensor measures ({}), not pictures; {INSTEAD}",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use streamhub_crds::DeviceFormat;

    use super::*;

    fn device(driver: &str, fourccs: &[&str]) -> Queried {
        let format = |fourcc: &&str| DeviceFormat {
            fourcc: (*fourcc).to_owned(),
            sizes: Vec::new(),
        };
        Queried {
            captures: true,
            driver: driver.to_owned(),
            formats: fourccs.iter().map(format).collect(),
            ..Queried::default()
        }
    }

    #[test]
    fn raw_sensors_are_told_from_cameras() {
        let raw = reason(&device("unicam", &["pBAA", "BG10"])).unwrap();
        assert!(
            raw.contains("pBAA, BG10") && raw.contains("libcamera"),
            "{raw}"
        );
        assert_eq!(reason(&device("uvcvideo", &["YUYV", "BA81"])), None);
        assert_eq!(reason(&device("uvcvideo", &[])), None);
        let part = Queried {
            media_controller: true,
            ..device("rp1-cfe", &["YUYV"])
        };
        assert!(reason(&part).unwrap().contains("libcamera"));
    }

    #[test]
    fn image_processors_are_no_cameras() {
        assert!(is_device(&device("uvcvideo", &["MJPG"])));
        assert!(!is_device(&device("bcm2835-isp", &["YUYV"])));
        assert!(!is_device(&Queried::default()));
    }
}
