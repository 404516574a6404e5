//! The node's kubelet: where its sockets are, when it was started, what it is told and asked.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{Notify, watch};
use tonic::transport::{Channel, Endpoint};

use super::protocol::device_plugin::registration::RegistrationClient;
use super::protocol::device_plugin::{RegisterRequest, VERSION};
use super::protocol::pod_resources::client::PodResourcesListerClient;
use super::protocol::pod_resources::{ListPodResourcesRequest, PodResources};

/// For an answer.
const ANSWER: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);
/// What the kubelet itself takes for the most that a list of pods can be.
const LARGEST_LIST: usize = 16 << 20;
/// Between looks for another socket; a change of the folder is told at once.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why it was not told, or gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens.
    #[error("{path}: nobody answers there")]
    Away {
        /// The socket.
        path: String,
        /// What went wrong.
        source: tonic::transport::Error,
    },
    /// It said no.
    #[error("the kubelet refuses: {0}")]
    Refused(String),
}

/// Tells one start of the kubelet from the next: it makes its socket anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start(u64, i64, i64);

/// Where a kubelet's sockets are.
#[derive(Debug, Clone)]
pub struct Kubelet {
    plugins: PathBuf,
    registration: PathBuf,
    pod_resources: PathBuf,
}

impl Kubelet {
    /// With its files in `root`.
    pub fn at(root: &Path) -> Self {
        let plugins = root.join("device-plugins");
        Self {
            registration: plugins.join("kubelet.sock"),
            plugins,
            pod_resources: root.join("pod-resources/kubelet.sock"),
        }
    }

    /// The folder that plugins put their sockets in.
    pub fn plugins(&self) -> &Path {
        &self.plugins
    }

    /// The socket that plugins register at.
    pub fn registration(&self) -> &Path {
        &self.registration
    }

    /// When it was started; `None` where its socket is not there.
    pub fn start(&self) -> Option<Start> {
        let socket = std::fs::metadata(&self.registration).ok()?;
        Some(Start(socket.ino(), socket.ctime(), socket.ctime_nsec()))
    }

    /// Says that a plugin listens at `endpoint`, a file beside the kubelet's own.
    pub async fn register(&self, resource: &str, endpoint: &str) -> Result<(), Error> {
        let channel = connect(&self.registration).await?;
        let request = RegisterRequest {
            version: VERSION.to_owned(),
            endpoint: endpoint.to_owned(),
            resource_name: resource.to_owned(),
            options: None,
        };
        let answer = RegistrationClient::new(channel).register(request).await;
        answer.map(drop).map_err(|status| refused(&status))
    }

    /// What the pods of the node were given.
    pub async fn pods(&self) -> Result<Vec<PodResources>, Error> {
        let channel = connect(&self.pod_resources).await?;
        let mut client = PodResourcesListerClient::new(channel);
        client = client.max_decoding_message_size(LARGEST_LIST);
        let answer = client.list(ListPodResourcesRequest {}).await;
        Ok(answer
            .map_err(|status| refused(&status))?
            .into_inner()
            .pod_resources)
    }

    /// Follows its starts.
    pub fn follow(&self) -> watch::Receiver<Option<Start>> {
        let (sender, starts) = watch::channel(self.start());
        let kubelet = self.clone();
        tokio::spawn(async move {
            let changed = Arc::new(Notify::new());
            let mut watching = None;
            loop {
                // A kubelet that was never started has no folder yet.
                if watching.is_none() {
                    watching = watch_folder(&kubelet.plugins, &changed);
                }
                let start = kubelet.start();
                sender.send_if_modified(|known| {
                    let other = *known != start;
                    *known = start;
                    other
                });
                tokio::select! {
                    () = changed.notified() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = sender.closed() => return,
                }
            }
        });
        starts
    }
}

fn refused(status: &tonic::Status) -> Error {
    Error::Refused(status.message().to_owned())
}

fn watch_folder(folder: &Path, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let mut watcher = notify::recommended_watcher(move |_| changed.notify_one()).ok()?;
    watcher.watch(folder, RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

async fn connect(socket: &Path) -> Result<Channel, Error> {
    let path = socket.display().to_string();
    let connected = async {
        let endpoint = Endpoint::from_shared(format!("unix://{path}"))?;
        let endpoint = endpoint.connect_timeout(CONNECT).timeout(ANSWER);
        endpoint.connect().await
    };
    connected
        .await
        .map_err(|source| Error::Away { path, source })
}
