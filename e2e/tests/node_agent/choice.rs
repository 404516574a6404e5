//! Which device a Camera gets, where more than one could be meant, or none may be had.

use anyhow::{Context as _, Result, ensure};
use streamhub_e2e::{Cluster, FakeCamera, until};

use crate::fake::Fake;
use streamhub_e2e::devices::{Device, SOON, camera, has_no_pod, runs_on, show};

#[test]
fn two_devices_with_one_number_are_told_apart_by_their_ports() -> Result<()> {
    let Some(Fake {
        cluster,
        n1,
        n2,
        namespace,
        ..
    }) = &Fake::begin("twins")?
    else {
        return Ok(());
    };
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
    has_no_pod(cluster, &desk, SOON)?;
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
        cluster,
        n1,
        namespace,
        ..
    }) = &Fake::begin("guests")?
    else {
        return Ok(());
    };
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
    has_no_pod(cluster, &desk, SOON)?;
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

/// Else anybody who may make pods could take any camera. Where an administrator lets them, a Camera says who has it.
#[test]
fn pods_of_others_get_no_device_or_are_named() -> Result<()> {
    let Some(Fake {
        cluster,
        n1,
        namespace,
        ..
    }) = &Fake::begin("thieves")?
    else {
        return Ok(());
    };
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

    the_policy_is_to(cluster, "Warn")?;
    let thief = thief("containers", device.resource());
    // The API server learns of the policy in its own time.
    let taken = until(SOON, || cluster.create(namespace.name(), &thief));
    the_policy_is_to(cluster, "Deny")?;
    taken?;
    Device::only_one_of(cluster, "n1", "Busy")?;
    let desk = camera(cluster, namespace.name(), "desk", "serial: A1B2C3")?;
    let message = desk.says("Pending", "DeviceBusy", SOON)?;
    ensure!(message.contains("thieves/thief"), "{message}");
    let pods = cluster.kubectl(&["get", "pods", "-n", namespace.name(), "-o=name"])?;
    ensure!(pods.trim() == "pod/thief", "{pods}");
    show(cluster, "a pod that is no camera has the device")?;
    cluster.kubectl(&["delete", "pod", "-n", namespace.name(), "thief"])?;
    runs_on(cluster, &desk, "n1", "").map(drop)
}

fn the_policy_is_to(cluster: &Cluster, action: &str) -> Result<()> {
    let patch = format!("{{\"spec\": {{\"validationActions\": [\"{action}\"]}}}}");
    let arguments = [
        "patch",
        "validatingadmissionpolicybinding",
        "streamhub-devices",
        "--type=merge",
        "-p",
        &patch,
    ];
    cluster.kubectl(&arguments).map(drop)
}

fn thief(part: &str, resource: &str) -> String {
    let container = |name: &str, resources: &str| {
        format!(
            "{{name: {name}, image: localhost/pause:1, securityContext: {{allowPrivilegeEscalation: false, \
             runAsNonRoot: true, runAsUser: 1000, capabilities: {{drop: [ALL]}}, seccompProfile: {{type: RuntimeDefault}}}}, \
             resources: {{limits: {{{resources}}}}}}}"
        )
    };
    let asks = container("asks", &format!("{resource}: 1"));
    let rest = match part {
        "containers" => String::new(),
        _ => format!(", containers: [{}]", container("plain", "")),
    };
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: thief}}, \
         spec: {{terminationGracePeriodSeconds: 0, {part}: [{asks}]{rest}}}}}"
    )
}
