//! Tells that capture devices may have come or gone.
//!
//! By inotify on the folder of devices: it needs no right and no library, sees what udev does to a node after the kernel
//! made it, and works in a container that has the machine's `/dev`, while the kernel's own messages do not reach every
//! container. What it misses, the next look finds.

use std::future::pending;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{sleep, timeout};

/// How often to look although nothing was seen to change.
const LOOK: Duration = Duration::from_secs(10);
/// The same where nothing can be seen.
const LOOK_BLIND: Duration = Duration::from_secs(2);
/// udev sets rights and makes links just after the kernel has made a node.
const SETTLED: Duration = Duration::from_millis(200);

/// Watches a folder of devices.
#[derive(Debug)]
pub struct Watch {
    dev: PathBuf,
    inotify: Option<OwnedFd>,
}

impl Watch {
    /// Watches from now on. Where the system has no watch left to give, changes are found by looking more often.
    pub fn new(dev: &Path) -> Self {
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        let watch = Self {
            dev: dev.to_owned(),
            inotify: inotify.ok(),
        };
        match watch.follow() {
            Ok(()) => watch,
            Err(error) => {
                tracing::warn!(%error, "{} cannot be watched: devices are looked for every {} s", dev.display(), LOOK_BLIND.as_secs());
                Self {
                    inotify: None,
                    ..watch
                }
            }
        }
    }

    /// Whether something has changed since the last time; never waits.
    pub fn stirred(&self) -> bool {
        let Some(inotify) = &self.inotify else {
            return false;
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify, &mut buffer);
        let mut stirred = false;
        loop {
            match reader.next() {
                Ok(_) => stirred = true,
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if stirred {
            // udev makes and removes folders of links as needed.
            let _ = self.follow();
        }
        stirred
    }

    /// Returns when devices should be looked for again: soon after a change, and from time to time without one.
    pub async fn changed(&self) {
        let look = if self.inotify.is_some() {
            LOOK
        } else {
            LOOK_BLIND
        };
        if timeout(look, self.stir()).await.is_ok() {
            sleep(SETTLED).await;
            self.stirred();
        }
    }

    async fn stir(&self) {
        // What tokio reads without blocking and without unsafe code here: it asks nothing of the file but to be polled.
        let events = self.inotify.as_ref().map(OwnedFd::try_clone);
        let events = events.and_then(|fd| Receiver::from_owned_fd_unchecked(fd.ok()?).ok());
        let Some(events) = events else {
            return pending().await;
        };
        let mut buffer = [0; 4096];
        loop {
            if events.readable().await.is_err() {
                return pending().await;
            }
            if events.try_read(&mut buffer).is_ok() {
                return;
            }
        }
    }

    fn follow(&self) -> rustix::io::Result<()> {
        let inotify = self.inotify.as_ref().ok_or(Errno::MFILE)?;
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::ATTRIB;
        add_watch(inotify, &self.dev, flags)?;
        for links in ["v4l", "v4l/by-id", "v4l/by-path"] {
            // Absent where no udev is, or no camera.
            let _ = add_watch(inotify, self.dev.join(links), flags);
        }
        Ok(())
    }
}
