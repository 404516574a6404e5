//! A machine's sysfs and devices as files, with cameras that are plugged in and out by a test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// Where a camera is attached.
#[derive(Debug, Clone, Copy)]
pub enum Bus<'a> {
    /// An interface of a USB device.
    Usb {
        /// Where the device is: `1-1.4`.
        port: &'a str,
        /// Its interface: `1.0`.
        interface: &'a str,
        /// Vendor and product.
        id: (&'a str, &'a str),
        /// Serial number, as the device has it.
        serial: Option<&'a str>,
    },
    /// A PCI function: `0000:03:00.0`.
    Pci(&'a str),
    /// A platform device: `vivid.0`.
    Platform(&'a str),
    /// None.
    Virtual,
}

/// A USB camera with one interface.
pub fn usb<'a>(port: &'a str, serial: Option<&'a str>) -> Bus<'a> {
    Bus::Usb {
        port,
        interface: "1.0",
        id: ("046d", "0825"),
        serial,
    }
}

/// A sysfs and a folder of devices; they go with this value.
#[derive(Debug)]
pub struct Machine {
    folder: TempDir,
}

impl Machine {
    /// One without cameras.
    pub fn new() -> Result<Self> {
        let folder = TempDir::with_prefix("streamhub-machine-")?;
        for part in ["sys/class/video4linux", "sys/dev/char", "dev"] {
            fs::create_dir_all(folder.path().join(part))?;
        }
        Ok(Self { folder })
    }

    /// Its sysfs.
    pub fn sys(&self) -> PathBuf {
        self.folder.path().join("sys")
    }

    /// Its devices, as files that are none.
    pub fn dev(&self) -> PathBuf {
        self.folder.path().join("dev")
    }

    /// Plugs in a camera that gets this number; `index` counts the nodes of one interface.
    pub fn plug(&self, number: u32, bus: Bus, index: u32, name: &str) -> Result<()> {
        let parent = self.parent(bus)?;
        let node = parent.join(format!("video4linux/video{number}"));
        fs::create_dir_all(&node)?;
        write(&node, "dev", &format!("81:{number}"))?;
        write(&node, "index", &index.to_string())?;
        write(&node, "name", name)?;
        if !matches!(bus, Bus::Virtual) {
            symlink(&parent, node.join("device"))?;
        }
        symlink("/bus/video4linux", node.join("subsystem"))?;
        let class = self.sys().join(format!("class/video4linux/video{number}"));
        symlink(&node, class)?;
        symlink(&node, self.sys().join(format!("dev/char/81:{number}")))?;
        fs::write(self.dev().join(format!("video{number}")), "")?;
        Ok(())
    }

    /// Gives the camera with this number the device number of a node that is there, such as that of `/dev/null`.
    pub fn renumber(&self, number: u32, (major, minor): (u32, u32)) -> Result<()> {
        let class = self.sys().join(format!("class/video4linux/video{number}"));
        let node = fs::canonicalize(class)?;
        write(&node, "dev", &format!("{major}:{minor}"))?;
        let link = self.sys().join(format!("dev/char/{major}:{minor}"));
        Ok(symlink(node, link)?)
    }

    /// Makes a link as udev does: `v4l/by-id/usb-cam-video-index0`.
    pub fn link(&self, link: &str, number: u32) -> Result<()> {
        let link = self.dev().join(link);
        fs::create_dir_all(link.parent().context("a link in a folder")?)?;
        Ok(symlink(self.dev().join(format!("video{number}")), link)?)
    }

    /// Unplugs the camera with this number.
    pub fn unplug(&self, number: u32) -> Result<()> {
        let class = self.sys().join(format!("class/video4linux/video{number}"));
        let node = fs::canonicalize(&class)?;
        fs::remove_file(class)?;
        fs::remove_file(self.sys().join(format!("dev/char/81:{number}")))?;
        fs::remove_dir_all(node)?;
        fs::remove_file(self.dev().join(format!("video{number}")))?;
        Ok(())
    }

    fn parent(&self, bus: Bus) -> Result<PathBuf> {
        let devices = self.sys().join("devices");
        let pci = devices.join("pci0000:00/0000:00:14.0");
        let (parent, subsystem) = match bus {
            Bus::Usb {
                port,
                interface,
                id: (vendor, product),
                serial,
            } => {
                let device = pci.join("usb1").join(port);
                fs::create_dir_all(&device)?;
                write(&device, "idVendor", vendor)?;
                write(&device, "idProduct", product)?;
                if let Some(serial) = serial {
                    write(&device, "serial", serial)?;
                }
                let parent = device.join(format!("{port}:{interface}"));
                fs::create_dir_all(&parent)?;
                write(&parent, "bInterfaceNumber", "00")?;
                (parent, "usb")
            }
            Bus::Pci(name) => {
                let parent = devices.join("pci0000:00").join(name);
                fs::create_dir_all(&parent)?;
                write(&parent, "vendor", "0x14F1")?;
                write(&parent, "device", "0x8880")?;
                (parent, "pci")
            }
            Bus::Platform(name) => (devices.join("platform").join(name), "platform"),
            Bus::Virtual => {
                let parent = devices.join("virtual");
                fs::create_dir_all(&parent)?;
                return Ok(parent);
            }
        };
        fs::create_dir_all(&parent)?;
        let link = parent.join("subsystem");
        if !link.is_symlink() {
            symlink(format!("/bus/{subsystem}"), link)?;
            symlink(format!("/drivers/{subsystem}video"), parent.join("driver"))?;
        }
        Ok(parent)
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    Ok(fs::write(folder.join(name), format!("{text}\n"))?)
}
