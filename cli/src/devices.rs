//! `streamhub devices`: the cameras of this machine.

mod list;
mod manifest;
mod users;

use std::collections::BTreeSet;
use std::io::Write as _;

use streamhub_devices::{Discovery, Found, Scan};

use crate::args::{DevicesArgs, Format};
use crate::exit::Exit;
use crate::table;

/// Looks, and prints.
pub fn run(args: &DevicesArgs) -> anyhow::Result<Exit> {
    let scan = Discovery::default().scan()?;
    let wanted = |name: &str, found: &Found| args.device.is_none() || is(found, name);
    let name = args.device.as_deref().unwrap_or_default();
    let shown: Vec<&Found> = scan.found.iter().filter(|one| wanted(name, one)).collect();
    let lines = if args.manifest {
        manifests(&scan, &shown)?
    } else {
        let users = users::all();
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
    use streamhub_crds::Folders;
    use streamhub_testkit::Folder;

    use super::*;
    use crate::devices::users::tests::found;

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
