//! The `StreamHub`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::rendition::Rendition;
use crate::schema::{self, rule, rule_at};
use crate::secret::SecretRef;
use crate::status::StreamHubStatus;
use crate::values::{NatsUrl, ObjectName, SubjectPrefix, SubjectToken, TOKEN_PATTERN, Ttl};

const DESCRIPTION: &str =
    "A hub: the NATS server that a group of cameras publishes to, and what they have in common.";
const PREFIX_IS_IMMUTABLE: &str =
    "can't be changed: consumers would lose every camera; make a new StreamHub instead";

/// What a `StreamHub` should be; all of it optional.
#[derive(
    Debug, Clone, PartialEq, Eq, Default, CustomResource, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "streamhub.dev",
    version = "v1alpha1",
    kind = "StreamHub",
    namespaced,
    shortname = "hub",
    category = "streamhub",
    status = "StreamHubStatus",
    printcolumn = r#"{"name": "Cameras", "type": "integer", "jsonPath": ".status.cameras.total"}"#,
    printcolumn = r#"{"name": "Ready", "type": "integer", "jsonPath": ".status.cameras.ready"}"#,
    printcolumn = r#"{"name": "NATS", "type": "string", "jsonPath": ".status.nats"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    doc = "A hub: the NATS server that a group of cameras publishes to, and what they have in common.",
    derive = "PartialEq",
    schema = "manual"
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [rule_at(
    ".nats.subjectPrefix",
    "(has(self.nats) && has(self.nats.subjectPrefix) ? self.nats.subjectPrefix : '') == \
     (has(oldSelf.nats) && has(oldSelf.nats.subjectPrefix) ? oldSelf.nats.subjectPrefix : '')",
    PREFIX_IS_IMMUTABLE,
)]))]
pub struct StreamHubSpec {
    /// The NATS server; absent = the one that comes with the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats: Option<NatsServer>,
    /// Modules whose feedback is put into the metadata of the frames, by name; each name is one token of a NATS subject.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "maxProperties" = 16,
        "x-kubernetes-validations" = [rule(
            &format!("self.all(module, module.matches('{TOKEN_PATTERN}'))"),
            "names of modules must be 1 to 63 letters, digits, '_' or '-': each is one token of a NATS subject",
        )],
    ))]
    pub feedback: BTreeMap<SubjectToken, FeedbackModule>,
    /// What cameras get that do not say otherwise.
    #[serde(default)]
    pub defaults: HubDefaults,
}

/// The NATS server of a hub.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NatsServer {
    /// URL of the server, `nats://`, `tls://`, `ws://` or `wss://`, without user, password or token; absent = the one
    /// that comes with the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<NatsUrl>,
    /// Secret with `nats.creds`, or `username` and `password`, or `token`; and `ca.crt`, `tls.crt`, `tls.key` for TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// What every subject of the hub begins with; absent = `streamhub.<namespace>.<hub>`. Can't be changed later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_prefix: Option<SubjectPrefix>,
}

/// One module that talks back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [rule_at(
    ".eventTtl",
    "!has(self.eventTtl) || self.eventTtl.all(event, event in self.events)",
    "every key must be one of the module's events",
)]))]
pub struct FeedbackModule {
    /// The events that the module may publish; each is one token of a NATS subject.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub events: Vec<SubjectToken>,
    /// How long a payload stays in the metadata: 10ms to 24h, such as 500ms, 5s or 1m30s.
    #[serde(default = "default_ttl")]
    pub ttl: Ttl,
    /// The same for single events, by the name of the event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub event_ttl: BTreeMap<SubjectToken, Ttl>,
}

impl FeedbackModule {
    /// How long a payload of this event lives; `None` for an event that the module does not have.
    pub fn ttl_of(&self, event: &str) -> Option<Ttl> {
        let event = self.events.iter().find(|known| known.as_str() == event)?;
        Some(self.event_ttl.get(event).copied().unwrap_or(self.ttl))
    }
}

/// What cameras get that do not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HubDefaults {
    /// What is made of a camera's pictures where the Camera has no `frames`.
    #[serde(default = "Rendition::implied")]
    #[schemars(length(min = 1, max = 16), extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"],
    ))]
    pub frames: Vec<Rendition>,
}

impl Default for HubDefaults {
    fn default() -> Self {
        Self {
            frames: Rendition::implied(),
        }
    }
}

impl JsonSchema for StreamHub {
    fn schema_name() -> Cow<'static, str> {
        "StreamHub".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::root::<StreamHubSpec, StreamHubStatus>(generator, "StreamHub", DESCRIPTION, true)
    }
}

impl StreamHub {
    /// The hub named `default` that every namespace has where none is written.
    pub fn implied(namespace: &str) -> Self {
        let mut hub = Self::new(ObjectName::default_hub().as_str(), StreamHubSpec::default());
        hub.metadata.namespace = Some(namespace.to_owned());
        hub
    }
}

impl StreamHubSpec {
    /// What every subject of the hub begins with (CONTRACT: `P`).
    pub fn subject_prefix(&self, namespace: &str, hub_name: &str) -> String {
        match self
            .nats
            .as_ref()
            .and_then(|nats| nats.subject_prefix.as_ref())
        {
            Some(prefix) => prefix.as_str().to_owned(),
            None => format!("streamhub.{namespace}.{hub_name}"),
        }
    }
}

fn default_ttl() -> Ttl {
    Ttl::FIVE_SECONDS
}
