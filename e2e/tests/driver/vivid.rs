//! A real driver: `vivid`, in the virtual machine that is the node `vm1`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use streamhub_e2e::{Camera, CameraPod, Frame, Frames, Operator, Vm, until};

use crate::burnt_time;
use crate::loopback::jpeg_is_passed_on_as_it_is;
use crate::real::{PATIENCE, Real};
use streamhub_e2e::devices::{Device, has_no_pod, listing, runs_on, show};

/// To the first frame after a replug: five times what it took at most on a busy machine, 45 s.
const REPLUG: Duration = Duration::from_mins(4);
/// How far most pictures are off at most, in seconds: five times the driver's tick.
const NEAR: f64 = 0.02;

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_a_real_driver_reach_nats_and_again_after_a_replug() -> Result<()> {
    let Some(real) = &Real::begin("driver")? else {
        return Ok(());
    };
    let Real {
        cluster,
        faults,
        namespace,
        vm,
        ..
    } = real;
    let device = Device::only_one_of(cluster, Vm::NODE, "Free")?;
    ensure!(
        (device.says("/driver"), device.path()) == ("vivid", "/dev/video0"),
        "{device:#?}"
    );
    device.is_offered(cluster, Vm::NODE, 1)?;
    let desk = real.desk()?;
    let pod = desk.is_ready_within(PATIENCE)?;
    ensure!(pod.node == Vm::NODE, "{pod:?}");
    listing(cluster, &desk)?;
    show(cluster, "a real driver")?;

    let subject = real.frames_of(&desk);
    let mut frames = Frames::subscribe(cluster, &subject).await?;
    what_was_asked_for_is_there(vm, "/dev/video0", &mut frames).await?;

    // A kubelet that starts anew finds the container as it was.
    let device = device.now(cluster)?;
    faults.kill("vm1/kubelet")?.mend()?;
    let device = device.is_registered_again(cluster)?;
    vm.is_ready()?;
    // What the first subscription holds may be of before.
    frames = Frames::subscribe(cluster, &subject).await?;
    for _ in 0..5 {
        frames.next(PATIENCE).await?;
    }
    ensure!(
        desk.pod()? == pod,
        "the restart of the kubelet took the pod"
    );

    another_camera_under_its_number_is_not_taken(real, &desk, &pod).await?;
    let message = desk.says("Pending", "DeviceMissing", PATIENCE)?;
    ensure!(message.contains("last seen on node vm1"), "{message}");
    device.is_offered(cluster, Vm::NODE, 0)?;
    has_no_pod(cluster, &desk, PATIENCE)?;
    show(cluster, "unplugged")?;

    frames = Frames::subscribe(cluster, &subject).await?;
    let begin = Instant::now();
    vm.plug()?;
    let first = frames.next(PATIENCE).await;
    let took = begin.elapsed();
    real.explain(&desk, took);
    first?;
    println!("the first frame came {took:?} after the device");
    ensure!(took < REPLUG, "the first frame came after {took:?}");
    let there = device.now(cluster)?;
    ensure!(there.path() == "/dev/video1", "{there:#?}");
    runs_on(cluster, &desk, Vm::NODE, &pod.uid)?;
    let seen = listing(cluster, &desk)?;
    ensure!(seen.contains(" 81, 1 "), "{seen}");
    show(cluster, "plugged in again, as another number")?;
    what_was_asked_for_is_there(vm, "/dev/video1", &mut frames).await?;

    // With a second device the machine's name alone would mean two.
    cluster.kubectl(&["delete", "camera", "-n", namespace.name(), desk.name()])?;
    jpeg_is_passed_on_as_it_is(real).await
}

/// A container that is started again in its pod has the node that its pod was given, whichever camera that is by then. The
/// operator would end the pod, and is not there to. The other one keeps the number.
async fn another_camera_under_its_number_is_not_taken(
    real: &Real,
    desk: &Camera,
    pod: &CameraPod,
) -> Result<()> {
    let Real { cluster, vm, .. } = real;
    let operator = Operator::of(cluster);
    operator.stop()?;
    vm.unplug()?;
    // The number is free when nothing has the old camera open any more.
    vm.exec(
        "kill -KILL $(pidof streamhub-ingest)
         while pidof streamhub-ingest; do sleep 0.1; done
         modprobe v4l2loopback video_nr=0 exclusive_caps=1
         v4l2-ctl -d /dev/video0 --info",
    )?;
    let mut frames = Frames::subscribe(cluster, &real.frames_of(desk)).await?;
    let name = desk.pod_name();
    let log = ["logs", "-n", desk.namespace(), &name];
    until(PATIENCE, || {
        let said = cluster.kubectl(&log)?;
        ensure!(said.contains("DeviceChanged"), "{said}");
        Ok(())
    })?;
    let again = desk.pod()?;
    ensure!(
        again.uid == pod.uid && again.restarts > pod.restarts,
        "it is not the pod's second container: {again:?}"
    );
    let frame = frames.next(Duration::from_secs(3)).await;
    ensure!(frame.is_err(), "a frame of another camera: {frame:?}");
    operator.start()
}

async fn what_was_asked_for_is_there(vm: &Vm, device: &str, frames: &mut Frames) -> Result<()> {
    let set = vm.exec(&format!("v4l2-ctl -d {device} -C saturation"))?;
    ensure!(set.trim() == "saturation: 40", "{set}");
    let mode = vm.exec(&format!("v4l2-ctl -d {device} --get-fmt-video --get-parm"))?;
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
    let off: Vec<f64> = distances
        .iter()
        .map(|distance| (distance - usual).abs())
        .collect();
    let worst = off.iter().copied().fold(0.0, f64::max);
    println!(
        "the time burnt into {} pictures and their timestamps differ by the same, to {:.1} ms",
        distances.len(),
        worst * 1000.0
    );
    // The driver counts in ticks of 4 ms, and is late on a busy machine now and then. The next picture is 100 ms away.
    let near = off.iter().filter(|off| **off < NEAR).count();
    ensure!(worst < 0.08 && near >= 25, "{distances:?}");
    Ok(())
}
