//! Discovery on machines whose sysfs and devices are files.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests may"
)]

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use streamhub_crds::{DeviceFormat, DeviceSelector};
use streamhub_devices::{Discovery, Queried, Query, Scan, Watch, identity_of};
use streamhub_testkit::sysfs::{Bus, Machine, usb};

/// Answers by the names of the nodes, and counts how often it was asked.
#[derive(Clone, Default)]
struct Driver(Arc<AtomicUsize>);

impl Query for Driver {
    fn query(&self, path: &Path, (_, minor): (u32, u32)) -> io::Result<Queried> {
        assert!(path.exists());
        self.0.fetch_add(1, Ordering::Relaxed);
        match minor {
            90.. => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
            // The second node of a USB camera has metadata.
            minor if minor % 2 == 1 => Ok(Queried::default()),
            _ => Ok(Queried {
                captures: true,
                driver: "uvcvideo".to_owned(),
                formats: vec![DeviceFormat {
                    fourcc: if minor == 40 { "RG10" } else { "MJPG" }.to_owned(),
                    ..DeviceFormat::default()
                }],
                ..Queried::default()
            }),
        }
    }
}

fn look(machine: &Machine) -> Scan {
    Discovery::new(machine.sys(), machine.dev(), Driver::default())
        .scan()
        .unwrap()
}

#[test]
fn cameras_are_found_with_what_tells_them_apart() {
    let machine = Machine::new().unwrap();
    assert!(look(&machine).found.is_empty());
    let desk = usb("1-1.4", Some("A1B2"));
    machine.plug(10, desk, 0, "HD Webcam").unwrap();
    machine.plug(11, desk, 1, "HD Webcam").unwrap();
    machine.link("v4l/by-id/usb-desk-video-index0", 10).unwrap();
    machine.link("desk", 10).unwrap();
    machine
        .plug(2, usb("1-2", Some("0000")), 0, "Cheap")
        .unwrap();
    machine
        .plug(4, Bus::Platform("vivid.0"), 0, "vivid-000")
        .unwrap();
    machine
        .plug(6, Bus::Platform("vivid.0"), 0, "vivid-001")
        .unwrap();
    machine.plug(8, Bus::Virtual, 0, "Dummy").unwrap();
    machine
        .plug(20, Bus::Pci("0000:03:00.0"), 0, "cx23885")
        .unwrap();
    machine
        .plug(40, Bus::Platform("unicam"), 0, "unicam")
        .unwrap();
    machine.plug(90, usb("1-3", None), 0, "Locked").unwrap();

    let scan = look(&machine);
    let shown: Vec<String> = scan
        .found
        .iter()
        .map(|found| {
            let is = &found.identity;
            let serial = is.serial.as_deref().unwrap_or("-");
            let unsupported = if found.unsupported.is_some() {
                " !"
            } else {
                ""
            };
            format!(
                "{} {} {serial} {}{unsupported}",
                found.dev_path, is.path, found.card
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "/dev/video2 usb-1-2:1.0 - Cheap",
            "/dev/video4 platform-vivid.0 - vivid-000",
            "/dev/video6 platform-vivid.0+1 - vivid-001",
            "/dev/video8 virtual-video8 - Dummy",
            "/dev/video10 usb-1-1.4:1.0 A1B2 HD Webcam",
            "/dev/video20 pci-0000:03:00.0 - cx23885",
            "/dev/video40 platform-unicam - unicam !",
        ]
    );
    assert_eq!(scan.unreadable.len(), 1);
    assert_eq!(scan.unreadable[0].found.dev_path, "/dev/video90");

    let desk = &scan.found[4];
    assert_eq!(
        desk.links,
        ["/dev/desk", "/dev/v4l/by-id/usb-desk-video-index0"]
    );
    assert_eq!(
        (desk.major, desk.minor, desk.driver.as_str()),
        (81, 10, "uvcvideo")
    );
    assert_eq!(desk.open_path, machine.dev().join("video10"));
    let is = &desk.identity;
    assert_eq!((is.bus.as_str(), is.index), ("usb", 0));
    assert_eq!(is.vendor.as_deref(), Some("046d"));
    assert_eq!(is.product.as_deref(), Some("0825"));
    assert_eq!(is.usb_path.as_deref(), Some("1-1.4:1.0"));
    assert_eq!(*is, identity_of(&machine.sys(), 81, 10).unwrap());
    let card = &scan.found[5].identity;
    assert_eq!(card.vendor.as_deref(), Some("14f1"));
    assert!(identity_of(&machine.sys(), 81, 11).unwrap().index == 1);
    assert!(identity_of(&machine.sys(), 81, 12).is_err());
}

#[test]
fn only_what_a_selector_means_is_asked_and_only_once() {
    let machine = Machine::new().unwrap();
    machine.plug(0, usb("1-1", Some("A1B2")), 0, "One").unwrap();
    machine
        .plug(2, usb("1-2", Some("C3D4")), 0, "Other")
        .unwrap();
    let driver = Driver::default();
    let discovery = Discovery::new(machine.sys(), machine.dev(), driver.clone());
    let selector = DeviceSelector {
        serial: Some("C3D4".parse().unwrap()),
        ..DeviceSelector::default()
    };
    let candidates = || discovery.candidates(&selector, "here").unwrap().found;
    assert_eq!(candidates()[0].dev_path, "/dev/video2");
    candidates();
    assert_eq!(driver.0.load(Ordering::Relaxed), 1);
    discovery.scan().unwrap();
    assert_eq!(driver.0.load(Ordering::Relaxed), 2);

    machine.unplug(2).unwrap();
    assert!(candidates().is_empty());
    machine
        .plug(6, usb("1-4", Some("C3D4")), 0, "Other")
        .unwrap();
    assert_eq!(candidates()[0].dev_path, "/dev/video6");
    assert_eq!(driver.0.load(Ordering::Relaxed), 3);
}

/// A camera that wakes up tells its formats when it is asked for the second time.
#[derive(Clone, Default)]
struct Sleepy(Arc<AtomicUsize>);

impl Query for Sleepy {
    fn query(&self, _: &Path, _: (u32, u32)) -> io::Result<Queried> {
        let awake = self.0.fetch_add(1, Ordering::Relaxed) > 0;
        let format = DeviceFormat {
            fourcc: "MJPG".to_owned(),
            ..DeviceFormat::default()
        };
        Ok(Queried {
            captures: true,
            formats: Vec::from_iter(awake.then_some(format)),
            ..Queried::default()
        })
    }
}

#[test]
fn a_camera_that_told_no_format_is_asked_again() {
    let machine = Machine::new().unwrap();
    machine.plug(0, usb("1-1", Some("A1B2")), 0, "One").unwrap();
    let driver = Sleepy::default();
    let discovery = Discovery::new(machine.sys(), machine.dev(), driver.clone());
    let formats = || discovery.scan().unwrap().found[0].formats.len();
    assert_eq!([formats(), formats(), formats()], [0, 1, 1]);
    assert_eq!(driver.0.load(Ordering::Relaxed), 2);
}

/// Hangs when it is asked for `/dev/video0` or `/dev/video6`, until it is told to go on.
#[derive(Clone)]
struct Hanging {
    asked: Arc<AtomicUsize>,
    wake: Arc<Mutex<Receiver<()>>>,
}

impl Query for Hanging {
    fn query(&self, path: &Path, device: (u32, u32)) -> io::Result<Queried> {
        if matches!(device.1, 0 | 6) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.wake.lock().unwrap().recv().unwrap();
        }
        Driver::default().query(path, device)
    }
}

#[test]
fn a_driver_that_hangs_is_asked_once_and_keeps_no_other_device_from_being_found() {
    let machine = Machine::new().unwrap();
    machine
        .plug(0, usb("1-1", Some("A1B2")), 0, "Hung")
        .unwrap();
    machine.plug(2, usb("1-2", None), 0, "One").unwrap();
    let (wake, sleeping) = channel();
    let driver = Hanging {
        asked: Arc::default(),
        wake: Arc::new(Mutex::new(sleeping)),
    };
    // So long that a machine that stands still takes no other device for one that hangs.
    let patience = Duration::from_secs(3);
    let discovery =
        Discovery::new(machine.sys(), machine.dev(), driver.clone()).with_patience(patience);
    let look = || {
        let Scan { found, unreadable } = discovery.scan().unwrap();
        let paths: Vec<String> = found.into_iter().map(|found| found.dev_path).collect();
        (paths, unreadable)
    };
    let begin = Instant::now();
    let (found, unreadable) = look();
    assert_eq!(found, ["/dev/video2"]);
    assert_eq!(unreadable[0].found.dev_path, "/dev/video0");
    assert_eq!(unreadable[0].error.kind(), io::ErrorKind::TimedOut);
    assert!(begin.elapsed() < 5 * patience);
    // It is not waited for again, nor asked again when it is plugged in anew.
    machine.plug(4, usb("1-3", None), 0, "New").unwrap();
    let begin = Instant::now();
    assert_eq!(look().0, ["/dev/video2", "/dev/video4"]);
    machine.unplug(0).unwrap();
    assert!(look().1.is_empty());
    machine
        .plug(6, usb("1-1", Some("A1B2")), 0, "Hung")
        .unwrap();
    assert_eq!(look().1.len(), 1);
    assert!(begin.elapsed() < patience);
    assert_eq!(driver.asked.load(Ordering::Relaxed), 1);
    // What it says of the device of before does not count.
    wake.send(()).unwrap();
    wake.send(()).unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while look().0.len() < 3 {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(driver.asked.load(Ordering::Relaxed), 2);
}

#[test]
fn a_machine_without_sysfs_is_told() {
    let discovery = Discovery::new("/nonexistent", "/dev", Driver::default());
    let error = discovery.scan().unwrap_err();
    assert!(error.to_string().contains("/nonexistent/class"), "{error}");
}

#[tokio::test]
async fn a_change_is_told_soon() {
    let machine = Machine::new().unwrap();
    let watch = Watch::new(&machine.dev());
    assert!(!watch.stirred());
    let changed = async {
        watch.changed().await;
        machine.link("v4l/by-id/one", 0).unwrap();
        watch.changed().await;
    };
    let plugged = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        machine.plug(0, usb("1-1", None), 0, "One").unwrap();
    };
    let soon = Duration::from_secs(30);
    tokio::time::timeout(soon, async { tokio::join!(changed, plugged) })
        .await
        .unwrap();
    assert!(!watch.stirred());
    machine.unplug(0).unwrap();
    assert!(watch.stirred());
}
