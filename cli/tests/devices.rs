//! Capture devices: on whatever machine this is, and with a real driver in a virtual machine.

// Helpers of tests may fail as tests may.
#![allow(clippy::panic, clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use streamhub_testkit::paths::nats_server_bin;
use streamhub_testkit::{Folder, Vm, eventually, target_bin};
use support::{finished, streamhub};

/// Everything is several times slower in a virtual machine.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn devices_are_listed_or_it_is_said_that_there_are_none() {
    let devices = |more: &[&str]| finished(streamhub().arg("devices").args(more));
    let (code, out, error) = devices(&["--output", "json"]);
    match code {
        0 => assert!(out.starts_with("{\"device\":\"/dev/video"), "{out}"),
        _ => assert!(
            code == 3 && error.contains("no capture device"),
            "{code} {error}"
        ),
    }
    let (code, out, error) = devices(&["no such camera", "--manifest"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(error.contains("no such camera"), "{error}");
}

#[test]
fn the_manifests_of_all_devices_are_valid() {
    let (code, out, error) = finished(streamhub().args(["devices", "--manifest"]));
    assert!(matches!(code, 0 | 3), "{code} {error}");
    if out.is_empty() {
        return;
    }
    let folder = Folder::new().unwrap();
    folder.write("cameras.yaml", &out).unwrap();
    let mut validate = streamhub();
    validate.args(["validate", "-f"]).arg(folder.path());
    assert_eq!(
        finished(&mut validate),
        (0, String::new(), String::new()),
        "{out}"
    );
}

#[test]
fn a_whole_hub_follows_a_device_that_is_unplugged_and_comes_back() {
    let mut vm = Vm::boot(&[]).unwrap();
    let options = "n_devs=1 node_types=0x1 input_types=0x00 num_inputs=1 allocators=0";
    vm.load("vivid", options).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_streamhub")).parent().unwrap();
    vm.run(&format!(
        "export XDG_STATE_HOME=/tmp/state STREAMHUB_INGEST={} STREAMHUB_NATS_SERVER={} PATH={}:$PATH; \
         echo attic > /proc/sys/kernel/hostname; mkdir cameras",
        target_bin("streamhub-ingest").unwrap().display(),
        nats_server_bin().unwrap().display(),
        programs.display()
    ))
    .unwrap();

    let manifest = vm
        .run("streamhub devices --manifest | tee device.yaml")
        .unwrap();
    assert!(
        manifest.contains("devicePath: \"/dev/video0\""),
        "{manifest}"
    );
    assert_eq!(vm.run("streamhub validate -f device.yaml").unwrap(), "");
    let named = vm.run("streamhub devices video0 --manifest").unwrap();
    assert_eq!(named, manifest);

    let camera = "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {name: desk}\n\
         spec: {source: {v4l2: {deviceSelector: {node: attic}, mode: {width: 640, height: 360}}}, \
         frames: [{name: main, fps: 5}]}";
    vm.run(&format!("echo '{camera}' > cameras/desk.yaml"))
        .unwrap();
    vm.spawn("streamhub up -f cameras --output log").unwrap();
    let before = frames(&mut vm);
    assert_eq!(before[0]["source"], "v4l2:///dev/video0");

    let used_by_desk = |vm: &mut Vm, words: &str| {
        let devices = vm.run(words).unwrap();
        devices.contains("camera desk (")
    };
    assert!(used_by_desk(&mut vm, "streamhub devices"));
    // As root sees the `up` of another user, or of a service.
    let elsewhere = "XDG_STATE_HOME=/nowhere streamhub devices";
    let told = format!("{elsewhere} --state-dir /tmp/state/streamhub/cameras-*");
    assert!(!used_by_desk(&mut vm, elsewhere));
    assert!(used_by_desk(&mut vm, &told));

    // Its number stays taken as long as somebody has the old one open.
    vm.run("exec 9< /dev/video0").unwrap();
    let driver = "/sys/bus/platform/drivers/vivid";
    vm.run(&format!("echo vivid.0 > {driver}/unbind")).unwrap();
    let missing = eventually(PATIENCE, "the device to be missed", || {
        let status = vm.run("streamhub status --output json").ok()?;
        status.contains("\"DeviceMissing\"").then_some(())
    });
    missing.unwrap_or_else(|error| panic!("{error}\n{}", vm.console()));
    vm.run(&format!("echo vivid.0 > {driver}/bind")).unwrap();
    let after = frames(&mut vm);
    assert_eq!(after[0]["source"], "v4l2:///dev/video1");
    let ids = [&before[2], &after[0]].map(|frame| frame["frame_id"].as_u64());
    assert!(ids[0] < ids[1], "{ids:?}");
}

/// Three frames of the camera, as `streamhub tail` has them.
fn frames(vm: &mut Vm) -> Vec<Value> {
    let tail = "streamhub tail desk --count 3 --timeout 20 --output json";
    let text = eventually(PATIENCE, "frames", || vm.run(tail).ok());
    let text = text.unwrap_or_else(|error| panic!("{error}\n{}", vm.console()));
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let frames: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(frames.len(), 3, "{text}");
    frames
}
