//! A device plugin: one resource, what stands behind it now, and the answers to the kubelet's questions.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use tokio::sync::{Notify, watch};
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::metrics::Metrics;
use super::protocol::device_plugin::plugin::DevicePlugin;
use super::protocol::device_plugin::{
    AllocateRequest, AllocateResponse, ContainerAllocateResponse, Device, DevicePluginOptions,
    DeviceSpec, Empty, HEALTHY, ListAndWatchResponse, PreStartContainerRequest,
    PreStartContainerResponse, PreferredAllocationRequest, PreferredAllocationResponse, UNHEALTHY,
};

/// What a container may do with a device node: open it to read and to write.
const PERMISSIONS: &str = "rw";

/// A device node that goes into containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where this process sees it.
    pub here: PathBuf,
    /// Its device number: another one means another device, which has not been looked at yet.
    pub number: u64,
    /// Where it is on the node.
    pub host: String,
    /// Where it will be in a container.
    pub container: String,
}

/// A resource of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// As pods ask for it.
    pub name: String,
    /// Name of the plugin's socket.
    pub endpoint: String,
    /// What it is, for people.
    pub about: String,
    /// Its units: as many as may be given out at a time.
    pub units: Vec<String>,
}

/// Device nodes that come with each unit; none while the device is not there.
pub type Offer = Vec<Node>;

/// Answers the kubelet.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// What it offers.
    pub resource: Arc<Resource>,
    /// What stands behind it now.
    pub offer: watch::Receiver<Offer>,
    /// How many lists are being followed.
    pub followed: watch::Sender<usize>,
    /// Told of each device that is given out.
    pub given: Arc<Notify>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// All lists end when its sender is dropped.
    pub end: watch::Receiver<()>,
}

impl Plugin {
    fn list(&self, offer: &Offer) -> ListAndWatchResponse {
        let health = if offer.is_empty() { UNHEALTHY } else { HEALTHY };
        let device = |id: &String| Device {
            id: id.clone(),
            health: health.to_owned(),
        };
        let devices = self.resource.units.iter().map(device).collect();
        ListAndWatchResponse { devices }
    }

    /// The device nodes of a container that was given these units.
    fn nodes(&self, units: &[String]) -> Result<Vec<DeviceSpec>, Status> {
        let Resource { name, about, .. } = &*self.resource;
        let known = &self.resource.units;
        if let Some(other) = units.iter().find(|unit| !known.contains(unit)) {
            return Err(Status::invalid_argument(format!(
                "{name} has no device {other:?}"
            )));
        }
        let offer = self.offer.borrow().clone();
        if offer.is_empty() {
            return Err(Status::failed_precondition(format!(
                "{name}: {about} is not plugged in"
            )));
        }
        if let Some(gone) = offer.iter().find(|node| !node.is_there()) {
            return Err(Status::failed_precondition(format!(
                "{name}: {about} has just gone: {} is not that device any more",
                gone.host
            )));
        }
        let spec = |node: Node| DeviceSpec {
            container_path: node.container,
            host_path: node.host,
            permissions: PERMISSIONS.to_owned(),
        };
        Ok(offer.into_iter().map(spec).collect())
    }
}

impl Node {
    fn is_there(&self) -> bool {
        std::fs::metadata(&self.here)
            .is_ok_and(|node| node.file_type().is_char_device() && node.rdev() == self.number)
    }
}

/// A list that is being followed, for as long as it is.
struct Following(watch::Sender<usize>);

impl Following {
    fn begin(followed: &watch::Sender<usize>) -> Self {
        followed.send_modify(|number| *number += 1);
        Self(followed.clone())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0
            .send_modify(|number| *number = number.saturating_sub(1));
    }
}

#[tonic::async_trait]
impl DevicePlugin for Plugin {
    type ListAndWatchStream =
        Pin<Box<dyn Stream<Item = Result<ListAndWatchResponse, Status>> + Send>>;

    async fn get_device_plugin_options(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<DevicePluginOptions>, Status> {
        Ok(Response::new(DevicePluginOptions::default()))
    }

    async fn list_and_watch(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListAndWatchStream>, Status> {
        let plugin = self.clone();
        let following = Following::begin(&self.followed);
        let mut end = self.end.clone();
        let lists = WatchStream::new(self.offer.clone())
            .map(move |offer| {
                let _ = &following;
                Ok(plugin.list(&offer))
            })
            .take_until(async move { while end.changed().await.is_ok() {} });
        Ok(Response::new(Box::pin(lists)))
    }

    async fn allocate(
        &self,
        request: Request<AllocateRequest>,
    ) -> Result<Response<AllocateResponse>, Status> {
        let mut response = AllocateResponse::default();
        for container in request.into_inner().container_requests {
            let devices = self.nodes(&container.device_ids).inspect_err(|error| {
                self.metrics.allocated("error");
                tracing::warn!(
                    resource = self.resource.name,
                    error = error.message(),
                    "refused"
                );
            })?;
            let answer = ContainerAllocateResponse { devices };
            response.container_responses.push(answer);
        }
        self.metrics.allocated("ok");
        self.given.notify_one();
        tracing::info!(
            resource = self.resource.name,
            about = self.resource.about,
            "given out"
        );
        Ok(Response::new(response))
    }

    async fn get_preferred_allocation(
        &self,
        _: Request<PreferredAllocationRequest>,
    ) -> Result<Response<PreferredAllocationResponse>, Status> {
        Err(Status::unimplemented("one device is as good as another"))
    }

    async fn pre_start_container(
        &self,
        _: Request<PreStartContainerRequest>,
    ) -> Result<Response<PreStartContainerResponse>, Status> {
        Ok(Response::new(PreStartContainerResponse {}))
    }
}
