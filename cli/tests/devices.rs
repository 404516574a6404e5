//! `streamhub devices` on whatever machine this is.

mod support;

use streamhub_testkit::Folder;
use support::{finished, streamhub};

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
