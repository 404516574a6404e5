//! Reads documents as `kubectl apply -f` would, and validates them as an API server would.

mod compose;
mod document;
mod files;
mod node;
mod scalar;
mod secret;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::check::{self, Definition};
use crate::{Camera, Problem, Secret, StreamHub};
use document::Object;

/// Where a document was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, as it was named or found; relative paths in the document are relative to its folder.
    pub file: PathBuf,
    /// The line that the document begins on, counted from 1.
    pub line: usize,
}

impl Origin {
    /// The folder of the file: what relative paths in the document start from.
    pub fn folder(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new(""))
    }
}

/// A valid object, and where it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<T> {
    /// The object, with defaults and its namespace filled in.
    pub object: T,
    /// Where it was read.
    pub origin: Origin,
}

/// The valid documents, in the order they were read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Documents {
    /// Cameras.
    pub cameras: Vec<Loaded<Camera>>,
    /// Hubs that are written down; a hub `default` exists without one.
    pub hubs: Vec<Loaded<StreamHub>>,
    /// Secrets.
    pub secrets: Vec<Loaded<Secret>>,
}

/// What a load found: the valid documents, and what is wrong with the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loading {
    /// The valid documents.
    pub documents: Documents,
    /// All mistakes, by file and line.
    pub problems: Vec<Problem>,
}

impl Loading {
    /// The documents if all are valid, or else all mistakes.
    pub fn into_result(self) -> Result<Documents, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(self.documents)
        } else {
            Err(self.problems)
        }
    }
}

/// What is read of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Folders {
    /// The files that lie in it, as kubectl does unless told otherwise.
    #[default]
    Flat,
    /// The files of all folders below it too.
    Recursive,
}

/// Reads files, and the `.yaml`, `.yml` and `.json` files of folders.
pub fn load(paths: &[PathBuf], folders: Folders) -> Loading {
    let mut reader = Reader::default();
    let (files, problems) = files::find(paths, folders);
    reader.problems.extend(problems);
    for file in files {
        if let Some(text) = files::read(&file, &mut reader.problems) {
            reader.read(&text, &file);
        }
    }
    reader.finish()
}

/// Reads the documents of one text; `file` is what mistakes and origins name.
pub fn parse(text: &str, file: &Path) -> Loading {
    let mut reader = Reader::default();
    reader.read(text, file);
    reader.finish()
}

/// Reads a text that holds exactly one Camera.
pub fn parse_camera(text: &str) -> Result<Camera, Vec<Problem>> {
    let documents = parse(text, Path::new("")).into_result()?;
    let others = documents.hubs.len() + documents.secrets.len();
    only(documents.cameras, others, "Camera")
}

/// Reads a text that holds exactly one `StreamHub`.
pub fn parse_hub(text: &str) -> Result<StreamHub, Vec<Problem>> {
    let documents = parse(text, Path::new("")).into_result()?;
    let others = documents.cameras.len() + documents.secrets.len();
    only(documents.hubs, others, "StreamHub")
}

/// Completes and validates a Camera that an API server gave.
///
/// An API server checks what is written, not what was stored under an older definition.
pub fn camera_from_json(object: Value) -> Result<Camera, Vec<Problem>> {
    document::from_json(object, "Camera", Definition::camera())
}

/// Reads a Camera as an API server gave it, which has completed it and asked its rules when it was written. That
/// costs a hundredth of asking them again; only what the types refuse is looked at in full.
pub fn camera_as_stored(object: Value) -> Result<Camera, Vec<Problem>> {
    match Camera::deserialize(&object) {
        Ok(camera) => Ok(camera),
        Err(_) => camera_from_json(object),
    }
}

/// Asks all rules about a Camera: those of a later definition than the one that it was written under, too.
pub fn validate_camera(camera: &Camera) -> Result<(), Vec<Problem>> {
    // Plain data with string keys always have a form.
    camera_from_json(serde_json::to_value(camera).unwrap_or_default()).map(drop)
}

/// Completes and validates a `StreamHub` that an API server gave.
pub fn hub_from_json(object: Value) -> Result<StreamHub, Vec<Problem>> {
    document::from_json(object, "StreamHub", Definition::hub())
}

fn only<T>(mut objects: Vec<Loaded<T>>, others: usize, kind: &str) -> Result<T, Vec<Problem>> {
    match (objects.pop(), objects.is_empty() && others == 0) {
        (Some(loaded), true) => Ok(loaded.object),
        _ => Err(vec![Problem {
            message: format!("must hold exactly one {kind}"),
            ..Problem::default()
        }]),
    }
}

/// Writes an object as a YAML document that [`load`] reads back as the same object.
pub fn to_yaml<T: Serialize>(object: &T) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(object)
}

/// Checks what may not change between two versions of a hub.
pub fn validate_hub_update(old: &StreamHub, new: &StreamHub) -> Result<(), Vec<Problem>> {
    let json = |hub| serde_json::to_value(hub).unwrap_or_default();
    let findings = check::check_transition(Definition::hub(), &json(old), &json(new));
    let problem = |finding: check::Finding| Problem {
        kind: Some("StreamHub".to_owned()),
        name: new.metadata.name.clone(),
        field: finding.field,
        value: finding.value,
        message: finding.message,
        hint: finding.hint,
        ..Problem::default()
    };
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings.into_iter().map(problem).collect())
    }
}

#[derive(Default)]
struct Reader {
    documents: Documents,
    problems: Vec<Problem>,
    seen: BTreeMap<(&'static str, String, String), Origin>,
}

impl Reader {
    fn read(&mut self, text: &str, file: &Path) {
        let (nodes, broken) = compose::documents(text);
        self.problems
            .extend(broken.into_iter().map(|problem| Problem {
                file: file.to_owned(),
                line: problem.line,
                message: problem.message,
                ..Problem::default()
            }));
        for node in nodes {
            for item in document::items(&node) {
                match document::read(item, file) {
                    Ok(object) => self.keep(
                        object,
                        Origin {
                            file: file.to_owned(),
                            line: item.line,
                        },
                    ),
                    Err(problems) => self.problems.extend(problems),
                }
            }
        }
    }

    fn keep(&mut self, object: Object, origin: Origin) {
        let (kind, namespace, name) = object.key();
        if let Some(first) = self.seen.get(&(kind, namespace.clone(), name.clone())) {
            let message = format!(
                "there is another {kind} of this name in namespace {namespace}: {}:{}",
                first.file.display(),
                first.line
            );
            self.problems.push(Problem {
                file: origin.file,
                line: origin.line,
                kind: Some(kind.to_owned()),
                name: Some(name),
                field: "metadata.name".to_owned(),
                message,
                ..Problem::default()
            });
            return;
        }
        self.seen.insert((kind, namespace, name), origin.clone());
        match object {
            Object::Camera(object) => self.documents.cameras.push(Loaded {
                object: *object,
                origin,
            }),
            Object::Hub(object) => self.documents.hubs.push(Loaded {
                object: *object,
                origin,
            }),
            Object::Secret(object) => self.documents.secrets.push(Loaded { object, origin }),
        }
    }

    fn finish(mut self) -> Loading {
        self.problems
            .sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Loading {
            documents: self.documents,
            problems: self.problems,
        }
    }
}
