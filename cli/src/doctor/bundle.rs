//! What was looked at, as a file to hand to somebody else.

mod objects;
mod pods;

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::facts::Facts;
use super::redact;
use crate::cluster::Cluster;

/// Files, without secrets.
#[derive(Debug, Default)]
pub struct Bundle(Vec<(String, String)>);

impl Bundle {
    /// Adds a text.
    pub fn add(&mut self, path: &str, text: &str) {
        self.0.push((path.to_owned(), redact::text(text)));
    }

    /// Adds a document.
    pub fn add_document(&mut self, path: &str, document: &impl Serialize) {
        let mut value = serde_json::to_value(document).unwrap_or_default();
        redact::document(&mut value);
        let text = serde_json::to_string_pretty(&value).unwrap_or_default();
        self.0.push((path.to_owned(), text));
    }

    /// Adds all facts, what belongs to them beside them, and the logs of the pods among them.
    pub async fn take(&mut self, cluster: &Cluster, facts: &Facts) {
        self.add("server.txt", facts.server.as_deref().unwrap_or_default());
        for camera in facts.cameras.iter().flatten() {
            self.add_document(&format!("cameras/{}.json", camera.key), &camera.object);
        }
        for hub in facts.hubs.iter().flatten() {
            self.add_document(&format!("hubs/{}.json", hub.key), &hub.object);
        }
        for node in facts.nodes.iter().flatten() {
            let name = node.metadata.name.as_deref().unwrap_or_default();
            self.add_document(&format!("nodes/{name}.json"), node);
        }
        for (key, asked) in &facts.statuses {
            match asked {
                Ok(said) => self.add_document(&format!("statuses/{key}.json"), said),
                Err(why) => self.add(&format!("statuses/{key}.txt"), why),
            }
        }
        self.add_document("leases.json", &values(facts.leases.iter().flatten()));
        self.add_document("events.json", &values(facts.events.iter().flatten()));
        objects::take(self, cluster, facts).await;
        pods::take(self, cluster, facts).await;
    }

    /// Writes them.
    pub fn write(&self, file: &Path, now: Timestamp) -> io::Result<()> {
        let mut archive = tar::Builder::new(GzEncoder::new(create(file)?, Compression::default()));
        for (path, text) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(now.as_second().max(0) as u64);
            let path = format!("streamhub/{path}");
            archive.append_data(&mut header, path, text.as_bytes())?;
        }
        archive.into_inner()?.finish()?.flush()
    }
}

/// Readable by its owner alone: names and addresses are in it. A file that is there could be anybody's.
fn create(file: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(file)
}

fn values<T: Serialize>(objects: impl Iterator<Item = T>) -> Vec<Value> {
    objects
        .map(|object| serde_json::to_value(object).unwrap_or_default())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_archive_holds_clean_texts_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.tar.gz");
        let mut bundle = Bundle::default();
        bundle.add(
            "logs/a.log",
            "no answer from rtsp://bob:hunter2@10.0.0.7/a\n",
        );
        bundle.add_document("a.json", &serde_json::json!({"token": "hunter2"}));
        bundle.write(&file, Timestamp::UNIX_EPOCH).unwrap();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = bundle.write(&file, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        let reader = flate2::read::GzDecoder::new(std::fs::File::open(&file).unwrap());
        let mut archive = tar::Archive::new(reader);
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            assert!(!text.contains("hunter2"), "{text}");
            found.push(entry.path().unwrap().display().to_string());
        }
        assert_eq!(found, ["streamhub/logs/a.log", "streamhub/a.json"]);
    }
}
