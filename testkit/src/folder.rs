//! A folder of manifests that a test changes while a program follows it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

/// A temporary folder; it goes with this value.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
}

impl Folder {
    /// An empty folder.
    pub fn new() -> Result<Self> {
        let folder = TempDir::with_prefix("streamhub-manifests-")?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes or replaces a file in one step, as editors and the kubelet do: no reader sees half of it.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        let aside = self.path().join(format!(".{name}.new"));
        fs::write(&aside, text)?;
        fs::rename(&aside, &path)?;
        Ok(path)
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> Result<()> {
        Ok(fs::remove_file(self.path().join(name))?)
    }
}
