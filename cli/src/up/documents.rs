//! The documents as they count: the newest good ones. A document that becomes invalid keeps what it last said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use streamhub_crds::{Camera, Folders, Loading, Problem, Secret, StreamHub, validate_hub_update};
use streamhub_plan::CameraKey;

/// Kind, namespace and name.
type Identity = (&'static str, String, String);

/// Documents of files and folders, followed over time.
pub struct Documents {
    paths: Vec<PathBuf>,
    good: BTreeMap<Identity, Item>,
    secrets: Vec<Secret>,
    problems: Vec<Problem>,
}

/// A document and where it lies.
struct Item {
    file: PathBuf,
    line: usize,
    object: Object,
}

enum Object {
    Camera(Box<Camera>),
    Hub(Box<StreamHub>),
    Secret(Secret),
}

impl Documents {
    /// None yet; `paths` are absolute.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            good: BTreeMap::new(),
            secrets: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Reads all again. Returns the problems that were not there before.
    pub fn reload(&mut self) -> Vec<Problem> {
        let new = self.take(streamhub_crds::load(&self.paths, Folders::Flat));
        self.secrets = self.each(|object| {
            if let Object::Secret(secret) = object {
                Some(secret)
            } else {
                None
            }
        });
        new
    }

    fn take(&mut self, loading: Loading) -> Vec<Problem> {
        let mut problems = loading.problems.clone();
        let mut old = std::mem::take(&mut self.good);
        for item in items(loading) {
            let identity = item.object.identity();
            let before = old.remove(&identity);
            let refused = before
                .as_ref()
                .map(|before| item.refused_after(before))
                .unwrap_or_default();
            let kept = if refused.is_empty() {
                item
            } else {
                before.unwrap_or(item)
            };
            problems.extend(refused);
            self.good.insert(identity, kept);
        }
        // What a damaged file (or folder) held before goes on as it was.
        let damaged: BTreeSet<&Path> = problems
            .iter()
            .map(|problem| problem.file.as_path())
            .collect();
        for (identity, item) in old {
            if item.file.ancestors().any(|path| damaged.contains(path)) {
                self.good.insert(identity, item);
            }
        }
        let new = problems
            .iter()
            .filter(|problem| !self.problems.contains(problem))
            .cloned()
            .collect();
        self.problems = problems;
        new
    }

    /// All cameras.
    pub fn cameras(&self) -> Vec<Camera> {
        self.each(|object| {
            if let Object::Camera(camera) = object {
                Some(camera.as_ref())
            } else {
                None
            }
        })
    }

    /// All hubs.
    pub fn hubs(&self) -> Vec<StreamHub> {
        self.each(|object| {
            if let Object::Hub(hub) = object {
                Some(hub.as_ref())
            } else {
                None
            }
        })
    }

    /// All secrets.
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// The folder in which each camera's document lies.
    pub fn folders(&self) -> BTreeMap<CameraKey, PathBuf> {
        let folder = |file: &Path| file.parent().unwrap_or(Path::new("/")).to_path_buf();
        self.camera_files()
            .map(|(key, file)| (key, folder(file)))
            .collect()
    }

    /// What people should know of cameras that run on an older document than the one that is written.
    pub fn notes(&self) -> Vec<(CameraKey, String)> {
        let note = |(key, file): (CameraKey, &Path)| {
            let concerns = |problem: &&Problem| {
                problem.file == file && problem.name.as_ref().is_none_or(|name| *name == key.name)
            };
            let problem = self.problems.iter().find(concerns)?;
            Some((key, format!("runs on its last good manifest: {problem}")))
        };
        self.camera_files().filter_map(note).collect()
    }

    /// Documents that count for nothing yet, with what is wrong with each: the name (or the file) and the problem.
    pub fn broken(&self) -> BTreeMap<String, String> {
        let known: BTreeSet<String> = self.camera_files().map(|(key, _)| key.name).collect();
        let broken = self.problems.iter().filter_map(|problem| {
            let file = problem
                .file
                .file_name()
                .unwrap_or(problem.file.as_os_str())
                .to_string_lossy();
            let name = problem.name.clone().unwrap_or_else(|| file.into_owned());
            (!known.contains(&name)).then(|| (name, problem.to_string()))
        });
        // Of several problems of one document the first.
        broken.fold(BTreeMap::new(), |mut first, (name, problem)| {
            first.entry(name).or_insert(problem);
            first
        })
    }

    fn camera_files(&self) -> impl Iterator<Item = (CameraKey, &Path)> {
        self.good.values().filter_map(|item| match &item.object {
            Object::Camera(camera) => Some((CameraKey::of(camera), item.file.as_path())),
            _ => None,
        })
    }

    fn each<T: Clone>(&self, pick: impl Fn(&Object) -> Option<&T>) -> Vec<T> {
        self.good
            .values()
            .filter_map(|item| pick(&item.object))
            .cloned()
            .collect()
    }
}

fn items(loading: Loading) -> impl Iterator<Item = Item> {
    let documents = loading.documents;
    let cameras = documents
        .cameras
        .into_iter()
        .map(|it| (it.origin, Object::Camera(Box::new(it.object))));
    let hubs = documents
        .hubs
        .into_iter()
        .map(|it| (it.origin, Object::Hub(Box::new(it.object))));
    let secrets = documents
        .secrets
        .into_iter()
        .map(|it| (it.origin, Object::Secret(it.object)));
    let all = cameras.chain(hubs).chain(secrets);
    all.map(|(origin, object)| Item {
        file: origin.file,
        line: origin.line,
        object,
    })
}

impl Item {
    /// What speaks against this document in place of the one before: fields that can't be changed.
    fn refused_after(&self, before: &Self) -> Vec<Problem> {
        let (Object::Hub(old), Object::Hub(new)) = (&before.object, &self.object) else {
            return Vec::new();
        };
        let mut problems = validate_hub_update(old, new).err().unwrap_or_default();
        for problem in &mut problems {
            (problem.file, problem.line) = (self.file.clone(), self.line);
        }
        problems
    }
}

impl Object {
    fn identity(&self) -> Identity {
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
