//! The devices as a table, as JSON, and one with everything that it offers.

use std::io;

use streamhub_crds::{DeviceFormat, DeviceIdentity, DeviceSize};
use streamhub_devices::{Found, Unreadable};

use super::users::{User, Users};
use crate::table;

const HEADER: [&str; 6] = ["DEVICE", "MODEL", "SERIAL", "USB", "FORMATS", "USED BY"];

/// A line for each.
pub fn table(devices: &[&Found], users: &Users, width: usize) -> Vec<String> {
    if devices.is_empty() {
        return Vec::new();
    }
    let rows: Vec<Vec<String>> = devices.iter().map(|one| row(one, users)).collect();
    table::lines(&HEADER, &rows, |_| false, width)
}

fn row(found: &Found, users: &Users) -> Vec<String> {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let identity: &DeviceIdentity = &found.identity;
    let formats: Vec<String> = found.formats.iter().map(short).collect();
    let formats = match (&found.unsupported, formats.as_slice()) {
        (Some(_), _) => "unsupported".to_owned(),
        (None, []) => "-".to_owned(),
        (None, some) => some.join(", "),
    };
    let using: Vec<String> = users.of(found).iter().map(User::to_string).collect();
    vec![
        found.dev_path.clone(),
        table::plain(&found.card),
        or_dash(identity.serial.as_deref()),
        or_dash(identity.usb_path.as_deref()),
        formats,
        or_dash(Some(using.join(", ").as_str()).filter(|text| !text.is_empty())),
    ]
}

/// `MJPG 1920x1080`: the largest picture.
fn short(format: &DeviceFormat) -> String {
    let largest = format.sizes.iter().max_by_key(|size| {
        let (width, height) = (u64::from(size.width), u64::from(size.height));
        width * height
    });
    largest.map_or_else(
        || format.fourcc.clone(),
        |size| format!("{} {}x{}", format.fourcc, size.width, size.height),
    )
}

/// What one offers, and the names that lead to it.
pub fn details(found: &Found) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.push(format!("driver   {}", found.driver));
    let model = found
        .identity
        .vendor
        .as_ref()
        .zip(found.identity.product.as_ref());
    lines.extend(model.map(|(vendor, product)| format!("model    {vendor}:{product}")));
    lines.push(format!("place    {}", found.identity.path));
    lines.extend(found.links.iter().map(|link| format!("link     {link}")));
    lines.extend(
        found
            .unsupported
            .iter()
            .map(|why| format!("problem  {}", table::plain(why))),
    );
    for format in &found.formats {
        lines.push(format!("format   {}", format.fourcc));
        lines.extend(
            format
                .sizes
                .iter()
                .map(|size| format!("           {}", sized(size))),
        );
    }
    lines
}

/// `32x32 to 1920x1080 at 30, 15`.
fn sized(size: &DeviceSize) -> String {
    let from = size.from.as_ref().map(|from| format!("{from} to "));
    let rates = Some(size.fps.join(", ")).filter(|rates| !rates.is_empty());
    let rates = rates.map(|rates| format!(" at {rates}"));
    format!(
        "{}{}x{}{}",
        from.unwrap_or_default(),
        size.width,
        size.height,
        rates.unwrap_or_default()
    )
}

/// A JSON object for each.
pub fn objects(devices: &[&Found], users: &Users) -> Vec<String> {
    let object = |found: &&Found| {
        let using = users.of(found);
        serde_json::json!({
            "device": found.dev_path,
            "links": found.links,
            "card": found.card,
            "driver": found.driver,
            "identity": found.identity,
            "formats": found.formats,
            "unsupported": found.unsupported,
            "usedBy": using,
        })
        .to_string()
    };
    devices.iter().map(object).collect()
}

/// Why a node could not be asked, and what to do.
pub fn unreadable(device: &Unreadable) -> String {
    let remedy = match device.error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; let your user into the device's group: usermod -aG video USER, and a new login"
        }
        _ => "",
    };
    format!(
        "{} ({}) cannot be asked: {}{remedy}",
        device.found.dev_path,
        table::plain(&device.found.card),
        device.error
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::users::tests::{found, using};

    #[test]
    fn a_line_says_which_camera_it_is_and_who_has_it() {
        let (desk, mut csi) = (found(0), found(2));
        csi.card = "unicam".to_owned();
        csi.identity.serial = None;
        csi.unsupported = Some("it needs libcamera".to_owned());
        let lines = table(&[&desk, &csi], &using(0, 7, "vlc"), usize::MAX);
        assert_eq!(
            lines,
            [
                "DEVICE       MODEL      SERIAL  USB        FORMATS                       USED BY",
                "/dev/video0  HD Webcam  A1B2    1-1.4:1.0  MJPG 1920x1080, YUYV 640x480  vlc (7)",
                "/dev/video2  unicam     -       1-1.4:1.0  unsupported                   -",
            ]
        );
        let details = details(&desk);
        assert!(
            details.contains(&"           1920x1080 at 30, 15".to_owned()),
            "{details:?}"
        );
        assert!(
            details.contains(&"           32x32 to 640x480".to_owned()),
            "{details:?}"
        );
    }

    #[test]
    fn programs_read_an_object_a_line() {
        let lines = objects(&[&found(0)], &using(0, 7, "vlc"));
        let object: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(object["identity"]["serial"], "A1B2");
        assert_eq!(object["formats"][0]["sizes"][0]["fps"][0], "30");
        assert_eq!(object["usedBy"][0]["pid"], 7);
    }

    #[test]
    fn what_may_not_be_opened_is_told_with_a_remedy() {
        let device = Unreadable {
            found: found(0),
            error: io::Error::from_raw_os_error(13),
        };
        let line = unreadable(&device);
        assert!(
            line.contains("HD Webcam") && line.contains("usermod -aG video"),
            "{line}"
        );
    }
}
