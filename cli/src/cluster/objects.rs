//! Cameras, hubs and devices as they are stored, valid or not.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;
use streamhub_crds::{CameraStatus, GROUP, StreamHubStatus, VERSION};

use super::{Cluster, names};

/// The Cameras of a namespace, or of all.
pub fn cameras(cluster: &Cluster, namespace: Option<&str>) -> Api<DynamicObject> {
    api(cluster, namespace, "Camera", "cameras")
}

/// The hubs of a namespace, or of all.
pub fn hubs(cluster: &Cluster, namespace: Option<&str>) -> Api<DynamicObject> {
    api(cluster, namespace, "StreamHub", "streamhubs")
}

/// The capture devices of all nodes.
pub fn devices(cluster: &Cluster) -> Api<DynamicObject> {
    api(cluster, None, "VideoDevice", "videodevices")
}

fn api(cluster: &Cluster, namespace: Option<&str>, kind: &str, plural: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(GROUP, VERSION, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    match namespace {
        Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
        None => Api::all_with(cluster.client.clone(), &resource),
    }
}

/// Names of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Key {
    /// The names of anything that has metadata.
    pub fn of(metadata: &kube::api::ObjectMeta) -> Self {
        Self {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

/// A Camera.
#[derive(Debug, Clone)]
pub struct CameraObject {
    /// Its names.
    pub key: Key,
    /// Its hub.
    pub hub: String,
    /// What the operator says of it; `None` where it never did.
    pub status: Option<CameraStatus>,
    /// All of it.
    pub object: DynamicObject,
}

impl CameraObject {
    /// Reads what is stored.
    pub fn read(object: DynamicObject) -> Self {
        let hub = text(&object.data, "/spec/hubRef/name").unwrap_or(names::DEFAULT_HUB);
        let status = object
            .data
            .get("status")
            .and_then(|status| serde_json::from_value(status.clone()).ok());
        Self {
            key: Key::of(&object.metadata),
            hub: hub.to_owned(),
            status,
            object,
        }
    }

    /// The operator's last word of one kind.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        let conditions = &self.status.as_ref()?.conditions;
        conditions.iter().find(|condition| condition.type_ == kind)
    }
}

/// A hub.
#[derive(Debug, Clone)]
pub struct HubObject {
    /// Its names.
    pub key: Key,
    /// What the operator says of it; `None` where it never did.
    pub status: Option<StreamHubStatus>,
    /// All of it.
    pub object: DynamicObject,
}

impl HubObject {
    /// Reads what is stored.
    pub fn read(object: DynamicObject) -> Self {
        let status = object
            .data
            .get("status")
            .and_then(|status| serde_json::from_value(status.clone()).ok());
        Self {
            key: Key::of(&object.metadata),
            status,
            object,
        }
    }

    /// The NATS server, as the hub or the operator names it.
    pub fn nats(&self) -> Option<&str> {
        let written = text(&self.object.data, "/spec/nats/url");
        written.or_else(|| self.status.as_ref()?.nats.as_deref())
    }

    /// What every subject begins with.
    pub fn prefix(&self) -> String {
        match text(&self.object.data, "/spec/nats/subjectPrefix") {
            Some(prefix) => prefix.to_owned(),
            None => prefix(&self.key.namespace, &self.key.name),
        }
    }
}

/// What every subject of a hub begins with that sets no prefix of its own.
pub fn prefix(namespace: &str, hub: &str) -> String {
    format!("streamhub.{namespace}.{hub}")
}

/// A text somewhere in a document.
pub fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer).and_then(Value::as_str)
}
