//! What drivers say of their nodes.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use linuxvideo::format::{FrameIntervals, FrameSizes, PixelFormat};
use linuxvideo::{BufType, CapabilityFlags, Device, Fract};
use rustix::fs::{major, minor};
use streamhub_crds::{DeviceFormat, DeviceSize, Fps};

/// What a driver says of one node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Queried {
    /// Whether it is one that captures video: no output, metadata, radio or codec node.
    pub captures: bool,
    /// Whether it is one part of a chain that a program must put together first.
    pub media_controller: bool,
    /// The driver's name for itself; empty where it was not asked.
    pub driver: String,
    /// What it offers.
    pub formats: Vec<DeviceFormat>,
}

/// What a node is for, by what its driver says that it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It captures video, into buffers of this type.
    Capture(BufType),
    /// It is a codec or a scaler, memory to memory.
    Codec,
    /// Anything else: output, metadata, radio, touch.
    Other,
}

impl Role {
    /// The role of a node that can do so much; its whole device may be able to do more.
    pub fn of(can: CapabilityFlags) -> Self {
        let codec = CapabilityFlags::VIDEO_M2M | CapabilityFlags::VIDEO_M2M_MPLANE;
        if can.intersects(codec) {
            Self::Codec
        } else if can.contains(CapabilityFlags::TOUCH) {
            // It says that it captures video, and gives what its sensors measure.
            Self::Other
        } else if can.contains(CapabilityFlags::VIDEO_CAPTURE) {
            Self::Capture(BufType::VIDEO_CAPTURE)
        } else if can.contains(CapabilityFlags::VIDEO_CAPTURE_MPLANE) {
            Self::Capture(BufType::VIDEO_CAPTURE_MPLANE)
        } else {
            Self::Other
        }
    }
}

/// Asks the driver of a node.
pub trait Query: Send + Sync {
    /// What the driver of the node at `path` says, which has the number `device`.
    fn query(&self, path: &Path, device: (u32, u32)) -> io::Result<Queried>;
}

/// Opens the node and asks by V4L2's ioctls.
#[derive(Debug, Clone, Copy, Default)]
pub struct V4l2;

impl Query for V4l2 {
    fn query(&self, path: &Path, device: (u32, u32)) -> io::Result<Queried> {
        check_number(path, device)?;
        let device = Device::open(path)?;
        let capabilities = device.capabilities()?;
        let can = capabilities.device_capabilities();
        let Role::Capture(buffers) = Role::of(can) else {
            return Ok(Queried::default());
        };
        // linuxvideo panics where a driver answers what V4L2 does not have.
        let formats = catch_unwind(AssertUnwindSafe(|| formats(&device, buffers)));
        Ok(Queried {
            captures: true,
            media_controller: can.contains(CapabilityFlags::IO_MC),
            driver: capabilities.driver().to_owned(),
            formats: formats.unwrap_or_default(),
        })
    }
}

/// Takes every video node for one that captures, and asks no driver: for nodes that none is behind.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrustSysfs;

impl Query for TrustSysfs {
    fn query(&self, path: &Path, device: (u32, u32)) -> io::Result<Queried> {
        check_number(path, device)?;
        Ok(Queried {
            captures: true,
            ..Queried::default()
        })
    }
}

/// A file of that name may be left over from another device.
fn check_number(path: &Path, device: (u32, u32)) -> io::Result<()> {
    let node = fs::metadata(path)?;
    let number = (major(node.rdev()), minor(node.rdev()));
    if node.file_type().is_char_device() && number == device {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        format!("it is not the device {}:{}", device.0, device.1),
    ))
}

fn formats(device: &Device, buffers: BufType) -> Vec<DeviceFormat> {
    let mut formats: Vec<DeviceFormat> = Vec::new();
    for format in device.formats(buffers).map_while(Result::ok) {
        let format = format.pixel_format();
        let Some(fourcc) = text(format) else { continue };
        if formats.iter().all(|known| known.fourcc != fourcc) {
            let sizes = sizes(device, format);
            formats.push(DeviceFormat { fourcc, sizes });
        }
    }
    formats
}

fn text(format: PixelFormat) -> Option<String> {
    let fourcc = format.as_fourcc();
    let printable = fourcc.iter().all(|byte| (b' '..=b'~').contains(byte));
    printable.then(|| fourcc.map(char::from).iter().collect())
}

fn sizes(device: &Device, format: PixelFormat) -> Vec<DeviceSize> {
    let (width, height, least) = match device.frame_sizes(format) {
        Ok(FrameSizes::Discrete(sizes)) => {
            let sizes = sizes.iter().map(|size| DeviceSize {
                width: size.width(),
                height: size.height(),
                fps: rates(device, format, size.width(), size.height()),
                from: None,
            });
            return sizes.collect();
        }
        Ok(FrameSizes::Stepwise(range) | FrameSizes::Continuous(range)) => (
            range.max_width(),
            range.max_height(),
            (range.min_width(), range.min_height()),
        ),
        Err(_) => return Vec::new(),
    };
    vec![DeviceSize {
        width,
        height,
        fps: rates(device, format, width, height),
        from: (least != (width, height)).then(|| format!("{}x{}", least.0, least.1)),
    }]
}

fn rates(device: &Device, format: PixelFormat, width: u32, height: u32) -> Vec<String> {
    match device.frame_intervals(format, width, height) {
        Ok(FrameIntervals::Discrete(intervals)) => intervals
            .iter()
            .filter_map(|interval| rate(*interval.fract()))
            .collect(),
        Ok(FrameIntervals::Stepwise(range) | FrameIntervals::Continuous(range)) => {
            rate(*range.min()).into_iter().collect()
        }
        Err(_) => Vec::new(),
    }
}

/// Frames per second of an interval, to three places where no fraction that a Camera may hold is exact.
fn rate(interval: Fract) -> Option<String> {
    let (seconds, frames) = (interval.numerator(), interval.denominator());
    let divisor = gcd(seconds, frames);
    let exact = format!(
        "{}/{}",
        frames.checked_div(divisor)?,
        seconds.checked_div(divisor)?
    );
    let near = || format!("{:.3}", f64::from(frames) / f64::from(seconds)).parse();
    let fps: Fps = exact.parse().or_else(|_| near()).ok()?;
    Some(fps.to_string())
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_capture_are_told_from_codecs_and_others() {
        type Can = CapabilityFlags;
        let planar = Role::Capture(BufType::VIDEO_CAPTURE_MPLANE);
        let camera = Role::Capture(BufType::VIDEO_CAPTURE);
        for (can, role) in [
            (Can::VIDEO_CAPTURE, camera),
            (Can::VIDEO_CAPTURE | Can::TUNER | Can::AUDIO, camera),
            (Can::VIDEO_CAPTURE_MPLANE, planar),
            (Can::VIDEO_CAPTURE_MPLANE | Can::IO_MC, planar),
            (Can::VIDEO_CAPTURE | Can::VIDEO_CAPTURE_MPLANE, camera),
            // A loopback device, to which another program writes.
            (Can::VIDEO_CAPTURE | Can::VIDEO_OUTPUT, camera),
            (Can::VIDEO_M2M, Role::Codec),
            (Can::VIDEO_M2M_MPLANE, Role::Codec),
            (Can::VIDEO_M2M | Can::VIDEO_CAPTURE, Role::Codec),
            (
                Can::VIDEO_M2M_MPLANE | Can::VIDEO_CAPTURE_MPLANE,
                Role::Codec,
            ),
            (Can::VIDEO_CAPTURE | Can::TOUCH, Role::Other),
            (Can::META_CAPTURE, Role::Other),
            (Can::META_OUTPUT, Role::Other),
            (Can::VIDEO_OUTPUT, Role::Other),
            (Can::VIDEO_OUTPUT_MPLANE, Role::Other),
            (Can::VIDEO_OVERLAY, Role::Other),
            (Can::VBI_CAPTURE | Can::SLICED_VBI_CAPTURE, Role::Other),
            (Can::RADIO | Can::TUNER | Can::RDS_CAPTURE, Role::Other),
            (Can::SDR_CAPTURE | Can::TUNER, Role::Other),
            (Can::empty(), Role::Other),
        ] {
            // These say how data is handed over, not which.
            let how = Can::STREAMING | Can::READWRITE | Can::EXT_PIX_FORMAT;
            assert_eq!(Role::of(can), role, "{can:?}");
            assert_eq!(Role::of(can | how), role, "{can:?}");
        }
    }

    #[test]
    fn rates_are_written_as_a_camera_would_ask_for_them() {
        let rate = |seconds, frames| rate(Fract::new(seconds, frames));
        assert_eq!(rate(1, 30).as_deref(), Some("30"));
        assert_eq!(rate(1001, 30000).as_deref(), Some("30000/1001"));
        assert_eq!(rate(333_333, 10_000_000).as_deref(), Some("30"));
        assert_eq!(rate(400_000, 10_000_000).as_deref(), Some("25"));
        assert_eq!(rate(0, 30), None);
    }

    #[test]
    fn a_file_that_is_not_the_device_is_not_asked() {
        for (path, device) in [("/dev/null", (1, 5)), ("/proc/self/status", (1, 3))] {
            assert!(TrustSysfs.query(Path::new(path), device).is_err(), "{path}");
        }
        let zero = TrustSysfs.query(Path::new("/dev/null"), (1, 3));
        assert!(zero.unwrap().captures);
    }
}
