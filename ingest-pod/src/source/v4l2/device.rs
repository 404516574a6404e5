//! The device itself: whether it is there, may be opened and captures, and its controls.

use linuxvideo::Device;
use linuxvideo::controls::{Cid, ControlFlags, CtrlType};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io;
use streamhub_crds::{ControlName, ControlValue};
use streamhub_devices::Role;

use super::controls::{Control, Kind, plan};
use crate::fault::Fault;

/// The reason of a device from which another program streams.
pub const BUSY: &str = "DeviceBusy";

/// Opens the device, or says what stands in the way.
///
/// None of these faults is permanent: a device may be plugged in, freed or get another number at any time.
pub fn open(path: &str) -> Result<Device, Fault> {
    let device = Device::open(path).map_err(|error| cannot_open(path, &error))?;
    let capabilities = device
        .capabilities()
        .map_err(|error| cannot_open(path, &error))?;
    if let Role::Capture(_) = Role::of(capabilities.device_capabilities()) {
        return Ok(device);
    }
    Err(Fault::transient(
        "NotCaptureDevice",
        format!(
            "{path}: the device captures no video (output, metadata and codec devices look alike)"
        ),
        "take another /dev/videoN: streamhub devices shows them; of a USB camera's two the first has the picture",
    ))
}

/// What an error of opening or asking a device means.
pub fn cannot_open(path: &str, error: &io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => missing(path),
        Some(Errno::ACCESS | Errno::PERM) => Fault::transient(
            "DeviceDenied",
            format!("{path}: this process may not open the device: {error}"),
            "let the user into the device's group: usermod -aG video USER and a new login, or supplementalGroups in a pod",
        ),
        Some(Errno::BUSY) => busy(path),
        Some(Errno::NOTTY | Errno::INVAL | Errno::NOTDIR) => Fault::transient(
            "NotCaptureDevice",
            format!("{path}: this is no V4L2 device"),
            "take a /dev/videoN: streamhub devices shows them",
        ),
        _ => Fault::transient(
            "CameraError",
            format!("{path}: {error}"),
            "look at the kernel's log (dmesg); it is tried again by itself",
        ),
    }
}

/// Nothing is plugged in under this path.
pub fn missing(path: &str) -> Fault {
    Fault::transient(
        "DeviceMissing",
        format!("{path}: there is no such device"),
        "plug the camera in, or correct spec.source.v4l2.deviceSelector: streamhub devices shows what is there",
    )
}

/// Another program streams from it.
pub fn busy(path: &str) -> Fault {
    Fault::transient(
        BUSY,
        format!("{path}: another program captures from this device"),
        "end the other program: streamhub devices names it",
    )
}

/// Sets the wanted controls, all or, where one is unknown, out of range or refused, none: those before it are put back.
pub fn set_controls(
    path: &str,
    device: &mut Device,
    wanted: &BTreeMap<ControlName, ControlValue>,
) -> Result<(), Fault> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut has: Vec<Control<Cid>> = device
        .controls()
        .filter_map(Result::ok)
        .filter(|control| control.control_type() != CtrlType::CTRL_CLASS)
        .map(|control| Control {
            id: control.id(),
            title: control.name().to_owned(),
            kind: kind(control.control_type()),
            min: control.minimum(),
            max: control.maximum(),
            step: control.step(),
            read_only: control.flags().contains(ControlFlags::READ_ONLY),
        })
        .collect();
    // linuxvideo begins its list behind the very first control there is; its range stays unknown.
    let unlisted = device.read_control_raw(Cid::BRIGHTNESS).is_ok()
        && has.iter().all(|control| control.id != Cid::BRIGHTNESS);
    if unlisted {
        has.insert(
            0,
            Control {
                id: Cid::BRIGHTNESS,
                title: "Brightness".to_owned(),
                kind: Kind::Integer,
                min: i32::MIN,
                max: i32::MAX,
                step: 1,
                read_only: false,
            },
        );
    }
    let mut before = Vec::new();
    for (id, name, value) in plan(path, &has, wanted)? {
        before.extend(device.read_control_raw(id).ok().map(|old| (id, old)));
        let checked = unlisted && id == Cid::BRIGHTNESS;
        if let Err(fault) = set_control(path, device, (id, &name, value), checked) {
            // Numbers before switches: an exposure time can be put back only while exposure is not automatic.
            for (id, old) in before.into_iter().rev() {
                if let Err(error) = device.write_control_raw(id, old) {
                    tracing::warn!(%error, "a control could not be put back");
                }
            }
            return Err(fault);
        }
        tracing::info!(control = name, value, "control set");
    }
    Ok(())
}

/// Sets one control. `checked`: only the device knows its range.
fn set_control(
    path: &str,
    device: &mut Device,
    (id, name, value): (Cid, &str, i32),
    checked: bool,
) -> Result<(), Fault> {
    device.write_control_raw(id, value).map_err(|error| {
        Fault::transient(
            "ControlRefused",
            format!("controls.{name}: {path} refuses {value}: {error}"),
            "see whether another control (an automatic mode, say) holds it: v4l2-ctl --list-ctrls shows inactive ones",
        )
    })?;
    // A driver takes the nearest value that it has, without a word.
    let taken = device.read_control_raw(id).unwrap_or(value);
    if checked && taken != value {
        return Err(Fault::permanent(
            "InvalidControl",
            format!(
                "controls.{name}: {path}: {value} is out of range: the device took {taken} instead"
            ),
            "correct the value in spec.source.v4l2.controls: v4l2-ctl --list-ctrls-menus shows the ranges",
        ));
    }
    Ok(())
}

fn kind(kind: CtrlType) -> Kind {
    match kind {
        CtrlType::INTEGER => Kind::Integer,
        CtrlType::BOOLEAN => Kind::Boolean,
        CtrlType::MENU | CtrlType::INTEGER_MENU => Kind::Menu,
        CtrlType::BITMASK => Kind::Bitmask,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_capture_device_is_told_apart() {
        let reason = |path| {
            open(path)
                .err()
                .map(|fault| (fault.reason, fault.permanent))
        };
        assert_eq!(
            reason("/dev/streamhub-no-such-device"),
            Some(("DeviceMissing", false))
        );
        assert_eq!(reason("/dev/null"), Some(("NotCaptureDevice", false)));
        assert_eq!(
            reason("/dev/null/video0"),
            Some(("NotCaptureDevice", false))
        );
        let denied = cannot_open(
            "/dev/video0",
            &io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error()),
        );
        assert_eq!(denied.reason, "DeviceDenied");
        assert!(denied.remedy.contains("video"), "{}", denied.remedy);
    }
}
