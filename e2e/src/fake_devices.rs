//! Cameras that are a device node and a few files: what a node agent finds where no driver is.

use std::fmt::Write as _;

use anyhow::Result;

use crate::Faults;

/// What the nodes of `e2e/cluster` keep of their devices.
const FOLDER: &str = "/var/lib/streamhub-e2e";

/// A camera at a USB port.
#[derive(Debug, Clone)]
pub struct FakeCamera {
    /// Where it is: `1-1.4`.
    pub port: String,
    /// Its serial number, as it reports it.
    pub serial: String,
    /// What its driver calls it.
    pub card: String,
}

impl FakeCamera {
    /// One of a maker's many.
    pub fn new(port: &str, serial: &str) -> Self {
        Self {
            port: port.to_owned(),
            serial: serial.to_owned(),
            card: "HD Pro Webcam C920".to_owned(),
        }
    }

    /// The same one at another port.
    #[must_use]
    pub fn at(&self, port: &str) -> Self {
        Self {
            port: port.to_owned(),
            ..self.clone()
        }
    }
}

/// The cameras of one node; unplugged when this is dropped.
#[derive(Debug)]
pub struct FakeDevices {
    faults: Faults,
    node: &'static str,
}

impl FakeDevices {
    /// Vendor and product of each.
    pub const MODEL: (&str, &str) = ("046d", "0892");

    /// None yet.
    pub fn on(faults: &Faults, node: &'static str) -> Result<Self> {
        let devices = Self {
            faults: faults.clone(),
            node,
        };
        devices.unplug_all()?;
        Ok(devices)
    }

    /// The node.
    pub fn node(&self) -> &'static str {
        self.node
    }

    /// Plugs one in, which becomes `/dev/videoNUMBER`.
    pub fn plug(&self, number: u32, camera: &FakeCamera) -> Result<()> {
        self.plug_all(&[(number, camera)])
    }

    /// The same with many at once.
    pub fn plug_all(&self, cameras: &[(u32, &FakeCamera)]) -> Result<()> {
        let mut script = format!("cd {FOLDER}\n");
        for (number, camera) in cameras {
            write_plug(&mut script, *number, camera)?;
        }
        self.faults.exec(self.node, &script).map(drop)
    }

    /// Takes the one of this number away.
    pub fn unplug(&self, number: u32) -> Result<()> {
        let script = format!(
            "cd {FOLDER}
             video=$(realpath sys/class/video4linux/video{number})
             rm -f sys/class/video4linux/video{number} sys/dev/char/81:{number}
             rm -rf \"${{video%/*/*/*}}\"
             rm -f dev/video{number} /dev/video{number}"
        );
        self.faults.exec(self.node, &script).map(drop)
    }

    /// Gives the node a render node, `/dev/dri/renderD128`, unless its machine has graphics of its own.
    pub fn add_graphics(&self) -> Result<()> {
        let script = "[[ ! -e /dev/dri ]] || exit 0
             mkdir /dev/dri
             mknod -m 666 /dev/dri/renderD128 c 226 128";
        self.faults.exec(self.node, script).map(drop)
    }

    /// Takes all away.
    pub fn unplug_all(&self) -> Result<()> {
        let script = format!(
            "mkdir -p {FOLDER}/sys {FOLDER}/dev
             cd {FOLDER}
             rm -rf sys/* dev/* /dev/video*
             mountpoint -q /dev/dri || rm -rf /dev/dri
             mkdir -p sys/class/video4linux sys/dev/char"
        );
        self.faults.exec(self.node, &script).map(drop)
    }
}

impl Drop for FakeDevices {
    fn drop(&mut self) {
        // A node that is dead has no devices either.
        if let Err(error) = self.unplug_all() {
            eprintln!("{error:#}");
        }
    }
}

// As in sysfs, links lead from one place in the tree to another, wherever the tree is seen.
fn write_plug(script: &mut String, number: u32, camera: &FakeCamera) -> Result<()> {
    let FakeCamera { port, serial, card } = camera;
    let (vendor, product) = FakeDevices::MODEL;
    let device = format!("devices/pci0000:00/usb1/{port}");
    let interface = format!("{device}/{port}:1.0");
    let video = format!("{interface}/video4linux/video{number}");
    writeln!(
        script,
        "mkdir -p sys/class/video4linux sys/dev/char sys/{video}
         echo {vendor} > sys/{device}/idVendor
         echo {product} > sys/{device}/idProduct
         echo '{serial}' > sys/{device}/serial
         echo 00 > sys/{interface}/bInterfaceNumber
         ln -sfn ../../../../../bus/usb sys/{interface}/subsystem
         ln -sfn ../../../../../bus/usb/drivers/uvcvideo sys/{interface}/driver
         echo 0 > sys/{video}/index
         echo '{card}' > sys/{video}/name
         echo 81:{number} > sys/{video}/dev
         ln -sfn ../../../{port}:1.0 sys/{video}/device
         ln -sfn ../../{video} sys/class/video4linux/video{number}
         ln -sfn ../../{video} sys/dev/char/81:{number}
         for folder in dev /dev; do
             rm -f $folder/video{number}
             mknod -m 660 $folder/video{number} c 81 {number}
             chown root:video $folder/video{number}
         done"
    )?;
    Ok(())
}
