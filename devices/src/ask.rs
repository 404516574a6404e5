//! Asks drivers, that of each device on a thread of its own: one that hangs, which no signal ends, keeps no other device from
//! being found, and is not asked again before it has answered.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::query::{Queried, Query};
use crate::sysfs::Node;

/// One time that a device is plugged in.
pub type Plug = (String, u64, (u32, u32));

/// Where a device is: no two of a machine are in one place.
type Place = (String, u32);

/// Asks, one question at a time of each device.
pub struct Asker {
    query: Arc<dyn Query>,
    /// Questions that have not been answered.
    asked: Mutex<BTreeMap<Place, Asked>>,
}

struct Asked {
    plug: Plug,
    answer: Receiver<io::Result<Queried>>,
    /// It has been waited for, and is not waited for again.
    late: bool,
}

impl Asker {
    pub fn new(query: impl Query + 'static) -> Self {
        Self {
            query: Arc::new(query),
            asked: Mutex::default(),
        }
    }

    /// Asks the driver of the node at `path`, unless it has a question to answer still.
    pub fn begin(&self, node: &Node, path: &Path) -> io::Result<()> {
        let mut asked = self.asked();
        if let Some(before) = asked.get(&place(node)) {
            // What is said of a device that was unplugged meanwhile is of no use, but the thread is there until then.
            if before.plug == plug(node) || before.answer.try_recv().is_err() {
                return Ok(());
            }
        }
        let (query, path, device) = (Arc::clone(&self.query), path.to_owned(), node.device);
        let (answer, answered) = sync_channel(1);
        let ask = move || {
            // Nobody listens any more where the device was unplugged meanwhile.
            let _ = answer.send(query.query(&path, device));
        };
        thread::Builder::new().name(node.name.clone()).spawn(ask)?;
        let question = Asked {
            plug: plug(node),
            answer: answered,
            late: false,
        };
        asked.insert(place(node), question);
        Ok(())
    }

    /// What the driver of a node has answered to what [`Self::begin`] asked. Waits until then at the longest, and only once.
    pub fn answer(&self, node: &Node, until: Instant) -> io::Result<Queried> {
        let asked = self.asked().remove(&place(node));
        let Some(mut asked) = asked else {
            return Err(hangs());
        };
        let patience = if asked.late || asked.plug != plug(node) {
            Duration::ZERO
        } else {
            until.saturating_duration_since(Instant::now())
        };
        match asked.answer.recv_timeout(patience) {
            Ok(answer) if asked.plug == plug(node) => answer,
            Err(RecvTimeoutError::Disconnected) => {
                Err(io::Error::other("asking its driver broke off"))
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {
                asked.late = true;
                self.asked().insert(place(node), asked);
                Err(hangs())
            }
        }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<Place, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hangs() -> io::Error {
    let what =
        "its driver does not answer; look at the kernel's log (dmesg), and unplug the device";
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// Which time of being plugged in it is that a node belongs to.
pub fn plug(node: &Node) -> Plug {
    (node.name.clone(), node.plugged, node.device)
}

fn place(node: &Node) -> Place {
    (node.identity.path.clone(), node.identity.index)
}
