//! The Camera manifest for one device.

use std::collections::BTreeSet;

use streamhub_crds::{DevicePath, DeviceSelector};
use streamhub_devices::{Found, host_name, select};

/// Leaves room for a number behind it.
const LONGEST: usize = 40;

/// The shortest selector that means this device and no other of the machine: what stays with the device first, then what
/// stays with its place, then a path.
fn selector(found: &Found, all: &[Found]) -> anyhow::Result<DeviceSelector> {
    let identity = &found.identity;
    let serial = identity
        .serial
        .as_deref()
        .and_then(|text| text.parse().ok());
    let usb_path = identity
        .usb_path
        .as_deref()
        .and_then(|text| text.parse().ok());
    let path = |path: &String| DeviceSelector {
        device_path: path.parse::<DevicePath>().ok(),
        ..DeviceSelector::default()
    };
    let by_serial = DeviceSelector {
        serial,
        ..DeviceSelector::default()
    };
    let by_place = DeviceSelector {
        usb_path,
        ..DeviceSelector::default()
    };
    let by_both = DeviceSelector {
        usb_path: by_place.usb_path.clone(),
        ..by_serial.clone()
    };
    let links = found.links.iter().map(path);
    let host = host_name();
    let mut selectors = [by_serial, by_both, by_place]
        .into_iter()
        .chain(links)
        .chain([path(&found.dev_path)]);
    let means_it = |selector: &DeviceSelector| {
        let one = select(selector, all, |one| one.seen(&host));
        *selector != DeviceSelector::default() && one.is_ok_and(|one| one == found)
    };
    let chosen = selectors.find(means_it);
    chosen.ok_or_else(|| anyhow::anyhow!("{}: no selector means it alone", found.dev_path))
}

/// A Camera of this name that reads this device; `all` are those of the machine.
pub fn of(found: &Found, all: &[Found], name: &str) -> anyhow::Result<String> {
    let selector = serde_json::to_value(selector(found, all)?)?;
    let quoted = |(key, value): (&String, &serde_json::Value)| format!("{key}: {value}");
    let parts = selector.as_object().into_iter().flatten().map(quoted);
    let parts: Vec<String> = parts.collect();
    let model = crate::table::plain(&found.card);
    Ok(format!(
        "# {model}, {} when this was written\n\
         apiVersion: streamhub.dev/v1alpha1\n\
         kind: Camera\n\
         metadata: {{name: {name}}}\n\
         spec: {{source: {{v4l2: {{deviceSelector: {{{}}}}}}}}}\n",
        found.dev_path,
        parts.join(", ")
    ))
}

/// A name for the Camera, made of the model's, that is not taken yet.
pub fn name(card: &str, taken: &BTreeSet<String>) -> String {
    let words = card.split(|mark: char| !mark.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let name = words.join("-");
    let name = name.trim_start_matches(|mark: char| !mark.is_ascii_lowercase());
    let name: String = name.chars().take(LONGEST).collect();
    let name = name.trim_end_matches('-');
    let name = if name.is_empty() { "camera" } else { name };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use streamhub_crds::{ObjectName, Source, parse_camera};

    use super::*;
    use crate::devices::users::tests::found;

    #[test]
    fn a_device_is_named_by_what_stays() {
        let line = |found: &Found, all: &[Found]| {
            let text = of(found, all, "desk").unwrap();
            parse_camera(&text).unwrap();
            text.lines().last().unwrap().to_owned()
        };
        let selected =
            |inner: &str| format!("spec: {{source: {{v4l2: {{deviceSelector: {{{inner}}}}}}}}}");
        let desk = found(0);
        let alone = [desk.clone()];
        assert_eq!(line(&desk, &alone), selected("serial: \"A1B2\""));

        let mut twin = found(2);
        twin.identity.usb_path = Some("1-2:1.0".to_owned());
        twin.identity.path = "usb-1-2:1.0".to_owned();
        let both = [desk.clone(), twin.clone()];
        assert_eq!(
            line(&twin, &both),
            selected("serial: \"A1B2\", usbPath: \"1-2:1.0\"")
        );
        twin.identity.serial = None;
        let both = [desk.clone(), twin.clone()];
        assert_eq!(line(&twin, &both), selected("usbPath: \"1-2:1.0\""));

        // Two nodes of one interface.
        let mut second = found(4);
        second.identity.index = 2;
        second.links = vec!["/dev/v4l/by-id/usb-cam-video-index2".to_owned()];
        let both = [desk.clone(), second.clone()];
        assert_eq!(
            line(&second, &both),
            selected("devicePath: \"/dev/v4l/by-id/usb-cam-video-index2\"")
        );
        assert_eq!(line(&desk, &both), selected("devicePath: \"/dev/video0\""));
    }

    #[test]
    fn the_manifest_is_a_camera() {
        let text = of(&found(0), &[found(0)], "desk").unwrap();
        let camera = parse_camera(&text).unwrap();
        assert_eq!(camera.metadata.name.as_deref(), Some("desk"));
        assert!(matches!(camera.spec.source.primary, Source::V4l2(_)));
    }

    proptest! {
        #[test]
        fn any_model_gives_a_name(card in ".{0,80}") {
            let first = name(&card, &BTreeSet::new());
            prop_assert!(first.parse::<ObjectName>().is_ok(), "{first}");
            let next = name(&card, &BTreeSet::from([first.clone()]));
            prop_assert!(next.parse::<ObjectName>().is_ok() && next != first, "{next}");
        }
    }
}
