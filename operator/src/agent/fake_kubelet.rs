//! As much of a kubelet as plugins speak with: real sockets, real gRPC. For tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use super::protocol::device_plugin::client::DevicePluginClient;
use super::protocol::device_plugin::kubelet::{Registration, RegistrationServer};
use super::protocol::device_plugin::{
    AllocateRequest, ContainerAllocateRequest, Device, DeviceSpec, Empty, RegisterRequest,
};
use super::protocol::pod_resources::kubelet::{PodResourcesLister, PodResourcesListerServer};
use super::protocol::pod_resources::{
    ListPodResourcesRequest, ListPodResourcesResponse, PodResources,
};

/// What it knows of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub registrations: usize,
    /// As the plugin said last; none once its stream has ended.
    pub devices: Vec<Device>,
    endpoint: PathBuf,
}

#[derive(Clone, Default)]
struct Shared {
    folder: PathBuf,
    seen: watch::Sender<BTreeMap<String, Seen>>,
    streams: Arc<Mutex<JoinSet<()>>>,
    pods: Arc<Mutex<Vec<PodResources>>>,
    refuse: Arc<Mutex<bool>>,
}

/// A kubelet that runs until this is dropped.
pub struct FakeKubelet {
    shared: Shared,
    _servers: JoinSet<()>,
}

impl FakeKubelet {
    /// Starts as a kubelet does: it removes all sockets first.
    pub fn start(root: &Path) -> Self {
        let folder = root.join("device-plugins");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(root.join("pod-resources")).unwrap();
        for file in fs::read_dir(&folder).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
        let shared = Shared {
            folder: folder.clone(),
            ..Shared::default()
        };
        let mut servers = JoinSet::new();
        let bound = |path: PathBuf| {
            let _ = fs::remove_file(&path);
            UnixListenerStream::new(UnixListener::bind(path).unwrap())
        };
        let pods = bound(root.join("pod-resources/kubelet.sock"));
        let lister = Server::builder().add_service(PodResourcesListerServer::new(shared.clone()));
        servers.spawn(async move { lister.serve_with_incoming(pods).await.unwrap() });
        let plugins = bound(folder.join("kubelet.sock"));
        let registry = Server::builder().add_service(RegistrationServer::new(shared.clone()));
        servers.spawn(async move { registry.serve_with_incoming(plugins).await.unwrap() });
        Self {
            shared,
            _servers: servers,
        }
    }

    /// What it knows of a resource, once that is so.
    pub async fn until(&self, resource: &str, so: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.shared.seen.subscribe();
        let wait = seen.wait_for(|all| all.get(resource).is_some_and(&so));
        let found = tokio::time::timeout(Duration::from_secs(20), wait).await;
        let found = found.map(|all| all.unwrap()[resource].clone());
        found.unwrap_or_else(|_| panic!("{resource}: {:?}", *self.shared.seen.borrow()))
    }

    /// Gives units of a resource to a container.
    pub async fn allocate(
        &self,
        resource: &str,
        units: &[&str],
    ) -> Result<Vec<DeviceSpec>, Status> {
        let endpoint = self.shared.seen.borrow()[resource].endpoint.clone();
        let mut client = DevicePluginClient::new(dial(&endpoint).await);
        let container = ContainerAllocateRequest {
            device_ids: units.iter().map(|&unit| unit.to_owned()).collect(),
        };
        let request = AllocateRequest {
            container_requests: vec![container],
        };
        let answer = client.allocate(request).await?.into_inner();
        Ok(answer.container_responses[0].devices.clone())
    }

    /// Loses all lists that it follows, as it may when a plugin registers twice.
    pub fn lose_streams(&self) {
        self.shared.streams.lock().unwrap().abort_all();
    }

    pub fn set_pods(&self, pods: Vec<PodResources>) {
        *self.shared.pods.lock().unwrap() = pods;
    }

    /// Says no to everybody who registers.
    pub fn refuse(&self, refuse: bool) {
        *self.shared.refuse.lock().unwrap() = refuse;
    }

    pub fn resources(&self) -> usize {
        let seen = self.shared.seen.borrow();
        let healthy = seen.values().flat_map(|one| &one.devices);
        healthy.filter(|device| device.health == "Healthy").count()
    }
}

async fn dial(socket: &Path) -> Channel {
    let address = format!("unix://{}", socket.display());
    Endpoint::from_shared(address)
        .unwrap()
        .connect()
        .await
        .unwrap()
}

#[tonic::async_trait]
impl Registration for Shared {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<Empty>, Status> {
        if *self.refuse.lock().unwrap() {
            return Err(Status::unknown("not you"));
        }
        let request = request.into_inner();
        assert_eq!(request.version, "v1beta1");
        let endpoint = self.folder.join(&request.endpoint);
        let name = request.resource_name;
        let mut client = DevicePluginClient::new(dial(&endpoint).await);
        client.get_device_plugin_options(Empty {}).await?;
        self.seen.send_modify(|all| {
            let seen = all.entry(name.clone()).or_default();
            seen.registrations += 1;
            seen.endpoint = endpoint;
        });
        let seen = self.seen.clone();
        let lost = Lost(seen.clone(), name.clone());
        self.streams.lock().unwrap().spawn(async move {
            let _lost = lost;
            let mut lists = client.list_and_watch(Empty {}).await.unwrap().into_inner();
            while let Some(Ok(list)) = lists.next().await {
                seen.send_modify(|all| all.get_mut(&name).unwrap().devices = list.devices);
            }
        });
        Ok(Response::new(Empty {}))
    }
}

/// The stream of a resource, which is not healthy without one.
struct Lost(watch::Sender<BTreeMap<String, Seen>>, String);

impl Drop for Lost {
    fn drop(&mut self) {
        self.0
            .send_modify(|all| all.get_mut(&self.1).unwrap().devices.clear());
    }
}

#[tonic::async_trait]
impl PodResourcesLister for Shared {
    async fn list(
        &self,
        _: Request<ListPodResourcesRequest>,
    ) -> Result<Response<ListPodResourcesResponse>, Status> {
        let pod_resources = self.pods.lock().unwrap().clone();
        Ok(Response::new(ListPodResourcesResponse { pod_resources }))
    }
}
