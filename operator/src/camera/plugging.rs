//! Cameras are unplugged and plugged in elsewhere, nodes are restarted: whatever happens, a camera ends where it should.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::core::DynamicObject;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::controller::Cameras;
use super::faults::operator;
use super::memory::lock;
use crate::budget::Budget;
use crate::context::Context;
use crate::fake_api::{FakeApi, place};
use crate::queue::Work as _;
use crate::samples::{NAMESPACE, V4L2, camera, device, key, node_with};
use crate::settings::Settings;
use crate::world::Told;

const NODES: [&str; 2] = ["n1", "n2"];
const RESOURCE: &str = "streamhub.dev/cam-a1b2";

/// A machine with a kubelet and a node agent.
#[derive(Debug, Clone, Default)]
struct Machine {
    boots: u32,
    cordoned: bool,
    /// The number of the device that is plugged in.
    plugged: Option<u32>,
    /// Whether the device is registered with the kubelet that runs now.
    registered: bool,
    /// Pods that were rejected since the kubelet started, though the device was there.
    rejected: u32,
    /// What its agent wrote last.
    reported: Option<Value>,
    /// What the API server was told of the node last: its boot, and whether it offers the device.
    told: (u32, bool),
}

/// A cluster of two nodes with one camera that is carried about.
struct Site {
    api: FakeApi,
    operator: Arc<Context>,
    machines: BTreeMap<&'static str, Machine>,
    /// The time that all write, milliseconds.
    clock: i64,
    /// Pods that were rejected.
    rejected: u32,
    /// What was seen that must not be.
    wrong: Vec<String>,
}

impl Site {
    fn new() -> Self {
        let api = FakeApi::default();
        let operator = restarted(&api);
        let machines = NODES.map(|name| (name, Machine::default()));
        let site = Self {
            api,
            operator,
            machines: machines.into(),
            clock: Timestamp::now().as_millisecond(),
            rejected: 0,
            wrong: Vec::new(),
        };
        let spec = camera("door", V4L2).data["spec"].clone();
        let object = json!({"apiVersion": "streamhub.dev/v1alpha1", "kind": "Camera",
            "metadata": {"name": "door"}, "spec": spec});
        site.api
            .with(|store| store.put(place("cameras", NAMESPACE, "door"), object));
        site
    }

    fn machine(&mut self, name: &str) -> &mut Machine {
        self.machines.get_mut(name).unwrap()
    }

    fn now(&mut self) -> String {
        self.clock += 1000;
        Timestamp::from_millisecond(self.clock).unwrap().to_string()
    }

    fn pod(&self) -> Option<Value> {
        let place = place("pods", NAMESPACE, "cam-door");
        self.api.with(|store| store.objects.get(&place).cloned())
    }

    fn put_pod(&self, pod: Value) {
        let place = place("pods", NAMESPACE, "cam-door");
        self.api.with(|store| drop(store.replace(place, pod)));
    }

    /// The kubelet of a node starts, and looks at its pods before any plugin has registered.
    fn kubelet_starts(&mut self, name: &'static str, rebooted: bool) {
        let machine = self.machine(name);
        machine.registered = false;
        machine.rejected = 0;
        if rebooted {
            machine.boots += 1;
        }
        let Some(mut pod) = self.pod().filter(|pod| pod["spec"]["nodeName"] == name) else {
            return;
        };
        if pod["status"]["phase"] == "Failed" {
            return;
        }
        self.reject(&mut pod, name);
        self.put_pod(pod);
    }

    fn reject(&mut self, pod: &mut Value, name: &str) {
        self.rejected += 1;
        let machine = self.machine(name);
        machine.rejected += u32::from(machine.plugged.is_some());
        if machine.rejected > 1 {
            self.wrong
                .push(format!("two failed pods after one start of {name}"));
        }
        let now = self.now();
        pod["status"] = json!({"phase": "Failed", "reason": "UnexpectedAdmissionError"});
        pod["metadata"]["managedFields"] = json!([{"manager": "kubelet", "operation": "Update",
            "apiVersion": "v1", "subresource": "status", "time": now}]);
    }

    /// The kubelet of a node tells the API server of its node.
    fn kubelet_tells(&mut self, name: &str) {
        let machine = self.machine(name);
        machine.told = (
            machine.boots,
            machine.registered && machine.plugged.is_some(),
        );
    }

    /// The agent of a node looks at its machine, registers what is new, and reports.
    fn agent_looks(&mut self, name: &'static str) {
        let now = self.now();
        let machine = self.machine(name);
        let boot = format!("boot-{}", machine.boots);
        let Some(number) = machine.plugged else {
            if let Some(reported) = machine.reported.as_mut() {
                if reported["state"] != "Absent" {
                    reported["state"] = "Absent".into();
                    reported["lastSeen"] = now.into();
                }
                reported["bootID"] = boot.into();
            }
            machine.registered = false;
            return;
        };
        let before = machine.reported.clone().unwrap_or_default();
        let again = !machine.registered || before["state"] == "Absent";
        machine.registered = true;
        let registered = if again {
            json!(now)
        } else {
            before["registeredAt"].clone()
        };
        machine.reported = Some(
            json!({"state": "Free", "bootID": boot, "registeredAt": registered,
            "devicePath": format!("/dev/video{number}")}),
        );
        let pod = self.pod();
        let here = pod.is_some_and(|pod| {
            pod["spec"]["nodeName"] == name && pod["status"]["phase"] == "Running"
        });
        if here && let Some(reported) = self.machine(name).reported.as_mut() {
            reported["state"] = "Busy".into();
            reported["holder"] = "default/cam-door".into();
        }
    }

    /// The scheduler and the kubelets do what they have to; whether there was anything.
    fn pods_go_on(&mut self) -> bool {
        let place = place("pods", NAMESPACE, "cam-door");
        let Some(mut pod) = self.pod() else {
            return false;
        };
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            self.api.with(|store| store.objects.remove(&place));
            return true;
        }
        if !pod["status"]["phase"].is_null() {
            return false;
        }
        let affinity = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let node = affinity["nodeSelectorTerms"][0]["matchFields"][0]["values"][0].clone();
        let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
        assert_eq!(limits[RESOURCE], "1");
        let machine = self.machine(node.as_str().unwrap()).clone();
        if machine.cordoned || !machine.told.1 {
            return false;
        }
        pod["spec"]["nodeName"] = node.clone();
        // Whether it is there, its agent says.
        if machine.registered {
            pod["status"] = json!({"phase": "Running", "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-21T00:00:00Z"}]});
        } else {
            self.reject(&mut pod, node.as_str().unwrap());
        }
        self.put_pod(pod);
        true
    }

    /// The watches tell what there is.
    fn tell(&self) {
        let objects = self.api.with(|store| store.objects.clone());
        let mut world = lock(&self.operator.world);
        for (name, machine) in &self.machines {
            let offered: &[&str] = if machine.told.1 { &["A1B2"] } else { &[] };
            let mut node: Node = node_with(name, offered);
            let info = node.status.as_mut().unwrap().node_info.as_mut().unwrap();
            info.boot_id = format!("boot-{}", machine.told.0);
            node.spec.get_or_insert_default().unschedulable = Some(machine.cordoned);
            world.set_node(&node);
            if let Some(reported) = &machine.reported {
                world.set_device(device(name, "A1B2", reported.clone()), Told::List);
            }
        }
        let pod = objects.get(&place("pods", NAMESPACE, "cam-door"));
        match pod.cloned() {
            Some(pod) => {
                let pod: Pod = serde_json::from_value(pod).unwrap();
                drop(world.set_pod(pod, Told::List));
            }
            None => drop(world.remove_pod(&key("door"), None)),
        }
        let camera = objects.get(&place("cameras", NAMESPACE, "door")).cloned();
        let camera: DynamicObject = serde_json::from_value(camera.unwrap()).unwrap();
        world.set_camera(camera, Told::List);
    }

    async fn operator_looks(&mut self) {
        self.tell();
        Cameras(Arc::clone(&self.operator)).work(key("door")).await;
        // So long that no backoff has to be waited for.
        let memory = self.operator.memories.of(&key("door"));
        let mut memory = lock(&memory);
        memory.not_before = None;
        memory.no_device_before = None;
        memory.budget = Budget::default();
    }

    async fn happen(&mut self, dice: &mut StdRng) {
        let name = NODES[dice.random_range(0..NODES.len())];
        let number = dice.random_range(0..3);
        match dice.random_range(0..20) {
            0 | 1 => self.carry(Some((name, number))),
            2 => self.carry(None),
            3 => self.kubelet_starts(name, true),
            4 => self.kubelet_starts(name, false),
            5 => self.machine(name).cordoned = dice.random_bool(0.3),
            6 => self.operator = restarted(&self.api),
            7 | 8 => self.kubelet_tells(name),
            9..=11 => self.agent_looks(name),
            _ => {
                self.operator_looks().await;
                self.pods_go_on();
            }
        }
    }

    /// It is pulled out where it is, and plugged in there.
    fn carry(&mut self, to: Option<(&str, u32)>) {
        for machine in self.machines.values_mut() {
            machine.plugged = None;
        }
        if let Some((name, number)) = to {
            self.machine(name).plugged = Some(number);
        }
    }

    /// All that reports has reported, and the operator comes to rest.
    async fn settle(&mut self) {
        for _ in 0..40 {
            let before = self.api.with(|store| store.writes.len());
            for name in NODES {
                self.agent_looks(name);
                self.kubelet_tells(name);
            }
            self.operator_looks().await;
            let pending = self
                .pod()
                .is_some_and(|pod| pod["status"]["phase"].is_null());
            if !self.pods_go_on() {
                if pending {
                    self.wrong.push("a pod waits for nothing".to_owned());
                }
                if self.api.with(|store| store.writes.len()) == before {
                    return;
                }
            }
        }
        panic!(
            "it does not come to rest: {:?} {:?} {:?}",
            self.machines,
            self.pod(),
            self.reason()
        );
    }

    /// Where the camera runs: node and path.
    fn runs(&self) -> Option<(String, Value)> {
        let pod = self.pod()?;
        assert_eq!(pod["status"]["phase"], "Running", "{pod}");
        Some((
            pod["spec"]["nodeName"].as_str()?.to_owned(),
            pod["metadata"]["annotations"].clone(),
        ))
    }

    fn reason(&self) -> Value {
        let place = place("cameras", NAMESPACE, "door");
        let camera = self.api.with(|store| store.objects.get(&place).cloned());
        let mut status = camera.unwrap()["status"].clone();
        json!([status["reason"].take(), status["state"].take()])
    }
}

fn restarted(api: &FakeApi) -> Arc<Context> {
    let operator = operator(api);
    let settings = Settings {
        watch_nodes: true,
        ..operator.settings.clone()
    };
    let mut operator = Arc::into_inner(operator).unwrap();
    operator.settings = settings;
    operator.nodes_known.store(true, Ordering::Relaxed);
    Arc::new(operator)
}

#[tokio::test]
async fn wherever_it_is_carried_and_whatever_restarts_it_runs_where_it_is_in_the_end() {
    let (mut rejected, mut running) = (0, 0);
    for seed in 0..200 {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut site = Site::new();
        for _ in 0..dice.random_range(0..120) {
            site.happen(&mut dice).await;
        }
        site.settle().await;
        let home = site.machines.iter().find(|(_, it)| it.plugged.is_some());
        let home = home.map(|(name, machine)| ((*name).to_owned(), machine.clone()));
        match (home, site.runs()) {
            (None, None) => assert_eq!(site.reason()[0], "DeviceMissing", "seed {seed}"),
            (Some((_, machine)), None) => {
                assert!(machine.cordoned, "seed {seed}: {:?}", site.machines);
                assert_eq!(site.reason()[0], "NodeUnavailable", "seed {seed}");
            }
            (Some((name, _)), Some((node, _))) => assert_eq!(node, name, "seed {seed}"),
            (None, Some(_)) => panic!("seed {seed}: a pod without a device"),
        }
        assert!(site.wrong.is_empty(), "seed {seed}: {:?}", site.wrong);
        rejected += site.rejected;
        running += u32::from(site.runs().is_some());
        let incarnations = site.api.with(|store| store.incarnations.clone());
        assert!(
            incarnations.is_sorted_by(|a, b| a < b),
            "seed {seed}: {incarnations:?}"
        );
        // At rest nothing is written, by nobody.
        let before = site.api.with(|store| store.writes.clone());
        site.operator = restarted(&site.api);
        site.settle().await;
        assert_eq!(
            site.api.with(|store| store.writes.clone()),
            before,
            "seed {seed}"
        );
    }
    assert!(rejected > 25 && running > 75, "{rejected} {running}");
}

#[tokio::test]
async fn a_node_that_boots_again_and_again_costs_one_pod_each_time_and_no_wait() {
    let mut site = Site::new();
    site.carry(Some(("n1", 0)));
    site.settle().await;
    for boot in 1..=10 {
        let machine = site.machine("n1");
        machine.boots = boot;
        (machine.registered, machine.rejected) = (false, 0);
        // The kubelet's word of the pod comes last.
        site.agent_looks("n1");
        site.kubelet_tells("n1");
        let mut pod = site.pod().unwrap();
        site.reject(&mut pod, "n1");
        site.put_pod(pod);
        for _ in 0..2 {
            site.tell();
            Cameras(Arc::clone(&site.operator)).work(key("door")).await;
            let memory = site.operator.memories.of(&key("door"));
            let mut memory = lock(&memory);
            assert!(memory.endings == 0 && memory.not_before.is_none());
            memory.budget = Budget::default();
            drop(memory);
            site.pods_go_on();
        }
        assert!(site.runs().is_some());
        site.settle().await;
    }
    assert_eq!(site.rejected, 10);
    assert!(site.wrong.is_empty(), "{:?}", site.wrong);
}

#[tokio::test]
async fn what_a_loose_plug_does_to_pods_is_counted() {
    let mut site = Site::new();
    // Gone, back, and as another number before it was missed.
    let ways = [None, Some(0), None, Some(0), Some(1), Some(2)];
    let mut counted = Vec::new();
    for number in [Some(0)].into_iter().chain(ways) {
        site.carry(number.map(|number| ("n1", number)));
        site.settle().await;
        let memory = site.operator.memories.of(&key("door"));
        counted.push(lock(&memory).unplugs);
    }
    assert_eq!(counted, [0, 1, 1, 2, 2, 3, 4]);
}

#[tokio::test]
async fn who_plugs_a_camera_in_again_waits_for_nothing_and_a_loose_plug_for_its_turn() {
    let mut site = Site::new();
    for plugged in 1..=4 {
        for place in [Some(("n1", 0)), None] {
            let memory = site.operator.memories.of(&key("door"));
            (0..3).for_each(|_| lock(&memory).budget.spend(Instant::now()));
            site.carry(place);
            for _ in 0..6 {
                site.agent_looks("n1");
                site.kubelet_tells("n1");
                site.tell();
                Cameras(Arc::clone(&site.operator)).work(key("door")).await;
                lock(&memory).no_device_before = None;
                site.pods_go_on();
            }
            let at_once = place.is_some() && plugged <= 3;
            assert_eq!(site.runs().is_some(), at_once, "{plugged} {place:?}");
        }
    }
}
