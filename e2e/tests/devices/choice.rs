//! Which device a Camera gets, where more than one could be meant, or none may be had.

use anyhow::{Context as _, Result, ensure};
use streamhub_e2e::{FakeCamera, Namespace, until};

use crate::fake::Fake;
use crate::support::{Device, SOON, camera, has_no_pod, runs_on, show};

#[test]
fn two_devices_with_one_number_are_told_apart_by_their_ports() -> Result<()> {
    let Some(Fake {
        ref cluster,
        ref n1,
        ref n2,
        ..
    }) = Fake::begin()?
    else {
        return Ok(());
    };
    let namespace = Namespace::create(cluster, "twins")?;
    let twin = FakeCamera::new("1-1", "A1B2C3");
    n1.plug(0, &twin)?;
    let first = Device::only_one_of(cluster, "n1", "Free")?;
    n1.plug(1, &twin.at("1-2"))?;
    let both = until(SOON, || {
        let all = Device::all_of(cluster, "n1")?;
        ensure!(all.len() == 2, "{all:#?}");
        Ok(all)
    })?;
    ensure!(
        both.iter()
            .any(|device| device.resource() == first.resource()),
        "the first keeps its name: {both:#?}"
    );

    let desk = camera(cluster, namespace.name(), "desk", "serial: A1B2C3")?;
    let message = desk.says("Pending", "DeviceAmbiguous", SOON)?;
    for device in &both {
        ensure!(message.contains(&device.name), "{message}");
    }
    has_no_pod(cluster, &desk)?;
    show(cluster, "two devices with one serial number")?;
    let by_port = "source: {v4l2: {deviceSelector: {usbPath: 1-2}}}, frames: [{name: main}]";
    desk.change(by_port)?;
    let pod = runs_on(cluster, &desk, "n1", "")?;
    let second = both.iter().find(|device| device.path() == "/dev/video1");
    let second = second.context("no second device")?.now(cluster)?;
    ensure!(second.says("/state") == "Busy", "{second:#?}");

    // The same port of another node is another one. Who runs already goes on.
    n2.plug(0, &FakeCamera::new("1-2", "D4E5F6"))?;
    let message = desk.says("Reconnecting", "DeviceAmbiguous", SOON)?;
    ensure!(
        message.contains("n1") && message.contains("n2"),
        "{message}"
    );
    ensure!(
        runs_on(cluster, &desk, "n1", "")? == pod,
        "the pod was replaced"
    );
    desk.change(&by_port.replace("1-2", "1-2, node: n2"))?;
    runs_on(cluster, &desk, "n2", "").map(drop)
}

#[test]
fn a_device_is_for_those_that_may_have_it_and_for_one_at_a_time() -> Result<()> {
    let Some(Fake {
        ref cluster,
        ref n1,
        ..
    }) = Fake::begin()?
    else {
        return Ok(());
    };
    let namespace = Namespace::create(cluster, "guests")?;
    n1.plug(0, &FakeCamera::new("1-1", "A1B2C3"))?;
    let device = Device::only_one_of(cluster, "n1", "Free")?;
    let allow = |namespaces: &str| {
        let patch = format!("{{\"spec\": {{\"allowedNamespaces\": {namespaces}}}}}");
        cluster.kubectl(&[
            "patch",
            "videodevice",
            &device.name,
            "--type=merge",
            "-p",
            &patch,
        ])
    };
    allow(r#"["lobby"]"#)?;
    let desk = camera(cluster, namespace.name(), "desk", "serial: A1B2C3")?;
    let message = desk.says("Pending", "DeviceNotAllowed", SOON)?;
    ensure!(message.contains("allowedNamespaces"), "{message}");
    has_no_pod(cluster, &desk)?;
    show(cluster, "a namespace that is not allowed")?;
    allow(r#"["lobby", "guests"]"#)?;
    let pod = runs_on(cluster, &desk, "n1", "")?;

    let second = camera(
        cluster,
        namespace.name(),
        "second",
        "vendor: '046d', product: '0892'",
    )?;
    let message = second.says("Refused", "Conflict", SOON)?;
    ensure!(message.contains("guests/desk"), "{message}");
    ensure!(
        runs_on(cluster, &desk, "n1", "")? == pod,
        "the first has another pod"
    );
    show(cluster, "two Cameras mean one device")
}

/// Else anybody who may make pods could take any camera.
#[test]
fn pods_of_others_get_no_device() -> Result<()> {
    let Some(Fake {
        ref cluster,
        ref n1,
        ..
    }) = Fake::begin()?
    else {
        return Ok(());
    };
    let namespace = Namespace::create(cluster, "thieves")?;
    n1.plug(0, &FakeCamera::new("1-1", "A1B2C3"))?;
    let device = Device::only_one_of(cluster, "n1", "Free")?;
    device.is_offered(cluster, "n1", 1)?;
    for part in ["containers", "initContainers"] {
        let pod = thief(part, device.resource());
        let refusal = cluster.would_take(namespace.name(), &pod);
        let refusal = refusal.err().context("the pod is taken")?.to_string();
        ensure!(refusal.contains("ValidatingAdmissionPolicy"), "{refusal}");
        println!("{}", refusal.lines().last().unwrap_or_default());
    }
    Ok(())
}

fn thief(part: &str, resource: &str) -> String {
    let container = |name: &str, resources: &str| {
        format!(
            "{{name: {name}, image: a, securityContext: {{allowPrivilegeEscalation: false, runAsNonRoot: true, \
             capabilities: {{drop: [ALL]}}, seccompProfile: {{type: RuntimeDefault}}}}, \
             resources: {{limits: {{{resources}}}}}}}"
        )
    };
    let asks = container("asks", &format!("{resource}: 1"));
    let rest = match part {
        "containers" => String::new(),
        _ => format!(", containers: [{}]", container("plain", "")),
    };
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: thief}}, spec: {{{part}: [{asks}]{rest}}}}}"
    )
}
