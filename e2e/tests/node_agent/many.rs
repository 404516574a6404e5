//! A node with many devices, and one device that many share.

use std::time::Instant;

use anyhow::{Result, ensure};
use streamhub_e2e::{Camera, Cluster, FakeCamera, FakeDevices, Namespace, until};

use crate::fake::Fake;
use streamhub_e2e::devices::{Device, SOON, allocatable};

const MANY: usize = 64;

#[test]
fn a_node_offers_64_devices() -> Result<()> {
    let Some(Fake {
        cluster,
        n1,
        namespace,
        ..
    }) = &Fake::begin("many")?
    else {
        return Ok(());
    };
    let cameras: Vec<FakeCamera> = (0..MANY)
        .map(|number| {
            FakeCamera::new(
                &format!("1-{}.{}", number / 8 + 1, number % 8 + 1),
                &format!("SN{number:04}A"),
            )
        })
        .collect();
    let numbered: Vec<(u32, &FakeCamera)> = (0..).zip(&cameras).collect();
    let begin = Instant::now();
    n1.plug_all(&numbered)?;
    let count = |offered: &str| -> Result<usize> {
        let node = cluster.get(&["node", "n1"])?;
        let all = node.pointer("/status/allocatable");
        let all = all.and_then(serde_json::Value::as_object);
        let ours = all.into_iter().flatten().filter(|(name, number)| {
            name.starts_with("streamhub.dev/cam-") && number.as_str() == Some(offered)
        });
        Ok(ours.count())
    };
    until(SOON, || {
        let (devices, offered) = (Device::all_of(cluster, "n1")?.len(), count("1")?);
        ensure!(
            (devices, offered) == (MANY, MANY),
            "{devices} VideoDevices, {offered} resources"
        );
        Ok(())
    })?;
    println!("{MANY} devices are offered after {:?}", begin.elapsed());
    let begin = Instant::now();
    n1.unplug_all()?;
    until(SOON, || {
        ensure!(count("1")? == 0, "{} are still offered", count("1")?);
        Ok(())
    })?;
    println!("and none after {:?}", begin.elapsed());
    graphics_are_shared(cluster, n1, namespace)
}

fn graphics_are_shared(cluster: &Cluster, n1: &FakeDevices, namespace: &Namespace) -> Result<()> {
    let offers = |number: &str| {
        until(SOON, || {
            let found = allocatable(cluster, "n1", "streamhub.dev/dri")?;
            ensure!(found.as_deref() == Some(number), "n1 offers {found:?}");
            Ok(())
        })
    };
    n1.add_graphics()?;
    offers("16")?;
    let spec = "source: {test: {}}, frames: [{name: main, fps: 5, width: 320}], \
         pod: {resources: {limits: {streamhub.dev/dri: 1}}}";
    let both = ["left", "right"].map(|name| Camera::apply(cluster, namespace.name(), name, spec));
    for camera in both {
        let camera = camera?;
        let pod = camera.is_ready_within(SOON)?;
        ensure!(pod.node == "n1", "{camera}: {pod:?}");
        let name = camera.pod_name();
        let list = ["exec", "-n", namespace.name(), &name, "--", "ls"];
        let seen = cluster.kubectl(&[&list[..], &["/dev/dri"]].concat())?;
        ensure!(seen.starts_with("renderD"), "{seen}");
    }
    Ok(())
}
