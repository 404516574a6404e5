//! Which pod has which device, as the kubelet says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::kubelet::{Kubelet, Start};
use super::metrics::Metrics;
use super::protocol::pod_resources::PodResources;
use crate::error::chain;

const EVERY: Duration = Duration::from_secs(5);
/// From giving a device out to its being in the list.
const SOON: Duration = Duration::from_millis(500);
/// A kubelet that has not listed the pod of this process for so long never will.
const STRANGE: Duration = Duration::from_secs(30);

/// Namespace and name of a pod by the resource that it holds.
pub type Holders = BTreeMap<String, String>;

/// What these pods hold of ours.
pub fn of(pods: &[PodResources]) -> Holders {
    let mut holders = Holders::new();
    for pod in pods {
        let devices = pod.containers.iter().flat_map(|one| &one.devices);
        for device in devices.filter(|device| !device.device_ids.is_empty()) {
            if device.resource_name.starts_with(streamhub_crds::GROUP) {
                holders.insert(device.resource_name.clone(), name(pod));
            }
        }
    }
    holders
}

fn name(pod: &PodResources) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

/// Tells whole lists from those of a kubelet that was started a moment ago: it knows no pod at first, and then one after
/// another, though all of them have run on.
struct Witness {
    /// The pod of this process, which runs as long as anybody asks; `None` where its name is not known.
    pod: Option<String>,
    /// Whether it ever was in a list.
    seen: bool,
    since: Instant,
    /// Who gave the last list, and whether it was in there.
    last: (Option<Start>, bool),
}

impl Witness {
    /// `start` is who started this process, and so knows its pods by now.
    fn new(pod: Option<String>, start: Option<Start>) -> Self {
        Self {
            pod,
            seen: false,
            since: Instant::now(),
            last: (start, true),
        }
    }

    /// Whether these are all pods of the kubelet of this `start`, which was looked up after them.
    fn vouches_for(&mut self, pods: &[PodResources], start: Option<Start>) -> bool {
        let Some(own) = &self.pod else {
            return true;
        };
        let is_there = pods.iter().any(|pod| name(pod) == *own);
        let now = (start, is_there);
        let before = std::mem::replace(&mut self.last, now);
        self.seen |= is_there;
        if !self.seen && self.since.elapsed() > STRANGE {
            tracing::warn!(
                pod = own,
                "the kubelet does not list this pod; while it starts anew it may call devices free that pods have"
            );
            self.pod = None;
        }
        is_there && before == now
    }
}

/// Follows who holds what. `None` until the kubelet answers; while it does not any more, or has not got all its pods yet, all
/// stays as it was, as nothing is given back without it. `own` is the pod of this process, by namespace and name.
pub async fn follow(
    kubelet: Kubelet,
    own: Option<String>,
    given: Arc<Notify>,
    metrics: Arc<Metrics>,
    holders: watch::Sender<Option<Holders>>,
) {
    let mut told = false;
    let mut witness = Witness::new(own, kubelet.start());
    loop {
        let mut again = EVERY;
        match kubelet.pods().await {
            Ok(pods) if !witness.vouches_for(&pods, kubelet.start()) => again = SOON,
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
            () = tokio::time::sleep(again) => {}
            () = given.notified() => tokio::time::sleep(SOON).await,
            () = holders.closed() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_kubelet::FakeKubelet;
    use super::super::protocol::pod_resources::{ContainerDevices, ContainerResources};
    use super::*;

    const CAMERA: &str = "streamhub.dev/cam-0123456789";
    const AGENT: &str = "shop/node-agent-x";

    fn devices(name: &str, ids: &[&str]) -> ContainerDevices {
        ContainerDevices {
            resource_name: name.to_owned(),
            device_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        }
    }

    fn pod(name: &str, devices: Vec<ContainerDevices>) -> PodResources {
        PodResources {
            name: name.to_owned(),
            namespace: "shop".to_owned(),
            containers: vec![ContainerResources { devices }],
        }
    }

    fn agent() -> PodResources {
        pod("node-agent-x", Vec::new())
    }

    fn door() -> PodResources {
        pod("cam-door", vec![devices(CAMERA, &["0123456789"])])
    }

    #[test]
    fn only_our_resources_have_holders() {
        let holders = of(&[
            door(),
            pod("other", vec![devices("vendor.example/gpu", &["0"])]),
            pod("none", vec![devices("streamhub.dev/cam-aaaaaaaaaa", &[])]),
        ]);
        let expected = (CAMERA.to_owned(), "shop/cam-door".to_owned());
        assert_eq!(holders, Holders::from([expected]));
    }

    #[tokio::test]
    async fn a_list_counts_when_this_pod_was_in_the_one_before_it_as_well() {
        let start = || {
            let root = tempfile::tempdir().unwrap();
            let _kubelet = FakeKubelet::start(root.path());
            let start = Kubelet::at(root.path()).start();
            assert!(start.is_some());
            (root, start)
        };
        let ((_old_root, old), (_new_root, new)) = (start(), start());
        let mut witness = Witness::new(Some(AGENT.to_owned()), old);
        let whole = [agent(), door()];
        assert!(witness.vouches_for(&whole, old), "who started this process");
        assert!(!witness.vouches_for(&[], old), "on its way up");
        assert!(!witness.vouches_for(&[], new), "no pods yet");
        assert!(!witness.vouches_for(&whole[..1], new), "the first of them");
        assert!(witness.vouches_for(&whole, new));
        assert!(!witness.vouches_for(&whole, old), "started anew unseen");
        let mut without = Witness::new(None, old);
        assert!(without.vouches_for(&[], new), "nothing to go by");
    }

    #[test]
    fn a_kubelet_that_never_lists_this_pod_is_believed_after_a_while() {
        let mut witness = Witness::new(Some(AGENT.to_owned()), None);
        assert!(!witness.vouches_for(&[door()], None));
        witness.since = Instant::now().checked_sub(STRANGE * 2).unwrap();
        witness.vouches_for(&[door()], None);
        assert!(witness.vouches_for(&[door()], None));
        let mut seen = Witness::new(Some(AGENT.to_owned()), None);
        seen.vouches_for(&[agent()], None);
        seen.since = Instant::now().checked_sub(STRANGE * 2).unwrap();
        seen.vouches_for(&[], None);
        assert!(!seen.vouches_for(&[], None), "the API server is away");
    }

    #[tokio::test]
    async fn what_a_pod_has_stays_its_own_while_a_new_kubelet_gets_to_know_its_pods() {
        let root = tempfile::tempdir().unwrap();
        let kubelet = FakeKubelet::start(root.path());
        kubelet.set_pods(vec![agent(), door()]);
        let given = Arc::new(Notify::new());
        let (sender, mut holders) = watch::channel(None);
        tokio::spawn(follow(
            Kubelet::at(root.path()),
            Some(AGENT.to_owned()),
            Arc::clone(&given),
            Arc::new(Metrics::default()),
            sender,
        ));
        let moments = Duration::from_secs(10);
        let held = |holders: &Option<Holders>| {
            let holders = holders.as_ref();
            holders.is_some_and(|holders| holders.contains_key(CAMERA))
        };
        let wait = tokio::time::timeout(moments, holders.wait_for(held));
        wait.await.unwrap().unwrap();
        holders.mark_unchanged();

        drop(kubelet);
        let kubelet = FakeKubelet::start(root.path());
        given.notify_one();
        tokio::time::sleep(SOON * 4).await;
        assert!(!holders.has_changed().unwrap(), "{:?}", *holders.borrow());
        kubelet.set_pods(vec![agent()]);
        let wait = tokio::time::timeout(moments, holders.wait_for(|holders| !held(holders)));
        wait.await.unwrap().unwrap();
    }
}
