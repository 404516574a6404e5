//! A node with many devices.

use std::time::Instant;

use anyhow::{Result, ensure};
use streamhub_e2e::{FakeCamera, until};

use crate::fake::Fake;
use crate::support::{Device, SOON};

const MANY: usize = 64;

#[test]
fn a_node_offers_64_devices() -> Result<()> {
    let Some(Fake { cluster, n1, .. }) = &Fake::begin("many")? else {
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
    Ok(())
}
