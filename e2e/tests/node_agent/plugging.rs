//! A device is plugged in, unplugged and plugged in elsewhere, and its camera follows.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use streamhub_e2e::FakeCamera;

use crate::fake::Fake;
use streamhub_e2e::devices::{Device, SOON, camera, has_no_pod, listing, runs_on, show};

/// An idle machine takes 2 to 6 s.
const SECONDS: Duration = Duration::from_secs(30);

#[test]
fn a_camera_follows_its_device() -> Result<()> {
    let Some(Fake {
        cluster,
        n1,
        n2,
        namespace,
        ..
    }) = &Fake::begin("plugging")?
    else {
        return Ok(());
    };
    let webcam = FakeCamera::new("1-1.4", "A1B2C3");
    let desk = camera(cluster, namespace.name(), "desk", "serial: A1B2C3")?;
    let message = desk.says("Pending", "DeviceMissing", SOON)?;
    // No node has one of any kind.
    ensure!(message.contains("there is no VideoDevice"), "{message}");

    n1.plug(0, &webcam)?;
    let device = Device::only_one_of(cluster, "n1", "Busy")?;
    device.is_offered(cluster, "n1", 1)?;
    ensure!(
        (device.path(), device.says("/identity/serial")) == ("/dev/video0", "A1B2C3"),
        "{device:#?}"
    );
    let first = runs_on(cluster, &desk, "n1", "")?;
    let seen = listing(cluster, &desk)?;
    // Its group is the node's group video.
    ensure!(seen.contains(" 81, ") && seen.contains("capture"), "{seen}");
    let holder = format!("{}/{}", namespace.name(), desk.pod_name());
    ensure!(device.says("/holder") == holder, "{device:#?}");
    show(cluster, "plugged in")?;

    n1.unplug(0)?;
    device.is_offered(cluster, "n1", 0)?;
    let message = desk.says("Pending", "DeviceMissing", SOON)?;
    ensure!(
        message.contains("last seen") && message.contains("n1"),
        "{message}"
    );
    has_no_pod(cluster, &desk, SOON)?;
    ensure!(device.now(cluster)?.says("/state") == "Absent");
    show(cluster, "unplugged")?;

    // In the same port, under another number.
    let begin = Instant::now();
    n1.plug(3, &webcam)?;
    let second = runs_on(cluster, &desk, "n1", &first)?;
    was_followed_within_seconds(begin, "in its port")?;
    let seen = listing(cluster, &desk)?;
    ensure!(seen.contains(" 81, 3 "), "{seen}");
    ensure!(device.now(cluster)?.path() == "/dev/video3");
    show(cluster, "plugged in again, as another number")?;

    n1.unplug(3)?;
    let begin = Instant::now();
    n2.plug(0, &webcam.at("2-1"))?;
    runs_on(cluster, &desk, "n2", &second)?;
    was_followed_within_seconds(begin, "at the other node")?;
    let there = Device::only_one_of(cluster, "n2", "Busy")?;
    ensure!(
        there.resource() == device.resource(),
        "a device with a serial number is the same wherever it is: {there:#?}"
    );
    listing(cluster, &desk)?;
    show(cluster, "plugged into the other node")
}

fn was_followed_within_seconds(begin: Instant, place: &str) -> Result<()> {
    let took = begin.elapsed();
    println!("plugged in {place}: its Camera ran there after {took:.1?}");
    ensure!(took < SECONDS, "{place} it took {took:?}");
    Ok(())
}
