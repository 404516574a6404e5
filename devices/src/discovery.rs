//! The capture devices that are there now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use streamhub_crds::{DeviceFormat, DeviceIdentity, DeviceSelector};

use crate::ask::{Asker, Plug, plug};
use crate::query::{Queried, Query, V4l2};
use crate::select::{Seen, matches};
use crate::sysfs::{Node, nodes};
use crate::unsupported;

/// Where people and Cameras look for devices, wherever they are seen from.
const DEV: &str = "/dev";
/// A camera that wakes up needs a few seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// A capture device that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What tells it from others.
    pub identity: DeviceIdentity,
    /// Where it is for people and Cameras: `/dev/video0`.
    pub dev_path: String,
    /// Where this process can open it: the same, unless the machine's devices are seen elsewhere.
    pub open_path: PathBuf,
    /// Links that lead there: those in `/dev/v4l/by-id` and `/dev/v4l/by-path`, and those of one's own in `/dev`.
    pub links: Vec<String>,
    /// Major part of its device number.
    pub major: u32,
    /// Minor part of its device number.
    pub minor: u32,
    /// What the driver calls it.
    pub card: String,
    /// Its driver.
    pub driver: String,
    /// The group that may open it.
    pub gid: u32,
    /// What it offers.
    pub formats: Vec<DeviceFormat>,
    /// Why no picture comes of it, and what to do instead; absent where one does.
    pub unsupported: Option<String>,
}

impl Found {
    /// What a selector can name of it; `node` is the machine's name.
    pub fn seen<'a>(&'a self, node: &'a str) -> Seen<'a> {
        Seen {
            identity: &self.identity,
            device_path: &self.dev_path,
            links: &self.links,
            node,
        }
    }
}

/// A video node that may be a capture device: its driver could not be asked.
#[derive(Debug)]
pub struct Unreadable {
    /// What is known of it without its driver.
    pub found: Found,
    /// What went wrong; of the kind `NotFound` where there is nothing to open, `TimedOut` where the driver does not answer.
    pub error: io::Error,
}

/// What a look at a machine finds.
#[derive(Debug, Default)]
pub struct Scan {
    /// Capture devices, by number.
    pub found: Vec<Found>,
    /// Nodes that did not answer.
    pub unreadable: Vec<Unreadable>,
}

/// Finds the capture devices of a machine.
pub struct Discovery {
    sys: PathBuf,
    dev: PathBuf,
    asker: Asker,
    patience: Duration,
    /// What drivers said, for as long as the device stays plugged in: to open a camera wakes it.
    known: Mutex<BTreeMap<Plug, Queried>>,
}

impl Default for Discovery {
    /// This machine, as it is.
    fn default() -> Self {
        Self::new("/sys", DEV, V4l2)
    }
}

impl Discovery {
    /// A machine whose sysfs and devices are seen in these folders.
    pub fn new(
        sys: impl Into<PathBuf>,
        dev: impl Into<PathBuf>,
        query: impl Query + 'static,
    ) -> Self {
        Self {
            sys: sys.into(),
            dev: dev.into(),
            asker: Asker::new(query),
            patience: PATIENCE,
            known: Mutex::default(),
        }
    }

    /// The same, that waits for drivers so long. What is answered later, the next look finds.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Where its sysfs is seen.
    pub fn sys(&self) -> &Path {
        &self.sys
    }

    /// Where its devices are seen.
    pub fn dev(&self) -> &Path {
        &self.dev
    }

    /// All capture devices. Fails where there is no sysfs.
    pub fn scan(&self) -> io::Result<Scan> {
        let nodes = self.nodes()?;
        Ok(self.look(&nodes, |_| true))
    }

    /// The capture devices that a selector means, without a touch on any other; `node` is the machine's name.
    pub fn candidates(&self, selector: &DeviceSelector, node: &str) -> io::Result<Scan> {
        let nodes = self.nodes()?;
        Ok(self.look(&nodes, |found| matches(selector, found.seen(node))))
    }

    /// All video nodes. What drivers said of others is forgotten.
    fn nodes(&self) -> io::Result<Vec<Node>> {
        let nodes = nodes(&self.sys)?;
        let there: BTreeSet<_> = nodes.iter().map(plug).collect();
        self.known().retain(|plug, _| there.contains(plug));
        Ok(nodes)
    }

    fn look(&self, nodes: &[Node], wanted: impl Fn(&Found) -> bool) -> Scan {
        let links = links(&self.dev);
        let described = nodes
            .iter()
            .map(|node| (node, self.described(node, &links)));
        let wanted = described.filter(|(_, found)| wanted(found));
        // All are asked before one is waited for.
        let asked: Vec<_> = wanted
            .map(|(node, mut found)| {
                let begun = fs::metadata(&found.open_path).and_then(|file| {
                    found.gid = file.gid();
                    self.ask(node, &found)
                });
                (node, found, begun)
            })
            .collect();
        let until = Instant::now() + self.patience;
        let mut scan = Scan::default();
        for (node, found, begun) in asked {
            match begun.and_then(|before| self.answered(node, &found, before, until)) {
                Ok(Some(found)) => scan.found.push(found),
                Ok(None) => {}
                Err(error) => scan.unreadable.push(Unreadable { found, error }),
            }
        }
        scan
    }

    /// What is known of a node without its driver.
    fn described(&self, node: &Node, links: &BTreeMap<PathBuf, Vec<String>>) -> Found {
        let open_path = self.dev.join(&node.name);
        let links = fs::canonicalize(&open_path).map(|path| links.get(&path).cloned());
        Found {
            identity: node.identity.clone(),
            dev_path: format!("{DEV}/{}", node.name),
            links: links.ok().flatten().unwrap_or_default(),
            open_path,
            major: node.device.0,
            minor: node.device.1,
            card: node.card.clone(),
            driver: node.driver.clone().unwrap_or_default(),
            gid: 0,
            formats: Vec::new(),
            unsupported: None,
        }
    }

    /// Asks the driver of a node; what it said before, where it need not be asked.
    fn ask(&self, node: &Node, found: &Found) -> io::Result<Option<Queried>> {
        let before = self.known().get(&plug(node)).cloned();
        if before.is_none() {
            self.asker.begin(node, &found.open_path)?;
        }
        Ok(before)
    }

    /// The same with what the driver says; `None` where it is no capture device.
    fn answered(
        &self,
        node: &Node,
        found: &Found,
        before: Option<Queried>,
        until: Instant,
    ) -> io::Result<Option<Found>> {
        let queried = match before {
            Some(before) => before,
            None => self.asker.answer(node, until)?,
        };
        // A loopback device is what the program at its other end makes of it, and sleeps never.
        let lasts = node.identity.bus != "virtual";
        // A driver that was asked while its device woke up may have had no format to tell.
        let is_whole = !queried.captures || !queried.formats.is_empty();
        if lasts && is_whole {
            self.known().insert(plug(node), queried.clone());
        }
        if !unsupported::is_device(&queried) {
            return Ok(None);
        }
        let asked = Some(queried.driver.clone()).filter(|driver| !driver.is_empty());
        Ok(Some(Found {
            driver: asked.unwrap_or_else(|| found.driver.clone()),
            unsupported: unsupported::reason(&queried),
            formats: queried.formats,
            ..found.clone()
        }))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Plug, Queried>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of this machine, by which a selector's `node` may mean it.
pub fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Links by the node that they lead to, named as they are in `/dev`.
fn links(dev: &Path) -> BTreeMap<PathBuf, Vec<String>> {
    let mut links: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for folder in ["v4l/by-id", "v4l/by-path", ""] {
        let entries = fs::read_dir(dev.join(folder)).into_iter().flatten();
        for entry in entries.filter_map(Result::ok) {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let Ok(target) = fs::canonicalize(entry.path()) else {
                continue;
            };
            if is_link {
                let name = Path::new(DEV).join(folder).join(entry.file_name());
                let known = links.entry(target).or_default();
                known.push(name.to_string_lossy().into_owned());
            }
        }
    }
    for known in links.values_mut() {
        known.sort_unstable();
    }
    links
}
