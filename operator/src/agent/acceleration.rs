//! Hardware that many pods share: render nodes and codecs, as resources that a Camera asks for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linuxvideo::Device;
use streamhub_crds::GROUP;
use streamhub_devices::Role;

use super::patience::Patience;
use super::plugin::{Node, Offer, Resource};
use super::registration::{Ground, Kept, endpoint};

/// Where pods find the nodes: where the machine has them.
const DEV: &str = "/dev";

/// One kind of hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Graphics: VA-API and the like.
    Dri,
    /// Codecs and scalers behind V4L2, memory to memory.
    M2m,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Dri => "dri",
            Self::M2m => "m2m",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Dri => "graphics (/dev/dri/renderD*)",
            Self::M2m => "a V4L2 codec (memory to memory)",
        }
    }
}

/// What the node has of it, and a plugin for each kind.
pub struct Acceleration {
    /// As many pods may share one kind.
    pods: u32,
    ground: Ground,
    plugins: BTreeMap<Kind, Kept>,
    hardware: Arc<Hardware>,
    patience: Patience<[(Kind, Offer); 2]>,
}

impl Acceleration {
    /// Of a machine whose devices are seen in `dev`; so many pods may share one kind, 0 turns it off.
    pub fn new(dev: &Path, pods: u32, ground: Ground) -> Self {
        Self {
            pods,
            ground,
            plugins: BTreeMap::new(),
            hardware: Arc::new(Hardware {
                dev: dev.to_owned(),
                is_codec,
                codecs: Mutex::default(),
            }),
            patience: Patience::default(),
        }
    }

    /// Looks what is there. `cameras` are asked nothing. A driver that hangs leaves all as it was.
    pub async fn look(&mut self, cameras: Vec<PathBuf>) {
        if self.pods == 0 {
            return;
        }
        let hardware = Arc::clone(&self.hardware);
        let looked = self.patience.run(move || hardware.offers(&cameras)).await;
        let offers = match looked {
            Ok(offers) => offers,
            Err(impatient) => {
                self.ground.metrics.failed("acceleration");
                if impatient.is_news() {
                    tracing::error!(error = %impatient, "codecs and render nodes cannot be looked for");
                }
                return;
            }
        };
        for (kind, offer) in offers {
            match self.plugins.get(&kind) {
                Some(plugin) => plugin.offer(offer),
                None if offer.is_empty() => {}
                None => {
                    let resource = resource(kind, self.pods);
                    let plugin = Kept::begin(&self.ground, resource, offer);
                    self.plugins.insert(kind, plugin);
                }
            }
        }
    }
}

/// What the node has.
struct Hardware {
    dev: PathBuf,
    is_codec: fn(&Path) -> io::Result<bool>,
    /// What drivers said, by the node's name, number and time: to open a camera wakes it.
    codecs: Mutex<BTreeMap<(String, u64, i64), bool>>,
}

impl Hardware {
    fn offers(&self, cameras: &[PathBuf]) -> [(Kind, Offer); 2] {
        [
            (Kind::Dri, self.render_nodes()),
            (Kind::M2m, self.codecs(cameras)),
        ]
    }

    fn render_nodes(&self) -> Offer {
        let nodes = names(&self.dev.join("dri"), "renderD");
        nodes
            .into_iter()
            .filter_map(|name| Some(self.node(&format!("dri/{name}"))?.0))
            .collect()
    }

    fn codecs(&self, cameras: &[PathBuf]) -> Offer {
        let before = self.known().clone();
        let mut seen = BTreeMap::new();
        let mut offer = Offer::new();
        for name in names(&self.dev, "video") {
            let Some((node, changed)) = self.node(&name) else {
                continue;
            };
            if cameras.contains(&node.here) {
                continue;
            }
            let key = (name, node.number, changed);
            let known = before.get(&key).copied();
            // One that could not be opened, as its driver was still loading, is asked again.
            let Ok(is_codec) = known.map_or_else(|| (self.is_codec)(&node.here), Ok) else {
                continue;
            };
            seen.insert(key, is_codec);
            if is_codec {
                offer.push(node);
            }
        }
        *self.known() = seen;
        offer
    }

    /// A character device, and when it was changed.
    fn node(&self, name: &str) -> Option<(Node, i64)> {
        let here = self.dev.join(name);
        let file = fs::metadata(&here).ok()?;
        let path = format!("{DEV}/{name}");
        let node = Node {
            here,
            number: file.rdev(),
            host: path.clone(),
            container: path,
        };
        file.file_type()
            .is_char_device()
            .then(|| (node, file.ctime()))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<(String, u64, i64), bool>> {
        self.codecs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resource(kind: Kind, pods: u32) -> Resource {
    Resource {
        name: format!("{GROUP}/{}", kind.name()),
        endpoint: endpoint(kind.name()),
        about: kind.about().to_owned(),
        units: (0..pods)
            .map(|unit| format!("{}-{unit}", kind.name()))
            .collect(),
    }
}

/// Files that begin so and end in a number, by that number.
fn names(folder: &Path, prefix: &str) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<(u32, String)> = files
        .filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let number = name.strip_prefix(prefix)?.parse().ok()?;
            Some((number, name))
        })
        .collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name).collect()
}

fn is_codec(path: &Path) -> io::Result<bool> {
    let can = Device::open(path)?.capabilities()?;
    Ok(Role::of(can.device_capabilities()) == Role::Codec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_that_could_not_be_opened_is_asked_again() {
        fn is_codec(path: &Path) -> io::Result<bool> {
            let loaded = path.with_file_name("loaded").exists();
            loaded.then_some(true).ok_or(io::ErrorKind::NotFound.into())
        }
        let dev = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", dev.path().join("video10")).unwrap();
        let hardware = Hardware {
            dev: dev.path().to_owned(),
            is_codec,
            codecs: Mutex::default(),
        };
        assert_eq!(hardware.codecs(&[]), Offer::new());
        fs::write(dev.path().join("loaded"), "").unwrap();
        assert_eq!(hardware.codecs(&[]).len(), 1);
        fs::remove_file(dev.path().join("loaded")).unwrap();
        // Once it has told, it is left alone.
        assert_eq!(hardware.codecs(&[]).len(), 1);
    }
}
