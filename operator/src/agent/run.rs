//! Wires the node agent together and runs it to its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use streamhub_devices::{Discovery, Scan, TrustSysfs, Unreadable, V4l2, Watch};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::acceleration::Acceleration;
use super::args::Args;
use super::cameras::Cameras;
use super::holders;
use super::kubelet::Kubelet;
use super::liveness::Liveness;
use super::metrics::Metrics;
use super::patience::{Impatient, Patience};
use super::registration::{Claim, Ground, claim, clear};
use super::report::{Picture, Place};
use super::writer::{Objects, Writer};
use crate::client::Clients;
use crate::http::{Pages, routes};
use crate::process::stop_at_a_signal;

/// For the objects of an earlier agent, which tell the ids that devices had. Devices are not kept from the kubelet for longer
/// than this; they may be called otherwise then, which nobody is told before the objects are known.
const REMEMBER: Duration = Duration::from_secs(15);
/// For the kubelet, before something is said of devices: one that a pod has is not to be called free in between.
const FIRST_WORD: Duration = Duration::from_secs(3);
/// A kubelet that is away for so long is somewhere else.
const MISSED: Duration = Duration::from_secs(30);
/// Between looks whether another agent has ended.
const CLAIM_AGAIN: Duration = Duration::from_secs(1);

/// For one driver: the next look finds what is answered later, and new devices do not wait for it so long.
const DRIVER: Duration = Duration::from_secs(5);

/// Runs until it is told to end.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let place = Place {
        node: args.node.clone(),
        boot_id: boot_id(&args.boot_id_file)?,
    };
    let (clients, _) = Clients::infer().await.context("no way to the API server")?;
    let listen = args.listen();
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("--listen {listen}: cannot listen there"))?;
    let metrics = Arc::new(Metrics::default());
    let (ready, ready_seen) = watch::channel(false);
    let figures = Arc::clone(&metrics);
    let liveness = Liveness::begin();
    let watched = liveness.clone();
    let pages = Pages {
        alive: Arc::new(move || watched.is_alive()),
        render: Arc::new(move || figures.render()),
        ready: ready_seen,
        waiting: "the devices, the API server or the kubelet are being waited for; the log says more\n",
    };
    tokio::spawn(async move { axum::serve(listener, routes(pages)).await });
    let mut stop = stop_at_a_signal()?;

    let (picture, pictured) = watch::channel(None);
    let writer = Writer::new(
        clients.requests.clone(),
        &place,
        pictured,
        Arc::clone(&metrics),
    );
    let mut objects = writer.objects();
    let writing = tokio::spawn(writer.run(clients.watches.clone()));
    let looking = async {
        let known = objects.wait_for(Option::is_some);
        if tokio::time::timeout(REMEMBER, known).await.is_err() {
            tracing::warn!("the API server does not say what was here before; beginning without");
        }
        look(&args, place, metrics, objects, picture, ready, liveness).await
    };
    tokio::select! {
        ended = looking => ended,
        _ = writing => anyhow::bail!("the watch of VideoDevices has ended; start again"),
        _ = stop.wait_for(|stop| *stop) => Ok(()),
    }
}

/// Looks at the devices of the node for ever, and offers them.
async fn look(
    args: &Args,
    place: Place,
    metrics: Arc<Metrics>,
    mut objects: watch::Receiver<Objects>,
    picture: watch::Sender<Option<Picture>>,
    ready: watch::Sender<bool>,
    liveness: Liveness,
) -> anyhow::Result<()> {
    let kubelet = Kubelet::at(&args.kubelet_dir);
    let _claim = claimed(&kubelet, &liveness).await;
    clear(&kubelet);
    let starts = kubelet.follow();
    tokio::spawn(say_where_a_kubelet_is_missed(
        kubelet.clone(),
        starts.clone(),
    ));
    let (given, registered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (held, mut holders) = watch::channel(None);
    let following = holders::follow(
        kubelet.clone(),
        args.pod(),
        Arc::clone(&given),
        Arc::clone(&metrics),
        held,
    );
    tokio::spawn(following);
    let ground = Ground {
        kubelet,
        starts: starts.clone(),
        given,
        registered: Arc::clone(&registered),
        metrics: Arc::clone(&metrics),
    };

    let mut cameras = Cameras::new(place, ground.clone());
    let mut acceleration = Acceleration::new(&args.dev_dir, args.accelerated_pods, ground);
    let mut scanner = Scanner::new(args, Arc::clone(&metrics), liveness);
    let plugs = Watch::new(&args.dev_dir);
    let (mut looked, mut remembers, mut named) = (false, false, false);
    let silent_until = Instant::now() + FIRST_WORD;
    loop {
        if !remembers && let Some(known) = objects.borrow().as_ref() {
            cameras.remember(known);
            remembers = true;
        }
        if let Some(scan) = scanner.scan().await {
            cameras.set(scan);
            acceleration.look(cameras.nodes()).await;
            looked = true;
            named = remembers;
        }
        // Devices come and go more rarely than what is said of them changes.
        let mut changed = std::pin::pin!(plugs.changed());
        loop {
            let held = holders.borrow_and_update().clone();
            let silent = Instant::now() < silent_until;
            let all_said = held.is_some() && cameras.are_registered();
            let now = cameras.picture(held.as_ref());
            metrics.count(now.present.values().map(|status| status.state));
            if named && (all_said || !silent) {
                picture.send_if_modified(|known| {
                    let other = known.as_ref() != Some(&now);
                    *known = Some(now);
                    other
                });
            }
            let is_ready = looked && objects.borrow().is_some() && starts.borrow().is_some();
            ready.send_replace(is_ready);
            tokio::select! {
                () = &mut changed => break,
                listed = objects.wait_for(Option::is_some), if !remembers => {
                    listed.context("nobody reads VideoDevices any more; start again")?;
                    break;
                }
                () = registered.notified() => {}
                changed = holders.changed() => changed.context("nobody asks the kubelet any more; start again")?,
                () = tokio::time::sleep_until(silent_until), if silent => {}
            }
        }
    }
}

/// Asks drivers, which may take their time.
struct Scanner {
    discovery: Arc<Discovery>,
    metrics: Arc<Metrics>,
    /// What was said of nodes that do not answer.
    said: BTreeSet<String>,
    patience: Patience<std::io::Result<Scan>>,
    liveness: Liveness,
}

impl Scanner {
    fn new(args: &Args, metrics: Arc<Metrics>, liveness: Liveness) -> Self {
        let discovery = if args.trust_sysfs {
            Discovery::new(&args.sys_dir, &args.dev_dir, TrustSysfs)
        } else {
            Discovery::new(&args.sys_dir, &args.dev_dir, V4l2)
        };
        Self {
            discovery: Arc::new(discovery.with_patience(DRIVER)),
            metrics,
            said: BTreeSet::new(),
            patience: Patience::default(),
            liveness,
        }
    }

    /// What is there; `None` where nobody can say.
    async fn scan(&mut self) -> Option<Scan> {
        let discovery = Arc::clone(&self.discovery);
        let looked = self.patience.run(move || discovery.scan()).await;
        let scan = match looked {
            Err(hanging @ (Impatient::Slow(_) | Impatient::Hangs)) => {
                self.metrics.failed("discovery");
                if hanging.is_news() {
                    tracing::error!(error = %hanging, "capture devices cannot be looked for");
                }
                return None;
            }
            ended => ended,
        };
        self.liveness.beat();
        let (scan, troubles) = match scan {
            Ok(Ok(scan)) => {
                let trouble = |one: &Unreadable| {
                    format!("{} ({}): {}", one.found.dev_path, one.found.card, one.error)
                };
                let troubles = scan.unreadable.iter().map(trouble).collect();
                (Some(scan), troubles)
            }
            Ok(Err(error)) => (None, BTreeSet::from([error.to_string()])),
            Err(error) => (None, BTreeSet::from([error.to_string()])),
        };
        for trouble in &troubles {
            self.metrics.failed("discovery");
            if !self.said.contains(trouble) {
                tracing::warn!(
                    error = trouble,
                    "a device does not answer; one that did stays as it was"
                );
            }
        }
        self.said = troubles;
        scan
    }
}

async fn claimed(kubelet: &Kubelet, liveness: &Liveness) -> Claim {
    let mut told = false;
    loop {
        if let Some(claim) = claim(kubelet) {
            return claim;
        }
        if !told {
            tracing::error!(
                "another node agent serves this kubelet; waiting for its end: set nodeAgent.enabled in one release of the chart only"
            );
        }
        told = true;
        tokio::time::sleep(CLAIM_AGAIN).await;
        liveness.beat();
    }
}

async fn say_where_a_kubelet_is_missed(
    kubelet: Kubelet,
    mut starts: watch::Receiver<Option<super::kubelet::Start>>,
) {
    let there = starts.wait_for(Option::is_some);
    if tokio::time::timeout(MISSED, there).await.is_err() {
        let socket = kubelet.registration().display();
        tracing::error!(
            %socket,
            "no kubelet is there; name the folder of its files by --kubelet-dir, which is nodeAgent.kubeletDir of the chart"
        );
    }
}

fn boot_id(file: &std::path::Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("--boot-id-file {}: cannot be read", file.display()))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use clap::Parser as _;
    use streamhub_crds::{DeviceIdentity, DeviceState, VideoDeviceStatus};
    use streamhub_devices::Registry;

    use super::super::fake_kubelet::{FakeKubelet, Seen};
    use super::super::ledger::Known;
    use super::super::tests::known;
    use super::*;

    /// Makes a webcam of sysfs at a port, behind which a node of the machine is that is no camera.
    fn plug(root: &Path, number: u32, (node, device): (&str, &str)) {
        let usb = root.join(format!("sys/devices/usb1/1-{number}"));
        let interface = usb.join(format!("1-{number}:1.0"));
        let video = interface.join(format!("video4linux/video{number}"));
        fs::create_dir_all(&video).unwrap();
        for (folder, name, text) in [
            (&usb, "idVendor", "046d"),
            (&usb, "idProduct", "0825"),
            (&usb, "serial", "A1B2"),
            (&interface, "bInterfaceNumber", "00"),
            (&video, "index", "0"),
            (&video, "name", "Cam"),
            (&video, "dev", device),
        ] {
            fs::write(folder.join(name), text).unwrap();
        }
        symlink("/bus/usb", interface.join("subsystem")).unwrap();
        for folder in ["sys/class/video4linux", "dev"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let class = root.join(format!("sys/class/video4linux/video{number}"));
        symlink(&video, class).unwrap();
        symlink(node, root.join(format!("dev/video{number}"))).unwrap();
    }

    /// What an agent wrote that saw the one at port 1 first: it has the id of the serial number that both have.
    fn written(place: &Place) -> BTreeMap<String, Known> {
        let mut registry = Registry::default();
        let twin = |number: u32| DeviceIdentity {
            bus: "usb".to_owned(),
            vendor: Some("046d".to_owned()),
            product: Some("0825".to_owned()),
            serial: Some("A1B2".to_owned()),
            usb_path: Some(format!("1-{number}:1.0")),
            path: format!("usb-1-{number}:1.0"),
            index: 0,
        };
        let both = [twin(1), twin(2)];
        registry.update(&both[..1]);
        let ids = registry.update(&both);
        let objects = ids.into_iter().zip(both).map(|(id, identity)| {
            let status = VideoDeviceStatus {
                node: place.node.clone(),
                state: DeviceState::Free,
                resource: id.resource(),
                identity,
                ..VideoDeviceStatus::default()
            };
            (place.object(id.as_str()), known(status))
        });
        objects.collect()
    }

    #[tokio::test]
    async fn nothing_is_said_of_devices_before_it_is_known_what_they_were_called() {
        let root = tempfile::tempdir().unwrap();
        plug(root.path(), 1, ("/dev/null", "1:3"));
        plug(root.path(), 2, ("/dev/zero", "1:5"));
        let kubelet = FakeKubelet::start(root.path());
        let folder = |name: &str| root.path().join(name).display().to_string();
        let (dev, sys, kubelet_dir) = (folder("dev"), folder("sys"), folder(""));
        let words = ["streamhub-node-agent", "--trust-sysfs", "--node", "node1"];
        let folders = [
            "--dev-dir",
            &dev,
            "--sys-dir",
            &sys,
            "--kubelet-dir",
            &kubelet_dir,
        ];
        let args = Args::parse_from(words.into_iter().chain(folders));
        let place = Place {
            node: args.node.clone(),
            boot_id: "another".to_owned(),
        };
        let before = written(&place);
        let (listed, objects) = watch::channel(None);
        let (picture, mut pictured) = watch::channel(None);
        let ready = watch::Sender::new(false);
        let metrics = Arc::new(Metrics::default());
        let looking = look(
            &args,
            place,
            metrics,
            objects,
            picture,
            ready,
            Liveness::begin(),
        );
        let telling = async {
            let late = FIRST_WORD + Duration::from_secs(1);
            let early = tokio::time::timeout(late, pictured.changed()).await;
            assert!(early.is_err(), "{:#?}", *pictured.borrow());
            let offered = async {
                while kubelet.resources() != 2 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let offered = tokio::time::timeout(Duration::from_secs(20), offered).await;
            assert!(offered.is_ok(), "devices do not wait for it");
            listed.send_replace(Some(before.clone()));
            let told = pictured.wait_for(Option::is_some);
            let told = tokio::time::timeout(Duration::from_secs(20), told).await;
            let told = told.unwrap().unwrap().clone().unwrap();
            for (name, status) in &told.present {
                let known = &before[name].status;
                assert_eq!(status.identity, known.identity, "{told:#?}");
            }
            assert_eq!(told.present.len(), 2);
            let healthy = |seen: &Seen| seen.devices.iter().any(|one| one.health == "Healthy");
            for status in told.present.values() {
                kubelet.until(&status.resource, healthy).await;
            }
        };
        tokio::select! {
            ended = looking => panic!("{ended:?}"),
            () = telling => {}
        }
    }
}
