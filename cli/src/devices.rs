//! `streamhub devices`: the cameras of this machine.

mod list;
mod manifest;
mod users;

use std::collections::BTreeSet;
use std::io::Write as _;

use streamhub_devices::{Discovery, Found, Scan};

use crate::args::{DevicesArgs, Format, PlaceArgs};
use crate::exit::Exit;
use crate::place::running;
use crate::table;

/// Looks, and prints.
pub fn run(args: &DevicesArgs) -> anyhow::Result<Exit> {
    let scan = Discovery::default().scan()?;
    let shown = chosen(&scan, args.device.as_deref());
    let lines = if args.manifest {
        manifests(&scan, &shown)?
    } else {
        let place = PlaceArgs {
            state_dir: args.state_dir.clone(),
            ..PlaceArgs::default()
        };
        let ups = running(&place);
        if let (Some(folder), []) = (&args.state_dir, ups.as_slice()) {
            let folder = folder.display();
            eprintln!(
                "--state-dir {folder}: no streamhub up runs there, or you may not read it; Cameras are not named"
            );
        }
        let users = users::all(ups);
        match args.output {
            Format::Json => list::objects(&shown, &users),
            Format::Human => {
                let mut lines = list::table(&shown, &users, table::width());
                if args.device.is_some() {
                    lines.extend(shown.iter().flat_map(|one| list::details(one)));
                }
                lines
            }
        }
    };
    let mut out = std::io::stdout();
    // Whoever read has seen enough.
    let _ = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    for device in &scan.unreadable {
        eprintln!("{}", list::unreadable(device));
    }
    if !shown.is_empty() {
        return Ok(Exit::Ok);
    }
    match &args.device {
        Some(name) => {
            eprintln!("no capture device of this machine is {name}; without a name all are shown");
        }
        None => eprintln!("this machine has no capture device"),
    }
    Ok(Exit::NotFound)
}

/// Those that a person calls so, or all.
fn chosen<'a>(scan: &'a Scan, name: Option<&str>) -> Vec<&'a Found> {
    let wanted = |found: &&Found| name.is_none_or(|name| is(found, name));
    scan.found.iter().filter(wanted).collect()
}

/// Whether a person may call a device so: by path, model, serial number, or where it is plugged in.
fn is(found: &Found, name: &str) -> bool {
    let identity = &found.identity;
    let usb = identity.usb_path.as_deref();
    let port = usb.and_then(|path| path.split(':').next());
    let names = [
        Some(found.dev_path.as_str()),
        found.dev_path.strip_prefix("/dev/"),
        Some(found.card.as_str()),
        identity.serial.as_deref(),
        usb,
        port,
    ];
    let mut links = found.links.iter().map(String::as_str);
    names.contains(&Some(name)) || links.any(|link| link == name)
}

fn manifests(scan: &Scan, shown: &[&Found]) -> anyhow::Result<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    let mut names = BTreeSet::new();
    for found in shown {
        if let Some(why) = &found.unsupported {
            anyhow::ensure!(shown.len() > 1, "{}: {why}", found.dev_path);
            eprintln!("{}: {why}", found.dev_path);
            continue;
        }
        let name = manifest::name(&found.card, &names);
        if !lines.is_empty() {
            lines.push("---".to_owned());
        }
        let document = manifest::of(found, &scan.found, &name)?;
        lines.push(document.trim_end().to_owned());
        names.insert(name);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use streamhub_crds::{Folders, Source};
    use streamhub_testkit::Folder;

    use super::*;
    use crate::devices::users::tests::found;

    /// One that can be called by every kind of name, and another one beside it.
    fn desk_and_yard() -> Scan {
        let (mut desk, mut yard) = (found(0), found(10));
        desk.links = vec!["/dev/v4l/by-id/usb-webcam-video-index0".to_owned()];
        yard.card = "Grabber".to_owned();
        yard.identity.serial = Some("C3D4".to_owned());
        yard.identity.usb_path = Some("1-2:1.0".to_owned());
        yard.identity.path = "usb-1-2:1.0".to_owned();
        Scan {
            found: vec![desk, yard],
            ..Scan::default()
        }
    }

    #[test]
    fn a_device_is_called_by_whatever_tells_it_from_others() {
        let scan = desk_and_yard();
        let called = |name: &str| {
            let shown = chosen(&scan, Some(name)).into_iter();
            shown.map(|one| one.dev_path.clone()).collect::<Vec<_>>()
        };
        for name in [
            "/dev/video0",
            "video0",
            "HD Webcam",
            "A1B2",
            "1-1.4:1.0",
            "1-1.4",
            "/dev/v4l/by-id/usb-webcam-video-index0",
        ] {
            assert_eq!(called(name), ["/dev/video0"], "{name}");
        }
        // A part of a name is none: it may be that of another device.
        for part in ["", "/dev/video", "video1", "Webcam", "A1B", "1-1", "1"] {
            assert!(called(part).is_empty(), "{part}");
        }
        assert_eq!(chosen(&scan, None).len(), 2);
    }

    #[test]
    fn the_manifest_of_one_that_is_named_is_that_one_alone() {
        let scan = desk_and_yard();
        for (name, serial) in [("video0", "A1B2"), ("Grabber", "C3D4")] {
            let lines = manifests(&scan, &chosen(&scan, Some(name))).unwrap();
            assert_eq!(lines.len(), 1, "{lines:?}");
            let camera = streamhub_crds::parse_camera(&lines[0]).unwrap();
            let Source::V4l2(source) = camera.spec.source.primary else {
                panic!("{lines:?}");
            };
            let selected = source.device_selector.serial.unwrap();
            assert_eq!(selected.as_str(), serial, "{lines:?}");
        }
    }

    #[test]
    fn printed_manifests_are_what_validate_takes() {
        let (first, mut second, mut raw) = (found(0), found(2), found(4));
        second.identity.serial = Some("0123".to_owned());
        raw.unsupported = Some("raw".to_owned());
        let scan = Scan {
            found: vec![first, second, raw],
            ..Scan::default()
        };
        let shown: Vec<&Found> = scan.found.iter().collect();
        let lines = manifests(&scan, &shown).unwrap();
        let folder = Folder::new().unwrap();
        folder.write("cameras.yaml", &lines.join("\n")).unwrap();
        let loaded = streamhub_crds::load(&[folder.path().to_owned()], Folders::Flat);
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        assert_eq!(loaded.documents.cameras.len(), 2);
    }
}
