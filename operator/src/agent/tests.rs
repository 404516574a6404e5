//! Plugins against a kubelet: a real socket, a real stream.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use streamhub_crds::{DeviceState, VideoDeviceStatus};
use streamhub_devices::{Found, Scan, Unreadable};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tonic::Code;

use super::acceleration::Acceleration;
use super::cameras::Cameras;
use super::fake_kubelet::{FakeKubelet, Seen};
use super::holders::{self, Holders};
use super::kubelet::Kubelet;
use super::ledger::Known;
use super::metrics::Metrics;
use super::plugin::{Node, Offer, Resource};
use super::protocol::pod_resources::{ContainerDevices, ContainerResources, PodResources};
use super::registration::{Ground, Kept, claim, clear, endpoint};
use super::report::tests::{found, place, present};

const NAME: &str = "streamhub.dev/cam-0123456789";

/// A node without a kubelet yet.
pub(super) struct Machine {
    root: TempDir,
    pub(super) ground: Ground,
}

impl Machine {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let kubelet = Kubelet::at(root.path());
        let ground = Ground {
            starts: kubelet.follow(),
            kubelet,
            given: Arc::new(Notify::new()),
            registered: Arc::new(Notify::new()),
            metrics: Arc::new(Metrics::default()),
        };
        Self { root, ground }
    }

    pub(super) fn kubelet(&self) -> FakeKubelet {
        FakeKubelet::start(self.root.path())
    }

    fn plugin(&self, id: &str, offer: Offer) -> Kept {
        let resource = Resource {
            name: format!("streamhub.dev/cam-{id}"),
            endpoint: endpoint(id),
            about: "the capture device \"Cam\" (serial A1)".to_owned(),
            units: vec![id.to_owned()],
        };
        Kept::begin(&self.ground, resource, offer)
    }

    fn sockets(&self) -> usize {
        let files = std::fs::read_dir(self.ground.kubelet.plugins()).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        let ours = names.filter(|name| name.to_string_lossy().starts_with("streamhub-"));
        ours.count()
    }
}

fn node(host: &str) -> Offer {
    vec![Node {
        here: PathBuf::from("/dev/null"),
        number: std::fs::metadata("/dev/null").unwrap().rdev(),
        host: host.to_owned(),
        container: "/dev/streamhub/capture".to_owned(),
    }]
}

pub(super) fn seen(found: impl IntoIterator<Item = Found>) -> Scan {
    Scan {
        found: found.into_iter().collect(),
        ..Scan::default()
    }
}

pub(super) fn known(status: VideoDeviceStatus) -> Known {
    Known {
        uid: "u1".to_owned(),
        version: "1".to_owned(),
        created: None,
        node: None,
        is_set: false,
        status,
    }
}

fn healthy(seen: &Seen) -> bool {
    seen.devices.len() == 1 && seen.devices[0].health == "Healthy"
}

fn unhealthy(seen: &Seen) -> bool {
    seen.devices.len() == 1 && seen.devices[0].health == "Unhealthy"
}

#[tokio::test]
async fn a_device_is_given_out_while_it_is_there_and_again_under_another_number() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let plugin = machine.plugin("0123456789", node("/dev/video0"));
    kubelet.until(NAME, healthy).await;
    let given = kubelet.allocate(NAME, &["0123456789"]).await.unwrap();
    assert_eq!(given.len(), 1);
    let spec = &given[0];
    let spec = (&*spec.host_path, &*spec.container_path, &*spec.permissions);
    assert_eq!(spec, ("/dev/video0", "/dev/streamhub/capture", "rw"));

    plugin.offer(Offer::new());
    kubelet.until(NAME, unhealthy).await;
    let refused = kubelet.allocate(NAME, &["0123456789"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("serial A1"), "{refused}");

    plugin.offer(node("/dev/video1"));
    let seen = kubelet.until(NAME, healthy).await;
    assert_eq!(seen.registrations, 1);
    let given = kubelet.allocate(NAME, &["0123456789"]).await.unwrap();
    assert_eq!(given[0].host_path, "/dev/video1");
    let other = kubelet.allocate(NAME, &["9999999999"]).await.unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_node_that_went_a_moment_ago_is_not_given_out() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let gone = machine.root.path().join("video7");
    let mut offer = node("/dev/video7");
    offer[0].here = gone;
    let _plugin = machine.plugin("0123456789", offer);
    kubelet.until(NAME, healthy).await;
    let refused = kubelet.allocate(NAME, &["0123456789"]).await.unwrap_err();
    assert!(refused.message().contains("/dev/video7"), "{refused}");
}

#[tokio::test]
async fn a_kubelet_has_one_node_agent_at_a_time() {
    let machine = Machine::new();
    let kubelet = &machine.ground.kubelet;
    let _served = machine.kubelet();
    let first = claim(kubelet).unwrap();
    assert!(claim(kubelet).is_none());
    drop(first);
    assert!(claim(kubelet).is_some());
}

#[tokio::test]
async fn another_device_that_came_in_its_place_is_not_given_out() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let mut offer = node("/dev/video7");
    offer[0].here = PathBuf::from("/dev/zero");
    let _plugin = machine.plugin("0123456789", offer);
    kubelet.until(NAME, healthy).await;
    let refused = kubelet.allocate(NAME, &["0123456789"]).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_kubelet_that_comes_later_and_one_that_is_started_anew_are_told() {
    let machine = Machine::new();
    let plugin = machine.plugin("0123456789", node("/dev/video0"));
    assert_eq!(plugin.registered_at(), None);
    for _ in 0..3 {
        let kubelet = machine.kubelet();
        let before = plugin.registered_at();
        kubelet.until(NAME, healthy).await;
        let moments = tokio::time::timeout(Duration::from_secs(10), async {
            while plugin.registered_at() == before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        moments.await.unwrap();
        assert!(plugin.registered_at() > before);
        kubelet.allocate(NAME, &["0123456789"]).await.unwrap();
    }
}

#[tokio::test]
async fn a_kubelet_that_refuses_or_loses_a_list_is_told_again() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    kubelet.refuse(true);
    let plugin = machine.plugin("0123456789", node("/dev/video0"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(plugin.registered_at(), None);
    kubelet.refuse(false);
    kubelet.until(NAME, healthy).await;
    kubelet.lose_streams();
    let again = |seen: &Seen| seen.registrations == 2 && healthy(seen);
    kubelet.until(NAME, again).await;
}

#[tokio::test]
async fn an_agent_that_is_started_anew_takes_over_from_what_the_last_one_left() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let plugin = machine.plugin("0123456789", node("/dev/video0"));
    kubelet.until(NAME, healthy).await;
    drop(plugin);
    kubelet.until(NAME, |seen| seen.devices.is_empty()).await;
    assert_eq!(machine.sockets(), 0);
    // As if it had been killed.
    let left = machine
        .ground
        .kubelet
        .plugins()
        .join(endpoint("0123456789"));
    drop(std::os::unix::net::UnixListener::bind(left).unwrap());
    clear(&machine.ground.kubelet);
    assert_eq!(machine.sockets(), 0);
    let _plugin = machine.plugin("0123456789", node("/dev/video0"));
    kubelet.until(NAME, healthy).await;
}

#[tokio::test]
async fn as_many_devices_as_a_node_can_have() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let mut cameras = Cameras::new(place(), machine.ground.clone());
    cameras.set(seen((0..64).map(found)));
    let picture = cameras.picture(Some(&Holders::new()));
    assert_eq!(picture.present.len(), 64);
    for status in picture.present.values() {
        kubelet.until(&status.resource, healthy).await;
    }
    assert_eq!(kubelet.resources(), 64);
    cameras.set(seen((1..64).map(found)));
    let picture = cameras.picture(Some(&Holders::new()));
    assert_eq!((picture.present.len(), picture.gone.len()), (63, 1));
    let first = picture.present.values().next().unwrap();
    assert!(first.device_number.as_ref().unwrap().starts_with("81:"));
    for status in picture.present.values() {
        kubelet.until(&status.resource, healthy).await;
    }
    drop(cameras);
}

#[tokio::test]
async fn a_device_that_does_not_answer_is_not_unplugged_whether_this_agent_heard_it_or_the_last_one()
 {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let silent = || Scan {
        unreadable: vec![Unreadable {
            found: found(0),
            error: std::io::ErrorKind::ResourceBusy.into(),
        }],
        ..Scan::default()
    };
    let mut objects = BTreeMap::new();
    for agent in ["one that heard it", "one that begins"] {
        let mut cameras = Cameras::new(place(), machine.ground.clone());
        cameras.remember(&objects);
        if objects.is_empty() {
            cameras.set(seen([found(0)]));
        }
        cameras.set(silent());
        let picture = cameras.picture(Some(&Holders::new()));
        assert_eq!(
            (picture.present.len(), picture.gone.len()),
            (1, 0),
            "{agent}"
        );
        assert_eq!(cameras.nodes(), [found(0).open_path]);
        let (name, status) = picture.present.into_iter().next().unwrap();
        kubelet.until(&status.resource, healthy).await;
        objects.insert(name, known(status));
    }
    for object in objects.values_mut() {
        object.status.boot_id = "another".to_owned();
    }
    let mut cameras = Cameras::new(place(), machine.ground.clone());
    cameras.remember(&objects);
    cameras.set(silent());
    assert!(cameras.picture(Some(&Holders::new())).present.is_empty());
}

#[tokio::test]
async fn a_node_whose_driver_hangs_is_nobody_elses_to_ask() {
    let machine = Machine::new();
    let mut cameras = Cameras::new(place(), machine.ground.clone());
    let unreadable = |number: u32, kind: std::io::ErrorKind| Unreadable {
        found: found(number),
        error: kind.into(),
    };
    cameras.set(Scan {
        unreadable: vec![
            unreadable(0, std::io::ErrorKind::TimedOut),
            unreadable(1, std::io::ErrorKind::ResourceBusy),
        ],
        ..Scan::default()
    });
    assert_eq!(cameras.nodes(), [found(0).open_path]);
    cameras.set(Scan::default());
    assert!(cameras.nodes().is_empty());
}

#[tokio::test]
async fn a_device_stays_with_who_had_it_until_the_kubelet_has_said_otherwise() {
    let machine = Machine::new();
    let mut busy = present(0);
    busy.holder = Some("shop/cam-door".to_owned());
    for (boot, holder) in [("b00t", busy.holder.clone()), ("another", None)] {
        let mut status = place().status(&busy);
        status.boot_id = boot.to_owned();
        let objects = BTreeMap::from([(place().object(busy.id.as_str()), known(status))]);
        let mut cameras = Cameras::new(place(), machine.ground.clone());
        cameras.remember(&objects);
        cameras.set(seen([found(0)]));
        let held = |holders: Option<&Holders>| {
            let mut present = cameras.picture(holders).present.into_values();
            present.next().unwrap().holder
        };
        assert_eq!(held(None), holder);
        assert_eq!(held(Some(&Holders::new())), None);
    }
}

#[tokio::test]
async fn a_device_that_can_not_be_used_is_no_resource() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let mut cameras = Cameras::new(place(), machine.ground.clone());
    let mut raw = found(0);
    raw.unsupported = Some("raw".to_owned());
    cameras.set(seen([raw, found(1)]));
    let picture = cameras.picture(Some(&Holders::new()));
    let states = picture.present.values().map(|status| status.state);
    let states: Vec<DeviceState> = states.collect();
    assert!(states.contains(&DeviceState::Unsupported));
    let free = |status: &&VideoDeviceStatus| status.state == DeviceState::Free;
    let usable = picture.present.values().find(free).unwrap();
    kubelet.until(&usable.resource, healthy).await;
    assert_eq!(machine.sockets(), 1);
}

#[tokio::test]
async fn who_holds_a_device_is_asked_and_kept_while_the_kubelet_is_away() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let pod = PodResources {
        name: "cam-door".to_owned(),
        namespace: "shop".to_owned(),
        containers: vec![ContainerResources {
            devices: vec![ContainerDevices {
                resource_name: NAME.to_owned(),
                device_ids: vec!["0123456789".to_owned()],
            }],
        }],
    };
    let (sender, mut holders) = watch::channel(None);
    let Ground { given, metrics, .. } = machine.ground.clone();
    let asked = machine.ground.kubelet.clone();
    let following = holders::follow(asked, None, Arc::clone(&given), metrics, sender);
    tokio::spawn(following);
    kubelet.set_pods(vec![pod]);
    given.notify_one();
    let held = |holders: &Option<Holders>| {
        let who = holders.as_ref().and_then(|holders| holders.get(NAME));
        who.is_some_and(|who| who == "shop/cam-door")
    };
    let wait = holders.wait_for(held);
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap()
        .unwrap();
    drop(kubelet);
    given.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(held(&holders.borrow()));
}

#[tokio::test]
async fn hardware_that_pods_share_is_offered_where_it_is() {
    let machine = Machine::new();
    let kubelet = machine.kubelet();
    let dev = machine.root.path().join("dev");
    std::fs::create_dir_all(dev.join("dri")).unwrap();
    let mut shared = Acceleration::new(&dev, 3, machine.ground.clone());
    shared.look(Vec::new()).await;
    for name in ["dri/renderD128", "dri/card0", "video0"] {
        std::os::unix::fs::symlink("/dev/null", dev.join(name)).unwrap();
    }
    shared.look(Vec::new()).await;
    let name = "streamhub.dev/dri";
    let seen = kubelet.until(name, |seen| seen.devices.len() == 3).await;
    let units: Vec<&str> = seen.devices.iter().map(|one| &*one.id).collect();
    let given = kubelet.allocate(name, &units[..1]).await.unwrap();
    let paths = [&*given[0].host_path, &*given[0].container_path];
    assert_eq!((given.len(), paths), (1, ["/dev/dri/renderD128"; 2]));
    // No driver is behind this video node, so it is no codec.
    assert_eq!(machine.sockets(), 1);
    std::fs::remove_file(dev.join("dri/renderD128")).unwrap();
    shared.look(Vec::new()).await;
    let gone = |seen: &Seen| seen.devices.iter().all(|one| one.health == "Unhealthy");
    kubelet
        .until(name, |seen| seen.devices.len() == 3 && gone(seen))
        .await;
}
