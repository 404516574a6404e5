//! From what the objects of a node say and what they should say to what has to be written. A function.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use streamhub_crds::{DeviceState, VideoDevice, VideoDeviceSpec, VideoDeviceStatus};

use super::clock;
use super::owner::node_of;
use super::report::{Picture, absent};

/// What is gone for so long, and has no settings of an administrator, is forgotten.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// An object as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Tells it from another one of the name.
    pub uid: String,
    /// Tells it from what it was.
    pub version: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The uid of the Node that it goes with.
    pub node: Option<String>,
    /// Whether an administrator says who may use it.
    pub is_set: bool,
    /// What it says.
    pub status: VideoDeviceStatus,
}

impl From<VideoDevice> for Known {
    fn from(object: VideoDevice) -> Self {
        Self {
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
            created: object.creation_timestamp().map(|time| time.0),
            node: node_of(&object).map(str::to_owned),
            is_set: object.spec != VideoDeviceSpec::default(),
            status: object.status.unwrap_or_default(),
        }
    }
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An object that is not there, to be followed by its status.
    Create(String),
    /// An object that does not go with its Node.
    Own(String),
    /// A status.
    Status(String, Box<VideoDeviceStatus>),
    /// An object that nobody needs, if it is still this one.
    Delete {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Its version.
        version: String,
    },
}

impl Step {
    /// The name of an object that it makes.
    pub fn makes(&self) -> Option<String> {
        match self {
            Self::Create(name) => Some(name.clone()),
            Self::Own(_) | Self::Status(..) | Self::Delete { .. } => None,
        }
    }

    /// The object's name.
    pub fn object(&self) -> &str {
        match self {
            Self::Create(name)
            | Self::Own(name)
            | Self::Status(name, _)
            | Self::Delete { name, .. } => name,
        }
    }
}

/// What has to be written, in this order; nothing where all is said. `node` is the uid of the Node, where it is known.
pub fn steps(
    picture: &Picture,
    known: &BTreeMap<String, Known>,
    node: Option<&str>,
    now: Timestamp,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, status) in &picture.present {
        let before = known.get(name);
        match before {
            None => steps.push(Step::Create(name.clone())),
            Some(before) if is_strange(before, node) => steps.push(Step::Own(name.clone())),
            Some(_) => {}
        }
        if before.is_none_or(|before| before.status != *status) {
            steps.push(Step::Status(name.clone(), Box::new(status.clone())));
        }
    }
    let others = known
        .iter()
        .filter(|(name, _)| !picture.present.contains_key(*name));
    for (name, known) in others {
        if known.status.state != DeviceState::Absent {
            let seen = picture.gone.get(name).cloned();
            let seen = seen.unwrap_or_else(|| clock::shown(now));
            let status = Box::new(absent(&known.status, seen));
            steps.push(Step::Status(name.clone(), status));
        } else if !known.is_set && gone_for(known, now) > FORGOTTEN_AFTER {
            steps.push(Step::Delete {
                name: name.clone(),
                uid: known.uid.clone(),
                version: known.version.clone(),
            });
            continue;
        }
        if is_strange(known, node) {
            steps.push(Step::Own(name.clone()));
        }
    }
    steps
}

/// Whether an object goes with another Node than this, or with none.
fn is_strange(known: &Known, node: Option<&str>) -> bool {
    node.is_some() && known.node.as_deref() != node
}

fn gone_for(known: &Known, now: Timestamp) -> SignedDuration {
    let seen = known.status.last_seen.as_deref();
    let seen = seen.and_then(|seen| clock::since(seen, now));
    let made = || known.created.map(|made| now.duration_since(made));
    seen.or_else(made).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{place, present};
    use super::*;

    const NODE: &str = "n1";

    fn steps(picture: &Picture, known: &BTreeMap<String, Known>, now: Timestamp) -> Vec<Step> {
        super::steps(picture, known, Some(NODE), now)
    }

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn known(status: VideoDeviceStatus) -> Known {
        Known {
            uid: "u1".to_owned(),
            version: "7".to_owned(),
            created: Some(now()),
            node: Some(NODE.to_owned()),
            is_set: false,
            status,
        }
    }

    fn picture(numbers: &[u32]) -> Picture {
        let present = numbers.iter().map(|&number| present(number));
        let present = present.map(|device| {
            let name = place().object(device.id.as_str());
            (name, place().status(&device))
        });
        Picture {
            present: present.collect(),
            gone: BTreeMap::new(),
        }
    }

    fn stored(picture: &Picture) -> BTreeMap<String, Known> {
        let present = picture.present.clone().into_iter();
        present
            .map(|(name, status)| (name, known(status)))
            .collect()
    }

    #[test]
    fn a_new_device_gets_an_object_and_one_that_is_said_nothing() {
        let picture = picture(&[0, 1]);
        let all = steps(&picture, &BTreeMap::new(), now());
        assert_eq!(all.len(), 4);
        assert!(matches!(all[0], Step::Create(_)) && matches!(all[1], Step::Status(..)));
        assert_eq!(steps(&picture, &stored(&picture), now()), []);
    }

    #[test]
    fn what_is_not_there_any_more_is_absent_once_and_for_a_week() {
        let before = picture(&[0, 1]);
        let mut after = picture(&[1]);
        let name = before
            .present
            .keys()
            .find(|name| !after.present.contains_key(*name));
        let name = name.unwrap().clone();
        after
            .gone
            .insert(name.clone(), "2026-11-21T11:59:59.500Z".to_owned());
        let mut objects = stored(&before);
        let all = steps(&after, &objects, now());
        let [Step::Status(written, status)] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!((written, status.state), (&name, DeviceState::Absent));
        assert_eq!(
            status.last_seen.as_deref(),
            Some("2026-11-21T11:59:59.500Z")
        );
        objects.insert(name.clone(), known((**status).clone()));
        assert_eq!(steps(&after, &objects, now()), []);
        // An agent that starts knows nothing of when it went.
        let later = now() + SignedDuration::from_hours(24 * 7) + SignedDuration::from_secs(1);
        let fresh = Picture {
            gone: BTreeMap::new(),
            ..after
        };
        let expected = Step::Delete {
            name: name.clone(),
            uid: "u1".to_owned(),
            version: "7".to_owned(),
        };
        assert_eq!(steps(&fresh, &objects, later), [expected]);
        objects.entry(name).and_modify(|known| known.is_set = true);
        assert_eq!(steps(&fresh, &objects, later), []);
    }

    #[test]
    fn an_object_of_an_earlier_agent_or_of_a_node_that_joined_anew_gets_its_node() {
        let picture = picture(&[0]);
        let name = picture.present.keys().next().unwrap().clone();
        for before in [None, Some("n0".to_owned())] {
            let mut objects = stored(&picture);
            let owned = |known: &mut Known| known.node = before.clone();
            objects.entry(name.clone()).and_modify(owned);
            let own = [Step::Own(name.clone())];
            assert_eq!(steps(&picture, &objects, now()), own);
            assert_eq!(super::steps(&picture, &objects, None, now()), []);
            // One whose device is away goes with the node as well.
            let gone = |known: &mut Known| known.status.state = DeviceState::Absent;
            objects.entry(name.clone()).and_modify(gone);
            assert_eq!(steps(&Picture::default(), &objects, now()), own);
        }
    }

    #[test]
    fn after_a_start_objects_of_devices_that_went_meanwhile_become_absent() {
        let objects = stored(&picture(&[0]));
        let all = steps(&Picture::default(), &objects, now());
        let [Step::Status(_, status)] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!(
            status.last_seen.as_deref(),
            Some("2026-11-21T12:00:00.000Z")
        );
    }

    #[test]
    fn an_object_that_was_made_and_never_written_is_no_trouble() {
        let made = VideoDeviceStatus::default();
        let objects = BTreeMap::from([("node1-0000000000".to_owned(), known(made))]);
        assert_eq!(steps(&Picture::default(), &objects, now()), []);
        let later = now() + SignedDuration::from_hours(24 * 8);
        let all = steps(&Picture::default(), &objects, later);
        assert!(matches!(all.as_slice(), [Step::Delete { .. }]), "{all:?}");
    }
}
