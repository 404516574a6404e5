//! Turns one document into an object.

use std::path::Path as FilePath;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::node::{Content, Node};
use super::secret;
use crate::check::{self, Definition, Finding};
use crate::path::Path;
use crate::{Camera, DEFAULT_NAMESPACE, GROUP, Problem, Secret, StreamHub, VERSION};

/// A valid object.
pub(super) enum Object {
    Camera(Box<Camera>),
    Hub(Box<StreamHub>),
    Secret(Secret),
}

impl Object {
    /// What must be unique: kind, namespace and name.
    pub(super) fn key(&self) -> (&'static str, String, String) {
        let (kind, namespace, name) = match self {
            Self::Camera(camera) => ("Camera", &camera.metadata.namespace, &camera.metadata.name),
            Self::Hub(hub) => ("StreamHub", &hub.metadata.namespace, &hub.metadata.name),
            Self::Secret(secret) => {
                return ("Secret", secret.namespace.clone(), secret.name.clone());
            }
        };
        (
            kind,
            namespace.clone().unwrap_or_default(),
            name.clone().unwrap_or_default(),
        )
    }
}

/// The document itself, or the documents in it where it is a `List`.
pub(super) fn items(document: &Node) -> Vec<&Node> {
    let is_list =
        document.text("kind") == Some("List") && document.text("apiVersion") == Some("v1");
    match document.get("items").and_then(Node::items) {
        Some(items) if is_list => items.iter().flat_map(items_of).collect(),
        _ => vec![document],
    }
}

fn items_of(item: &Node) -> Vec<&Node> {
    items(item)
}

/// Reads one document; returns all that is wrong with it.
pub(super) fn read(node: &Node, file: &FilePath) -> Result<Object, Vec<Problem>> {
    let reading = Reading { node, file };
    let (version, kind) = (node.text("apiVersion"), node.text("kind"));
    let ours = version.is_some_and(|version| version.split_once('/') == Some((GROUP, VERSION)));
    match (version, kind) {
        (Some(_), Some("Camera")) if ours => reading
            .custom(Definition::camera())
            .map(Box::new)
            .map(Object::Camera),
        (Some(_), Some("StreamHub")) if ours => reading
            .custom(Definition::hub())
            .map(Box::new)
            .map(Object::Hub),
        (Some("v1"), Some("Secret")) => reading.secret().map(Object::Secret),
        _ => Err(vec![reading.unknown_kind(version, kind)]),
    }
}

/// Reads an object that an API server gave: no file, no lines.
pub(super) fn from_json<T: DeserializeOwned>(
    mut object: Value,
    kind: &str,
    definition: &Definition,
) -> Result<T, Vec<Problem>> {
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let problem = |finding: Finding| Problem {
        kind: Some(kind.to_owned()),
        name: name.clone(),
        field: finding.field,
        value: finding.value,
        message: finding.message,
        hint: finding.hint,
        ..Problem::default()
    };
    let findings = check::check(definition, &mut object);
    if !findings.is_empty() {
        return Err(findings.into_iter().map(problem).collect());
    }
    serde_json::from_value(object).map_err(|error| {
        // The schema admits nothing that the types refuse; a test holds them together.
        let path = Path::default().field("spec");
        vec![problem(Finding::of_rule(&path, error.to_string()))]
    })
}

struct Reading<'a> {
    node: &'a Node,
    file: &'a FilePath,
}

impl Reading<'_> {
    fn custom<T: DeserializeOwned>(&self, definition: &Definition) -> Result<T, Vec<Problem>> {
        let mut object = self.node.to_json();
        let mut findings = metadata(&mut object);
        findings.extend(check::check(definition, &mut object));
        if !findings.is_empty() {
            return Err(self.problems(findings));
        }
        serde_json::from_value(object).map_err(|error| {
            // The schema admits nothing that the types refuse; a test holds them together.
            let finding = Finding::of_rule(&Path::default().field("spec"), error.to_string());
            self.problems(vec![finding])
        })
    }

    fn secret(&self) -> Result<Secret, Vec<Problem>> {
        let mut object = self.node.to_json();
        let mut findings = metadata(&mut object);
        let secret = secret::read(&object, &mut findings);
        if findings.is_empty() {
            Ok(secret)
        } else {
            Err(self.problems(findings))
        }
    }

    fn problems(&self, findings: Vec<Finding>) -> Vec<Problem> {
        let problem = |finding: Finding| Problem {
            file: self.file.to_owned(),
            line: self.node.line_of(&finding.path),
            kind: self.node.text("kind").map(str::to_owned),
            name: self
                .node
                .get("metadata")
                .and_then(|metadata| metadata.text("name"))
                .map(str::to_owned),
            field: finding.field,
            value: finding.value,
            message: finding.message,
            hint: finding.hint,
        };
        findings.into_iter().map(problem).collect()
    }

    fn unknown_kind(&self, version: Option<&str>, kind: Option<&str>) -> Problem {
        let (field, message) = match (version, kind) {
            _ if !matches!(self.node.content, Content::Map(_)) => (
                None,
                "must be an object with apiVersion, kind, metadata and spec".to_owned(),
            ),
            (_, None) => (Some("kind"), "required value".to_owned()),
            (None, _) => (Some("apiVersion"), "required value".to_owned()),
            (Some(version), Some(kind)) => (
                Some("kind"),
                format!(
                    "no matches for kind \"{kind}\" in version \"{version}\": known are Camera and StreamHub in \
                     {GROUP}/{VERSION}, Secret and List in v1"
                ),
            ),
        };
        let path = field.map_or_else(Path::default, |field| Path::default().field(field));
        let mut problems = self.problems(vec![Finding::of_rule(&path, message)]);
        problems.pop().unwrap_or_default()
    }
}

/// Completes the metadata and checks all of it but the form of the name.
fn metadata(object: &mut Value) -> Vec<Finding> {
    let path = Path::default().field("metadata");
    let Some(object) = object.as_object_mut() else {
        return Vec::new();
    };
    let metadata = object.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    let mut findings = check::check_metadata(metadata);
    if let Some(metadata) = metadata.as_object_mut() {
        let namespace = metadata
            .entry("namespace")
            .or_insert_with(|| DEFAULT_NAMESPACE.into());
        if !namespace.as_str().is_some_and(is_label) {
            let message = "must be 1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit";
            findings.push(Finding::of_rule(
                &path.field("namespace"),
                message.to_owned(),
            ));
        }
        if !metadata.contains_key("name") {
            findings.push(
                Finding::of_rule(&path.field("name"), "required value".to_owned()).blocking(),
            );
            metadata.insert("name".to_owned(), "unnamed".into());
        }
    }
    findings
}

/// Namespaces are DNS-1123 labels: on a cluster because none else can exist, here because subjects are made of them.
fn is_label(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(good)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
