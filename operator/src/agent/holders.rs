//! Which pod has which device, as the kubelet says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::kubelet::Kubelet;
use super::metrics::Metrics;
use super::protocol::pod_resources::PodResources;
use crate::error::chain;

const EVERY: Duration = Duration::from_secs(5);
/// From giving a device out to its being in the list.
const SOON: Duration = Duration::from_millis(500);

/// Namespace and name of a pod by the resource that it holds.
pub type Holders = BTreeMap<String, String>;

/// What these pods hold of ours.
pub fn of(pods: &[PodResources]) -> Holders {
    let mut holders = Holders::new();
    for pod in pods {
        let devices = pod.containers.iter().flat_map(|one| &one.devices);
        for device in devices.filter(|device| !device.device_ids.is_empty()) {
            if device.resource_name.starts_with(streamhub_crds::GROUP) {
                let holder = format!("{}/{}", pod.namespace, pod.name);
                holders.insert(device.resource_name.clone(), holder);
            }
        }
    }
    holders
}

/// Follows who holds what. `None` until the kubelet answers; while it does not any more, all
/// stays as it was, as nothing is given back without it.
pub async fn follow(
    kubelet: Kubelet,
    given: Arc<Notify>,
    metrics: Arc<Metrics>,
    holders: watch::Sender<Option<Holders>>,
) {
    let mut told = false;
    loop {
        match kubelet.pods().await {
            Ok(pods) => {
                told = false;
                let now = Some(of(&pods));
                holders.send_if_modified(|known| {
                    let other = *known != now;
                    *known = now;
                    other
                });
            }
            Err(error) => {
                metrics.failed("pod-resources");
                if !told {
                    let error = chain(&error);
                    tracing::warn!(error, "which pod has which device is not known");
                }
                told = true;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = given.notified() => tokio::time::sleep(SOON).await,
            () = holders.closed() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::pod_resources::{ContainerDevices, ContainerResources};
    use super::*;

    #[test]
    fn only_our_resources_have_holders() {
        let devices = |name: &str, ids: &[&str]| ContainerDevices {
            resource_name: name.to_owned(),
            device_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        };
        let pod = |name: &str, devices: Vec<ContainerDevices>| PodResources {
            name: name.to_owned(),
            namespace: "shop".to_owned(),
            containers: vec![ContainerResources { devices }],
        };
        let holders = of(&[
            pod(
                "cam-door",
                vec![devices("streamhub.dev/cam-0123456789", &["0123456789"])],
            ),
            pod("other", vec![devices("vendor.example/gpu", &["0"])]),
            pod("none", vec![devices("streamhub.dev/cam-aaaaaaaaaa", &[])]),
        ]);
        let expected = ("streamhub.dev/cam-0123456789", "shop/cam-door");
        let expected = (expected.0.to_owned(), expected.1.to_owned());
        assert_eq!(holders, Holders::from([expected]));
    }
}
