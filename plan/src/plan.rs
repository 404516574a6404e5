//! The plan: what should run.

use std::collections::BTreeMap;

use serde_json::json;
use streamhub_crds::{Camera, NatsServer, StreamHub, fingerprint, spec_hash};

use crate::device::{Device, can_do_without, selectors};
use crate::key::CameraKey;
use crate::reason::Reason;
use crate::secrets::SecretNeed;
use crate::{conflict, secrets};

const DEFAULT_HUB: &str = "default";

/// What a body knows of a camera besides its documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Its identity.
    pub uid: String,
    /// When it was made, UNIX milliseconds; of two that want one thing the older wins, then the smaller name.
    pub created: u64,
    /// Counts changes of its specification.
    pub generation: i64,
    /// The effective hub of what runs for it; `None` when nothing does.
    pub running: Option<StreamHub>,
    /// The devices that its selectors mean now, for people and as they are compared, as far as they are known to a body whose
    /// processes look for their own.
    pub devices: Vec<String>,
}

/// What a plan is made of.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// All cameras.
    pub cameras: &'a [Camera],
    /// All hubs that are written.
    pub hubs: &'a [StreamHub],
    /// What is known of the cameras; one that is not here is new.
    pub facts: &'a BTreeMap<CameraKey, Facts>,
    /// The installation's own NATS server and what it asks for, for hubs that name no server.
    pub nats: Option<&'a NatsServer>,
    /// The devices that cameras were found to mean, by a body that looks for them: a camera that means one and is not
    /// here does not run, or, where it has other sources, runs without. `None`: each process looks for its own, and its
    /// selector is all that is known.
    pub devices: Option<&'a BTreeMap<CameraKey, Device>>,
}

/// What should run, and why the rest does not: every camera is in exactly one of the two.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What should run.
    pub runs: BTreeMap<CameraKey, Run>,
    /// What should not.
    pub refused: BTreeMap<CameraKey, Reason>,
}

/// One camera that should run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The camera's document, with identity and generation.
    pub camera: Camera,
    /// The hub as the camera's process should see it, implied or written, with its NATS URL.
    pub hub: StreamHub,
    /// The device that the process is given, by a body that looks for devices.
    pub device: Option<Device>,
    /// The Secrets that the process may see.
    pub secrets: Vec<SecretNeed>,
    /// Changes with everything that the process is told: [`spec_hash`] of both documents, which the process reports
    /// of what it runs.
    pub config_hash: String,
    /// Changes with what can't be taken over in place: identity, hub, NATS server, kind of source, devices,
    /// Secrets. A body has more of its own: where a pod runs, what it mounts.
    pub process_hash: String,
    /// Something is wrong, though it runs on: its hub is gone.
    pub notice: Option<Reason>,
}

impl Run {
    /// What every subject of its hub begins with.
    pub fn prefix(&self) -> String {
        let namespace = self.hub.metadata.namespace.as_deref().unwrap_or_default();
        self.hub.spec.subject_prefix(
            namespace,
            self.hub.metadata.name.as_deref().unwrap_or_default(),
        )
    }

    /// The same without the device, for a while in which it is not to be had.
    #[must_use]
    pub fn without_device(mut self) -> Self {
        self.device = None;
        self.process_hash = process_hash(&self.camera, &self.hub, None, &self.secrets);
        self
    }
}

/// Whether any camera needs the installation's own NATS server.
pub fn needs_own_nats(cameras: &[Camera], hubs: &[StreamHub]) -> bool {
    cameras
        .iter()
        .filter(|camera| camera.spec.enabled)
        .any(|camera| {
            let named =
                written_hub(camera, hubs).and_then(|hub| hub.spec.nats.as_ref()?.url.as_ref());
            named.is_none() && (written_hub(camera, hubs).is_some() || is_default(camera))
        })
}

/// Decides for every camera.
pub fn plan(input: &Input) -> Plan {
    let unknown = Facts {
        created: u64::MAX,
        ..Facts::default()
    };
    let mut cameras: Vec<(CameraKey, &Camera, &Facts)> = input
        .cameras
        .iter()
        .map(|camera| (CameraKey::of(camera), camera))
        .map(|(key, camera)| {
            let facts = input.facts.get(&key).unwrap_or(&unknown);
            (key, camera, facts)
        })
        .collect();
    cameras.sort_by(|(a, _, a_facts), (b, _, b_facts)| {
        (a_facts.created, a).cmp(&(b_facts.created, b))
    });

    let mut holders: BTreeMap<(String, String), CameraKey> = BTreeMap::new();
    let mut plan = Plan::default();
    for (key, camera, facts) in cameras {
        match decide(input, &key, camera, facts, &mut holders) {
            Ok(run) => drop(plan.runs.insert(key, run)),
            Err(reason) => drop(plan.refused.insert(key, reason)),
        }
    }
    plan
}

fn decide(
    input: &Input,
    key: &CameraKey,
    camera: &Camera,
    facts: &Facts,
    holders: &mut BTreeMap<(String, String), CameraKey>,
) -> Result<Run, Reason> {
    if !camera.spec.enabled {
        return Err(Reason::Disabled);
    }
    let (hub, notice) = effective_hub(input, key, camera, facts)?;
    let device = input.devices.and_then(|devices| devices.get(key));
    let found = input.devices.map(|_| device.as_slice());
    let must_have = match selectors(camera).count() {
        0 => false,
        1 => !can_do_without(camera),
        _ => true,
    };
    if must_have && found.is_some_and(<[_]>::is_empty) {
        return Err(Reason::NoDevice);
    }
    let wanted: Vec<_> = conflict::claims(camera, found, &facts.devices)
        .into_iter()
        .map(|claim| {
            let namespace = if claim.everywhere {
                String::new()
            } else {
                key.namespace.clone()
            };
            ((namespace, claim.identity), claim.shown)
        })
        .collect();
    // All or nothing: a camera that does not run holds nothing.
    for (place, shown) in &wanted {
        if let Some(older) = holders.get(place) {
            return Err(Reason::Conflict {
                older: older.clone(),
                what: shown.clone(),
            });
        }
    }
    holders.extend(wanted.into_iter().map(|(place, _)| (place, key.clone())));
    Ok(run(camera, hub, facts, device, notice))
}

/// The hub with its NATS URL. A hub that went away leaves what runs alone: it keeps the hub that it had.
fn effective_hub(
    input: &Input,
    key: &CameraKey,
    camera: &Camera,
    facts: &Facts,
) -> Result<(StreamHub, Option<Reason>), Reason> {
    let name = camera.spec.hub_ref.name.as_str();
    let mut hub = match written_hub(camera, input.hubs) {
        Some(hub) => hub.clone(),
        None if name == DEFAULT_HUB => StreamHub::implied(&key.namespace),
        None => {
            let reason = Reason::HubNotFound {
                hub: name.to_owned(),
            };
            return facts
                .running
                .clone()
                .map(|hub| (hub, Some(reason.clone())))
                .ok_or(reason);
        }
    };
    hub.metadata.namespace = Some(key.namespace.clone());
    let nats = hub.spec.nats.get_or_insert_default();
    if let (None, Some(own)) = (&nats.url, input.nats) {
        nats.url.clone_from(&own.url);
        let credentials = &mut nats.credentials_secret_ref;
        *credentials = credentials.take().or(own.credentials_secret_ref.clone());
    }
    if nats.url.is_none() {
        return Err(Reason::NatsUnknown {
            hub: name.to_owned(),
        });
    }
    Ok((hub, None))
}

fn run(
    camera: &Camera,
    hub: StreamHub,
    facts: &Facts,
    device: Option<&Device>,
    notice: Option<Reason>,
) -> Run {
    let mut camera = camera.clone();
    let key = CameraKey::of(&camera);
    camera.metadata.namespace = Some(key.namespace);
    camera.metadata.uid = Some(facts.uid.clone());
    camera.metadata.generation = Some(facts.generation);
    let secrets = secrets::needs(&camera, &hub);
    Run {
        config_hash: spec_hash(&camera.spec, &hub.spec),
        process_hash: process_hash(&camera, &hub, device, &secrets),
        device: device.cloned(),
        secrets,
        camera,
        hub,
        notice,
    }
}

fn process_hash(
    camera: &Camera,
    hub: &StreamHub,
    device: Option<&Device>,
    secrets: &[SecretNeed],
) -> String {
    fingerprint(&json!({
        "uid": camera.metadata.uid,
        "hub": hub.metadata.name,
        "nats": hub.spec.nats,
        "source": camera.source_kind().as_str(),
        "devices": match device {
            Some(device) => json!(device),
            None => json!(selectors(camera).collect::<Vec<_>>()),
        },
        "secrets": secrets,
    }))
}

fn written_hub<'a>(camera: &Camera, hubs: &'a [StreamHub]) -> Option<&'a StreamHub> {
    let namespace = CameraKey::of(camera).namespace;
    hubs.iter().find(|hub| {
        hub.metadata.name.as_deref() == Some(camera.spec.hub_ref.name.as_str())
            && hub
                .metadata
                .namespace
                .as_deref()
                .unwrap_or(streamhub_crds::DEFAULT_NAMESPACE)
                == namespace
    })
}

fn is_default(camera: &Camera) -> bool {
    camera.spec.hub_ref.name.as_str() == DEFAULT_HUB
}
