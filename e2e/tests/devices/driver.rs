//! A real driver: `vivid`, in the virtual machine that is the node `vm1`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use streamhub_e2e::{Camera, Cluster, Faults, Frame, Frames, Namespace, Vm};

use crate::burnt_time;
use crate::loopback::jpeg_is_passed_on_as_it_is;
use crate::support::{
    Device, agents_are_ready, forget_devices, has_no_pod, install, listing, runs_on, show,
};

/// Everything is several times slower in there.
pub const PATIENCE: Duration = Duration::from_mins(6);

/// The one device of the machine, whichever number it has. `vivid` says when the first line was exposed.
const DESK: &str = "source: {v4l2: {deviceSelector: {node: vm1}, \
     mode: {fourcc: YUYV, width: 320, height: 180, fps: 10}, \
     controls: {saturation: 40, timestamp_source: 1}}}, frames: [{name: main, quality: 90}]";

/// A Camera that means it.
pub fn desk(cluster: &Cluster, namespace: &str) -> Result<Camera> {
    Camera::apply(cluster, namespace, "desk", DESK)
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_a_real_driver_reach_nats_and_again_after_a_replug() -> Result<()> {
    let Some(faults) = Faults::here() else {
        return Ok(());
    };
    let cluster = Cluster::here()?;
    let _installation = install(&cluster)?;
    forget_devices(&cluster)?;
    let vm = Vm::start(&cluster, &faults)?;
    agents_are_ready(&cluster)?;
    let device = Device::only_one_of(&cluster, Vm::NODE, "Free")?;
    ensure!(
        (device.says("/driver"), device.path()) == ("vivid", "/dev/video0"),
        "{device:#?}"
    );
    device.is_offered(&cluster, Vm::NODE, 1)?;
    let namespace = Namespace::create(&cluster, "driver")?;
    let desk = desk(&cluster, namespace.name())?;
    let pod = desk.is_ready_within(PATIENCE)?;
    ensure!(pod.node == Vm::NODE, "{pod:?}");
    listing(&cluster, &desk)?;
    show(&cluster, "a real driver")?;

    let subject = format!("streamhub.{}.default.frames.desk.main", namespace.name());
    let mut frames = Frames::subscribe(&cluster, &subject).await?;
    what_was_asked_for_is_there(&vm, &mut frames).await?;

    // A kubelet that starts anew finds the container as it was.
    faults.kill("vm1/kubelet")?.mend()?;
    vm.is_ready()?;
    device.is_offered(&cluster, Vm::NODE, 1)?;
    frames.next(PATIENCE).await?;
    ensure!(
        desk.pod()? == pod,
        "the restart of the kubelet took the pod"
    );

    // While this program has it, its number stays taken, as that of a USB camera that is pulled from a program.
    vm.exec("setsid sleep 600 < /dev/video0 > /dev/null 2>&1 &")?;
    vm.unplug()?;
    device.is_offered(&cluster, Vm::NODE, 0)?;
    let message = desk.says("Pending", "DeviceMissing", PATIENCE)?;
    ensure!(message.contains("last seen on node vm1"), "{message}");
    has_no_pod(&cluster, &desk)?;
    show(&cluster, "unplugged")?;

    let mut frames = Frames::subscribe(&cluster, &subject).await?;
    let begin = Instant::now();
    vm.plug()?;
    frames.next(PATIENCE).await?;
    println!(
        "the first frame came {:?} after the device",
        begin.elapsed()
    );
    ensure!(device.now(&cluster)?.path() == "/dev/video1", "{device:#?}");
    runs_on(&cluster, &desk, Vm::NODE, &pod.uid)?;
    let seen = listing(&cluster, &desk)?;
    ensure!(seen.contains(" 81, 1 "), "{seen}");
    show(&cluster, "plugged in again, as another number")?;
    frames.next(PATIENCE).await?;

    // With a second device the machine's name alone would mean two.
    cluster.kubectl(&["delete", "camera", "-n", namespace.name(), desk.name()])?;
    jpeg_is_passed_on_as_it_is(&cluster, &vm, &namespace).await
}

async fn what_was_asked_for_is_there(vm: &Vm, frames: &mut Frames) -> Result<()> {
    let set = vm.exec("v4l2-ctl -d /dev/video0 -C saturation")?;
    ensure!(set.trim() == "saturation: 40", "{set}");
    let mode = vm.exec("v4l2-ctl -d /dev/video0 --get-fmt-video --get-parm")?;
    ensure!(
        mode.contains("320/180") && mode.contains("'YUYV'") && mode.contains("10.000"),
        "{mode}"
    );

    let mut distances = Vec::new();
    for _ in 0..30 {
        let Frame { picture, metadata } = frames.next(PATIENCE).await?;
        let at = |pointer: &str| metadata.pointer(pointer);
        ensure!(
            at("/capture/source").and_then(serde_json::Value::as_str) == Some("kernel")
                && at("/width") == Some(&320.into())
                && at("/height") == Some(&180.into()),
            "{metadata:#}"
        );
        let timestamp = at("/timestamp").and_then(serde_json::Value::as_f64);
        let burnt = burnt_time::read(&picture)?;
        distances.push(timestamp.context("no timestamp")? - burnt);
    }
    let usual = burnt_time::median(&distances);
    let worst = distances
        .iter()
        .map(|distance| (distance - usual).abs())
        .fold(0.0, f64::max);
    println!(
        "the time burnt into {} pictures and their timestamps differ by the same, to {:.1} ms",
        distances.len(),
        worst * 1000.0
    );
    // The driver counts in ticks of 4 ms.
    ensure!(worst < 0.05, "{distances:?}");
    Ok(())
}
