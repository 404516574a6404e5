//! Gives each process the Secrets that it may see, and no other, as files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use streamhub_crds::Secret;
use streamhub_plan::SecretNeed;

use super::files;

/// Where secrets come from: documents first, then a folder `DIR/<name>/<key>`.
pub struct Sources<'a> {
    /// `kind: Secret` documents.
    pub documents: &'a [Secret],
    /// The folder, where one was given.
    pub folder: Option<&'a Path>,
}

impl Sources<'_> {
    fn value(&self, namespace: &str, name: &str, key: &str) -> Option<Vec<u8>> {
        let document = self
            .documents
            .iter()
            .find(|secret| secret.namespace == namespace && secret.name == name);
        match document {
            Some(secret) => secret.data.get(key).map(|value| value.expose().to_vec()),
            None => std::fs::read(self.folder?.join(name).join(key)).ok(),
        }
    }

    /// Makes `dir` hold exactly what is needed: `dir/<name>/<key>`. What is missing everywhere is missing there; the
    /// process that reads it says so.
    pub fn hand_over(&self, namespace: &str, needs: &[SecretNeed], dir: &Path) -> io::Result<()> {
        files::make_dir(dir)?;
        let mut kept: BTreeMap<PathBuf, BTreeSet<PathBuf>> = BTreeMap::new();
        for need in needs {
            let folder = dir.join(&need.name);
            files::make_dir(&folder)?;
            let files = kept.entry(folder.clone()).or_default();
            for key in &need.keys {
                if let Some(value) = self.value(namespace, &need.name, key) {
                    files::write(&folder.join(key), &value)?;
                    files.insert(folder.join(key));
                }
            }
        }
        for folder in entries(dir)? {
            match kept.get(&folder) {
                None => files::remove(&folder)?,
                Some(files) => {
                    for file in entries(&folder)?
                        .into_iter()
                        .filter(|file| !files.contains(file))
                    {
                        files::remove(&file)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use streamhub_crds::SecretValue;

    use super::*;

    fn need(name: &str, keys: &[&str]) -> SecretNeed {
        SecretNeed {
            name: name.into(),
            keys: keys.iter().map(|&key| key.into()).collect(),
        }
    }

    #[test]
    fn a_process_sees_exactly_the_keys_it_needs_and_documents_win_over_the_folder() {
        let (given, handed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, text) in [
            ("cam/username", "folder"),
            ("nats/token", "t"),
            ("nats/other", "o"),
        ] {
            let path = given.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let document = Secret {
            name: "cam".into(),
            namespace: "default".into(),
            data: [(
                "username".to_owned(),
                SecretValue::new(b"document".to_vec()),
            )]
            .into(),
        };
        let documents = [document];
        let sources = Sources {
            documents: &documents,
            folder: Some(given.path()),
        };
        let needs = [
            need("cam", &["password", "username"]),
            need("nats", &["token"]),
        ];
        sources.hand_over("default", &needs, handed.path()).unwrap();

        assert_eq!(
            std::fs::read(handed.path().join("cam/username")).unwrap(),
            b"document"
        );
        assert_eq!(
            std::fs::read(handed.path().join("nats/token")).unwrap(),
            b"t"
        );
        assert!(
            !handed.path().join("cam/password").exists()
                && !handed.path().join("nats/other").exists()
        );
        let mode = std::fs::metadata(handed.path().join("nats/token"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);

        sources
            .hand_over("default", &needs[1..], handed.path())
            .unwrap();
        assert!(
            !handed.path().join("cam").exists(),
            "what is no longer needed goes"
        );
    }
}
