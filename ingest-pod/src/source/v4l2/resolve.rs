//! Which device a selector means now, and whether the device that this process was given is the promised one.

use std::path::{Path, PathBuf};
use streamhub_crds::{DeviceIdentity, DeviceSelector};
use streamhub_devices::promise::{self, Broken};
use streamhub_devices::{Discovery, Found, Scan, hopeless, host_name};

use super::device::{cannot_open, missing};
use crate::fault::Fault;

/// A device that somebody else chose for this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Where it is.
    pub path: PathBuf,
    /// What it must be.
    pub promised: Option<DeviceIdentity>,
}

/// A promise about a device, to be held against what is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Promise {
    sys: PathBuf,
    identity: DeviceIdentity,
}

impl Promise {
    /// Whether the node at `path` is that device.
    pub fn check(&self, path: &str) -> Result<(), Fault> {
        match promise::check(&self.sys, Path::new(path), &self.identity) {
            Ok(()) => Ok(()),
            Err(Broken::Gone(_)) => Err(missing(path)),
            Err(other @ Broken::Other { .. }) => Err(Fault::transient(
                "DeviceChanged",
                format!(
                    "{path}: another device has the number of the one that was promised: {other}"
                ),
                "nothing, where an operator sees to it: it makes a new pod for the camera once its device is there",
            )),
        }
    }
}

/// Where this process gets its capture devices from.
pub struct Devices {
    given: Option<Given>,
    discovery: Discovery,
    host: String,
}

impl Devices {
    /// The device that was given, or else those of the machine.
    pub fn new(given: Option<Given>, discovery: Discovery) -> Self {
        Self {
            given,
            discovery,
            host: host_name(),
        }
    }

    /// Where devices come and go.
    pub fn folder(&self) -> &Path {
        self.discovery.dev()
    }

    /// What the device that was given must be.
    pub fn promise(&self) -> Option<Promise> {
        let identity = self.given.as_ref()?.promised.clone()?;
        let sys = self.discovery.sys().to_owned();
        Some(Promise { sys, identity })
    }

    /// The path of the device that the selector means now.
    pub fn path(&self, selector: &DeviceSelector) -> Result<String, Fault> {
        if let Some(given) = &self.given {
            let path = given.path.display().to_string();
            return match self.promise() {
                Some(promise) => promise.check(&path).map(|()| path),
                None => Ok(path),
            };
        }
        let path_alone = DeviceSelector {
            device_path: selector.device_path.clone(),
            ..DeviceSelector::default()
        };
        match &selector.device_path {
            // Whatever is there, be it known to sysfs or not.
            Some(path) if *selector == path_alone => Ok(path.as_str().to_owned()),
            _ => self.resolve(selector),
        }
    }

    fn resolve(&self, selector: &DeviceSelector) -> Result<String, Fault> {
        let scan = self
            .discovery
            .candidates(selector, &self.host)
            .map_err(|error| {
                Fault::transient(
                    "DeviceMissing",
                    format!("{selector}: devices cannot be looked for: {error}"),
                    "give the process a sysfs at /sys, or name the device by devicePath alone",
                )
            })?;
        match scan {
            Scan { found, unreadable } if found.is_empty() => Err(match unreadable.first() {
                Some(first) => cannot_open(&first.found.dev_path, &first.error),
                None => self.nothing(selector),
            }),
            Scan { found, .. } => one(selector, &found),
        }
    }

    fn nothing(&self, selector: &DeviceSelector) -> Fault {
        let elsewhere = selector.node.as_ref();
        let elsewhere = elsewhere.filter(|node| !node.as_str().eq_ignore_ascii_case(&self.host));
        let elsewhere = elsewhere.map(|_| format!("this machine is called {}", self.host));
        let why = elsewhere
            .or_else(|| hopeless(selector))
            .unwrap_or_else(|| "no capture device of this machine is that one".to_owned());
        Fault::transient(
            "DeviceMissing",
            format!("{selector}: {why}"),
            "plug the camera in, or correct spec.source.v4l2.deviceSelector: streamhub devices shows what is there",
        )
    }
}

fn one(selector: &DeviceSelector, found: &[Found]) -> Result<String, Fault> {
    match found {
        [
            Found {
                unsupported: Some(why),
                dev_path,
                ..
            },
        ] => Err(Fault::transient(
            "DeviceUnsupported",
            format!("{dev_path}: {why}"),
            "give the camera what another program makes of the device, instead of the device: its RTSP stream as spec.source.rtsp, or its v4l2loopback device",
        )),
        [one] => Ok(one.open_path.display().to_string()),
        many => Err(Fault::transient(
            "DeviceAmbiguous",
            format!(
                "{selector}: {} devices are like that: {}",
                many.len(),
                many.iter().map(described).collect::<Vec<_>>().join("; ")
            ),
            "add what tells yours from the others to spec.source.v4l2.deviceSelector: serial, usbPath or devicePath",
        )),
    }
}

/// `/dev/video0 (HD Webcam, 046d:0825, serial A1B2, usbPath 1-1.4:1.0)`.
fn described(found: &Found) -> String {
    let identity = &found.identity;
    let model = identity.vendor.as_ref().zip(identity.product.as_ref());
    let words = [
        Some(found.card.clone()).filter(|card| !card.is_empty()),
        model.map(|(vendor, product)| format!("{vendor}:{product}")),
        identity
            .serial
            .as_ref()
            .map(|text| format!("serial {text}")),
        identity
            .usb_path
            .as_ref()
            .map(|text| format!("usbPath {text}")),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    format!("{} ({})", found.dev_path, words.join(", "))
}

#[cfg(test)]
mod tests {
    use std::io;

    use streamhub_crds::DeviceFormat;
    use streamhub_devices::{Queried, Query, identity_of};
    use streamhub_testkit::sysfs::{Bus, Machine, usb};

    use super::*;

    /// A driver for which every node captures: raw pictures of a sensor where it is no USB camera.
    struct Driver;

    impl Query for Driver {
        fn query(&self, _: &Path, (_, minor): (u32, u32)) -> io::Result<Queried> {
            if minor >= 90 {
                return Err(io::Error::from_raw_os_error(13));
            }
            let fourcc = if minor >= 40 { "RG10" } else { "MJPG" };
            Ok(Queried {
                captures: true,
                formats: vec![DeviceFormat {
                    fourcc: fourcc.to_owned(),
                    ..DeviceFormat::default()
                }],
                ..Queried::default()
            })
        }
    }

    fn devices(machine: &Machine, given: Option<Given>) -> Devices {
        let discovery = Discovery::new(machine.sys(), machine.dev(), Driver);
        Devices {
            host: "desk".to_owned(),
            ..Devices::new(given, discovery)
        }
    }

    fn selector(yaml: &str) -> DeviceSelector {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_device_is_found_wherever_it_is_plugged_in() {
        let machine = Machine::new().unwrap();
        let devices = devices(&machine, None);
        let path = |yaml: &str| devices.path(&selector(yaml));
        let numbered = "{serial: A1B2}";
        assert_eq!(path(numbered).unwrap_err().reason, "DeviceMissing");
        machine.plug(0, usb("1-1", Some("A1B2")), 0, "One").unwrap();
        let at = |number: u32| Ok(format!("{}/video{number}", machine.dev().display()));
        assert_eq!(path(numbered), at(0));
        machine.unplug(0).unwrap();
        assert_eq!(path(numbered).unwrap_err().reason, "DeviceMissing");
        machine.plug(4, usb("3-1", Some("A1B2")), 0, "One").unwrap();
        assert_eq!(path(numbered), at(4));
        assert_eq!(path("{serial: A1B2, node: desk}"), at(4));
    }

    #[test]
    fn a_path_alone_is_opened_as_it_is() {
        let machine = Machine::new().unwrap();
        let path = devices(&machine, None).path(&selector("{devicePath: /dev/camera}"));
        assert_eq!(path.as_deref(), Ok("/dev/camera"));
    }

    #[test]
    fn what_is_not_one_device_is_said() {
        let machine = Machine::new().unwrap();
        machine.plug(0, usb("1-1", None), 0, "HD Webcam").unwrap();
        machine.plug(2, usb("1-2", Some("A1B2")), 0, "").unwrap();
        machine
            .plug(40, Bus::Platform("unicam"), 0, "unicam")
            .unwrap();
        machine.link("v4l/by-path/csi", 40).unwrap();
        machine.plug(90, usb("1-9", None), 0, "Locked").unwrap();
        let devices = devices(&machine, None);
        let fault = |yaml: &str| devices.path(&selector(yaml)).unwrap_err();

        let many = fault("{vendor: \"046d\"}");
        assert_eq!(many.reason, "DeviceAmbiguous");
        assert_eq!(
            many.message,
            "vendor 046d: 2 devices are like that: /dev/video0 (HD Webcam, 046d:0825, usbPath 1-1:1.0); \
             /dev/video2 (046d:0825, serial A1B2, usbPath 1-2:1.0)"
        );
        let elsewhere = fault("{serial: A1B2, node: attic}");
        assert_eq!(elsewhere.reason, "DeviceMissing");
        assert!(
            elsewhere.message.ends_with("this machine is called desk"),
            "{elsewhere}"
        );
        let none = fault("{serial: \"0000\"}");
        assert_eq!(none.reason, "DeviceMissing");
        assert!(none.message.contains("counts as none"), "{none}");
        let raw = fault("{node: desk, devicePath: /dev/v4l/by-path/csi}");
        assert_eq!(raw.reason, "DeviceUnsupported");
        assert!(raw.message.contains("libcamera"), "{raw}");
        assert_eq!(fault("{usbPath: 1-9}").reason, "DeviceDenied");
        assert!([many, elsewhere, raw].iter().all(|fault| !fault.permanent));
    }

    #[test]
    fn a_device_that_was_given_is_taken_if_it_is_the_promised_one() {
        let machine = Machine::new().unwrap();
        machine.plug(0, usb("1-1", Some("A1B2")), 0, "One").unwrap();
        let promised = identity_of(&machine.sys(), 81, 0).unwrap();
        // The number of /dev/null.
        machine.renumber(0, (1, 3)).unwrap();
        let given = |promised| Given {
            path: PathBuf::from("/dev/null"),
            promised,
        };
        let path = |promised| {
            let devices = devices(&machine, Some(given(promised)));
            devices.path(&selector("{serial: OTHER1}"))
        };
        assert_eq!(path(None).as_deref(), Ok("/dev/null"));
        assert_eq!(path(Some(promised.clone())).as_deref(), Ok("/dev/null"));
        let another = DeviceIdentity {
            serial: Some("C3D4".to_owned()),
            ..promised.clone()
        };
        let fault = path(Some(another)).unwrap_err();
        assert_eq!((fault.reason, fault.permanent), ("DeviceChanged", false));
        assert!(fault.message.contains("serial A1B2"), "{fault}");
        machine.unplug(0).unwrap();
        assert_eq!(path(Some(promised)).unwrap_err().reason, "DeviceMissing");
    }
}
