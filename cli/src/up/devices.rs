//! Which devices the cameras mean now: of two that mean the same one, however they say so, only one may run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use streamhub_crds::{Camera, DeviceSelector};
use streamhub_devices::{Discovery, Found, host_name};
use streamhub_plan::{CameraKey, selectors};

/// For a driver; what it answers later is known at the next look.
const PATIENCE: Duration = Duration::from_secs(2);

/// What each camera means.
type Meant = BTreeMap<CameraKey, Vec<String>>;

/// Knows which devices the cameras mean.
pub struct Devices {
    discovery: Arc<Discovery>,
    meant: Meant,
}

impl Devices {
    /// Of the cameras of this machine.
    pub fn new(discovery: Discovery) -> Self {
        Self {
            discovery: Arc::new(discovery.with_patience(PATIENCE)),
            meant: Meant::new(),
        }
    }

    /// Looks what the cameras mean now; whether that is something else than before. No device is touched that none means.
    pub async fn look(&mut self, cameras: &[Camera]) -> bool {
        let wanted: Vec<(CameraKey, DeviceSelector)> = cameras
            .iter()
            .filter(|camera| camera.spec.enabled)
            .flat_map(|camera| selectors(camera).map(|one| (CameraKey::of(camera), one.clone())))
            .collect();
        let discovery = Arc::clone(&self.discovery);
        let looked = tokio::task::spawn_blocking(move || meant(&discovery, wanted)).await;
        let now = looked.unwrap_or_else(|error| {
            tracing::error!(%error, "devices cannot be looked for");
            Meant::new()
        });
        let changed = now != self.meant;
        self.meant = now;
        changed
    }

    /// What a camera means, as far as it is known.
    pub fn of(&self, camera: &CameraKey) -> Vec<String> {
        self.meant.get(camera).cloned().unwrap_or_default()
    }
}

fn meant(discovery: &Discovery, wanted: Vec<(CameraKey, DeviceSelector)>) -> Meant {
    let host = host_name();
    let mut meant = Meant::new();
    for (key, selector) in wanted {
        // Where there is no sysfs to look at, each process says so itself; nor is one of several meant.
        let found = discovery
            .candidates(&selector, &host)
            .map(|scan| scan.found);
        if let Ok([Found { dev_path, card, .. }]) = found.as_deref() {
            let shown = format!("{dev_path} ({})", crate::table::plain(card));
            meant.entry(key).or_default().push(shown);
        }
    }
    meant
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use streamhub_crds::parse_camera;
    use streamhub_devices::{Queried, Query};
    use streamhub_testkit::sysfs::{Machine, usb};

    use super::*;

    struct Driver;

    impl Query for Driver {
        fn query(&self, _: &Path, (_, minor): (u32, u32)) -> io::Result<Queried> {
            // Every second node of a camera has metadata.
            let captures = minor % 2 == 0;
            Ok(Queried {
                captures,
                ..Queried::default()
            })
        }
    }

    fn camera(name: &str, selector: &str, rest: &str) -> Camera {
        parse_camera(&format!(
            "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: {name}}}\n\
             spec: {{source: {{v4l2: {{deviceSelector: {{{selector}}}}}}}{rest}}}\n"
        ))
        .unwrap()
    }

    #[tokio::test]
    async fn different_selectors_lead_to_one_device_while_it_is_there() {
        let machine = Machine::new().unwrap();
        let webcam = usb("1-1", Some("A1B2"));
        machine.plug(0, webcam, 0, "HD Webcam").unwrap();
        machine.plug(1, webcam, 1, "HD Webcam").unwrap();
        machine.plug(2, usb("1-2", None), 0, "Other").unwrap();
        let cameras = [
            camera("a", "serial: A1B2", ""),
            camera("b", "devicePath: /dev/video0", ""),
            camera("many", "vendor: '046d'", ""),
            camera("disabled", "serial: A1B2", ", enabled: false"),
        ];
        let mut devices = Devices::new(Discovery::new(machine.sys(), machine.dev(), Driver));
        let meant = |devices: &Devices| -> Vec<Vec<String>> {
            let keys = cameras.iter().map(CameraKey::of);
            keys.map(|key| devices.of(&key)).collect()
        };
        assert!(devices.look(&cameras).await);
        let one = vec!["/dev/video0 (HD Webcam)".to_owned()];
        assert_eq!(meant(&devices), [one.clone(), one, vec![], vec![]]);
        assert!(!devices.look(&cameras).await);
        machine.unplug(0).unwrap();
        assert!(devices.look(&cameras).await);
        assert!(devices.of(&CameraKey::of(&cameras[0])).is_empty());
    }
}
