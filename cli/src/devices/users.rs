//! Which processes have a device open.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{major, minor};
use serde::Serialize;
use streamhub_devices::Found;

use crate::up::runtime::Runtime;

/// A process that has a device open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct User {
    /// Its process id.
    pub pid: u32,
    /// Its program.
    pub command: String,
    /// The camera of a running `up` that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
}

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match &self.camera {
            Some(camera) => write!(formatter, "camera {camera} ({})", self.pid),
            None => write!(formatter, "{} ({})", self.command, self.pid),
        }
    }
}

/// All that may be known: root sees everybody's, others only their own.
#[derive(Debug, Default)]
pub struct Users(BTreeMap<(u32, u32), Vec<User>>);

impl Users {
    /// Those of one device.
    pub fn of(&self, found: &Found) -> &[User] {
        let users = self.0.get(&(found.major, found.minor));
        users.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Looks through `/proc`; processes of these `up` are called by the names of their cameras.
pub fn all(ups: Vec<Runtime>) -> Users {
    let cameras = ups.into_iter().flat_map(|up| up.cameras);
    let cameras: BTreeMap<u32, String> = cameras
        .filter_map(|camera| Some((camera.pid?, camera.name)))
        .collect();
    let mut users = Users::default();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let user = User {
            pid,
            command: command(&entry.path()),
            camera: cameras.get(&pid).cloned(),
        };
        for device in open_devices(&entry.path().join("fd")) {
            let known = users.0.entry(device).or_default();
            if !known.contains(&user) {
                known.push(user.clone());
            }
        }
    }
    users
}

/// The name of a process, of which the kernel keeps 15 characters.
fn command(process: &Path) -> String {
    let short = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let program = fs::read_link(process.join("exe")).unwrap_or_default();
    let program = program.file_name().map(|name| name.to_string_lossy());
    let whole = program.filter(|name| name.starts_with(short.trim()));
    whole.map_or_else(|| short.trim().to_owned(), Cow::into_owned)
}

/// Numbers of the devices that files of a process are.
fn open_devices(files: &Path) -> Vec<(u32, u32)> {
    let entries = fs::read_dir(files).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .filter(|file| file.file_type().is_char_device())
        .map(|file| (major(file.rdev()), minor(file.rdev())))
        .collect()
}

#[cfg(test)]
pub mod tests {
    use std::path::PathBuf;

    use streamhub_crds::{DeviceFormat, DeviceIdentity, DeviceSize};

    use super::*;
    use crate::up::runtime::CameraProcess;

    /// A USB camera with this number.
    pub fn found(number: u32) -> Found {
        let size = |width, height, fps: &[&str], from: Option<&str>| DeviceSize {
            width,
            height,
            fps: fps.iter().map(ToString::to_string).collect(),
            from: from.map(str::to_owned),
        };
        let format = |fourcc: &str, size| DeviceFormat {
            fourcc: fourcc.to_owned(),
            sizes: vec![size],
        };
        Found {
            identity: DeviceIdentity {
                bus: "usb".to_owned(),
                vendor: Some("046d".to_owned()),
                product: Some("0825".to_owned()),
                serial: Some("A1B2".to_owned()),
                usb_path: Some("1-1.4:1.0".to_owned()),
                path: "usb-1-1.4:1.0".to_owned(),
                index: 0,
            },
            dev_path: format!("/dev/video{number}"),
            open_path: PathBuf::from(format!("/dev/video{number}")),
            links: Vec::new(),
            major: 81,
            minor: number,
            card: "HD Webcam".to_owned(),
            driver: "uvcvideo".to_owned(),
            gid: 44,
            formats: vec![
                format("MJPG", size(1920, 1080, &["30", "15"], None)),
                format("YUYV", size(640, 480, &[], Some("32x32"))),
            ],
            unsupported: None,
        }
    }

    /// One process that has the camera with this number.
    pub fn using(number: u32, pid: u32, command: &str) -> Users {
        let user = User {
            pid,
            command: command.to_owned(),
            camera: None,
        };
        Users(BTreeMap::from([((81, number), vec![user])]))
    }

    #[test]
    fn whoever_has_a_device_open_is_found() {
        let _open = fs::File::open("/dev/zero").unwrap();
        let mut zero = found(0);
        (zero.major, zero.minor) = (1, 5);
        let users = all(Vec::new());
        let own = std::process::id();
        assert!(
            users.of(&zero).iter().any(|user| user.pid == own),
            "{users:?}"
        );
    }

    #[test]
    fn a_camera_of_an_up_is_called_by_its_name() {
        let _open = fs::File::open("/dev/full").unwrap();
        let mut full = found(0);
        (full.major, full.minor) = (1, 7);
        let camera = |name: &str, pid| CameraProcess {
            name: name.to_owned(),
            pid,
            ..CameraProcess::default()
        };
        let own = std::process::id();
        let up = Runtime {
            // The second is between two lives.
            cameras: vec![camera("desk", Some(own)), camera("yard", None)],
            ..Runtime::default()
        };
        let users = all(vec![up]);
        let users = users.of(&full).iter().filter(|user| user.pid == own);
        let shown: Vec<String> = users.map(User::to_string).collect();
        assert_eq!(shown, [format!("camera desk ({own})")]);
    }
}
