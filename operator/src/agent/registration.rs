//! Keeps one plugin known to the kubelet, whatever becomes of the two.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{Notify, watch};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use super::clock;
use super::kubelet::{Kubelet, Start};
use super::metrics::Metrics;
use super::plugin::{Offer, Plugin, Resource};
use super::protocol::device_plugin::plugin::DevicePluginServer;
use crate::backoff::Backoff;
use crate::error::chain;

/// For the kubelet to ask for the list of a plugin that it has taken. It may also lose one that it followed: where a
/// plugin registers again while the old connection is still open, it closes both.
const LISTEN: Duration = Duration::from_secs(5);
/// Between looks whether the socket is still there.
const CHECK: Duration = Duration::from_secs(10);
const AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(20));

/// What plugins have in common.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Whom they register with.
    pub kubelet: Kubelet,
    /// When it was started.
    pub starts: watch::Receiver<Option<Start>>,
    /// Told of each device that is given out.
    pub given: Arc<Notify>,
    /// Told of each plugin that the kubelet has taken.
    pub registered: Arc<Notify>,
    /// The figures.
    pub metrics: Arc<Metrics>,
}

/// A plugin that is kept known, until this is dropped.
#[derive(Debug)]
pub struct Kept {
    offer: watch::Sender<Offer>,
    registered: watch::Receiver<Option<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kept {
    /// Begins.
    pub fn begin(ground: &Ground, resource: Resource, offer: Offer) -> Self {
        let (offer, offered) = watch::channel(offer);
        let (taken, registered) = watch::channel(None);
        let keeper = Keeper {
            ground: ground.clone(),
            resource: Arc::new(resource),
            offer: offered,
            followed: watch::Sender::new(0),
            taken,
        };
        Self {
            offer,
            registered,
            task: tokio::spawn(keeper.run()),
        }
    }

    /// What stands behind it from now on.
    pub fn offer(&self, offer: Offer) {
        self.offer.send_if_modified(|known| {
            let other = *known != offer;
            *known = offer;
            other
        });
    }

    /// When the kubelet took it last, RFC 3339.
    pub fn registered_at(&self) -> Option<String> {
        self.registered.borrow().clone()
    }
}

/// A socket that a plugin is served at, until this is dropped.
struct Socket {
    path: PathBuf,
    file: u64,
    _end: watch::Sender<()>,
}

impl Socket {
    /// A kubelet that starts removes all sockets; another file of the name is another plugin's.
    fn is_there(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.file)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_there() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

struct Keeper {
    ground: Ground,
    resource: Arc<Resource>,
    offer: watch::Receiver<Offer>,
    followed: watch::Sender<usize>,
    taken: watch::Sender<Option<String>>,
}

impl Keeper {
    async fn run(mut self) {
        let mut socket = None;
        let mut failures = 0;
        loop {
            let known = self.ground.starts.wait_for(Option::is_some).await;
            let Some(start) = known.ok().and_then(|start| *start) else {
                return;
            };
            match self.register(&mut socket).await {
                Ok(()) => {
                    failures = 0;
                    let resource = &self.resource.name;
                    tracing::info!(resource, about = self.resource.about, "registered");
                    self.ground.metrics.registered("ok");
                    let _ = self.taken.send(Some(clock::now()));
                    self.ground.registered.notify_one();
                    self.until_lost(start, socket.as_ref()).await;
                }
                Err(error) => {
                    failures += 1;
                    self.ground.metrics.registered("error");
                    let resource = &self.resource.name;
                    // A kubelet that is being started anew is no trouble yet.
                    if failures == 2 {
                        tracing::warn!(resource, error, "not registered; tried again");
                    } else {
                        tracing::debug!(resource, error, "not registered; tried again");
                    }
                    self.started_anew(start, AGAIN.jittered(failures)).await;
                }
            }
        }
    }

    /// Serves the plugin where it is not, and tells the kubelet.
    async fn register(&self, socket: &mut Option<Socket>) -> Result<(), String> {
        if !socket.as_ref().is_some_and(Socket::is_there) {
            *socket = None;
            *socket = Some(self.serve().map_err(|error| chain(&error))?);
        }
        let Resource { name, endpoint, .. } = &*self.resource;
        let registered = self.ground.kubelet.register(name, endpoint).await;
        registered.map_err(|error| chain(&error))?;
        let mut followed = self.followed.subscribe();
        let list = followed.wait_for(|number| *number > 0);
        match tokio::time::timeout(LISTEN, list).await {
            Ok(_) => Ok(()),
            Err(_) => Err("the kubelet took it and does not ask for its devices".to_owned()),
        }
    }

    fn serve(&self) -> std::io::Result<Socket> {
        let path = self.ground.kubelet.plugins().join(&self.resource.endpoint);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let file = std::fs::metadata(&path)?.ino();
        let (end, ended) = watch::channel(());
        let plugin = Plugin {
            resource: Arc::clone(&self.resource),
            offer: self.offer.clone(),
            followed: self.followed.clone(),
            given: Arc::clone(&self.ground.given),
            metrics: Arc::clone(&self.ground.metrics),
            end: ended.clone(),
        };
        let server = Server::builder().add_service(DevicePluginServer::new(plugin));
        let mut ended = ended;
        let until = async move { while ended.changed().await.is_ok() {} };
        tokio::spawn(server.serve_with_incoming_shutdown(UnixListenerStream::new(listener), until));
        Ok(Socket {
            path,
            file,
            _end: end,
        })
    }

    /// Until the kubelet is another, or does not follow any more, or the socket is gone.
    async fn until_lost(&mut self, start: Start, socket: Option<&Socket>) {
        let mut followed = self.followed.subscribe();
        loop {
            let lost = async {
                let _ = followed.wait_for(|number| *number == 0).await;
            };
            tokio::select! {
                () = lost => {
                    // One that is being started anew closes this first.
                    self.started_anew(start, AGAIN.after(1)).await;
                    return;
                }
                () = other(&mut self.ground.starts, start) => return,
                () = tokio::time::sleep(CHECK) => {
                    if !socket.is_some_and(Socket::is_there) {
                        return;
                    }
                }
            }
        }
    }

    /// Waits, for another kubelet at the longest.
    async fn started_anew(&mut self, start: Start, longest: Duration) {
        let _ = tokio::time::timeout(longest, other(&mut self.ground.starts, start)).await;
    }
}

async fn other(starts: &mut watch::Receiver<Option<Start>>, start: Start) {
    let another = |now: &Option<Start>| now.is_some_and(|now| now != start);
    if starts.wait_for(another).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What keeps other node agents from a kubelet's folder, until this is dropped or the process ends.
#[derive(Debug)]
pub struct Claim {
    _folder: Option<File>,
}

/// Takes the folder of a kubelet; `None` while another node agent has it. Two would remove each other's sockets. The
/// folder itself is locked: a kubelet that starts removes what is in it.
pub fn claim(kubelet: &Kubelet) -> Option<Claim> {
    // Where no kubelet is, nothing can be disturbed.
    let Ok(folder) = File::open(kubelet.plugins()) else {
        return Some(Claim { _folder: None });
    };
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return None,
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "the kubelet's folder cannot be locked: no other node agent may run here");
        }
    }
    Some(Claim {
        _folder: Some(folder),
    })
}

/// Removes sockets that an earlier process of ours left: none of ours is being served yet.
pub fn clear(kubelet: &Kubelet) {
    let files = std::fs::read_dir(kubelet.plugins());
    for file in files.into_iter().flatten().flatten() {
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX)
            && name.ends_with(SUFFIX)
            && let Err(error) = std::fs::remove_file(file.path())
        {
            tracing::warn!(%error, file = %file.path().display(), "an old socket stays");
        }
    }
}

const PREFIX: &str = "streamhub-";
const SUFFIX: &str = ".sock";

/// The name of a plugin's socket.
pub fn endpoint(id: &str) -> String {
    format!("{PREFIX}{id}{SUFFIX}")
}
