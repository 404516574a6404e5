//! Short ways to write cameras and hubs.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use streamhub_crds::{
    Camera, DeviceIdentity, NatsServer, NatsUrl, StreamHub, parse_camera, parse_hub,
};
use streamhub_plan::{CameraKey, Device, Facts, Input, Plan, plan};

/// A camera in `default`; `source` and `more` are flow mappings' insides.
pub fn camera(name: &str, source: &str, more: &str) -> Camera {
    let comma = if more.is_empty() { "" } else { ", " };
    camera_of(name, &format!("source: {{{source}}}{comma}{more}"))
}

/// A camera in `default` by its whole specification, the inside of a flow mapping.
pub fn camera_of(name: &str, spec: &str) -> Camera {
    let text = format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    );
    parse_camera(&text).unwrap()
}

pub fn hub(name: &str, spec: &str) -> StreamHub {
    let text = format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: StreamHub\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    );
    parse_hub(&text).unwrap()
}

pub fn key(name: &str) -> CameraKey {
    CameraKey {
        namespace: "default".into(),
        name: name.into(),
    }
}

pub fn url() -> NatsUrl {
    "nats://127.0.0.1:4222".parse().unwrap()
}

pub fn facts(created: u64) -> Facts {
    Facts {
        uid: "uid".into(),
        created,
        generation: 1,
        ..Facts::default()
    }
}

pub fn planned(cameras: &[Camera], hubs: &[StreamHub]) -> Plan {
    planned_with(cameras, hubs, &BTreeMap::new(), Some(&url()))
}

pub fn planned_with(
    cameras: &[Camera],
    hubs: &[StreamHub],
    facts: &BTreeMap<CameraKey, Facts>,
    nats: Option<&NatsUrl>,
) -> Plan {
    planned_by(cameras, hubs, facts, nats, None)
}

/// As of a body that looks for devices.
pub fn planned_by(
    cameras: &[Camera],
    hubs: &[StreamHub],
    facts: &BTreeMap<CameraKey, Facts>,
    nats: Option<&NatsUrl>,
    devices: Option<&BTreeMap<CameraKey, Device>>,
) -> Plan {
    let own = nats.map(|url| NatsServer {
        url: Some(url.clone()),
        ..NatsServer::default()
    });
    plan(&Input {
        cameras,
        hubs,
        facts,
        nats: own.as_ref(),
        devices,
    })
}

pub fn device(id: &str) -> Device {
    Device {
        id: id.into(),
        node: "n1".into(),
        path: "/dev/video0".into(),
        number: None,
        resource: format!("streamhub.dev/cam-{id}"),
        gid: 44,
        identity: DeviceIdentity::default(),
    }
}
