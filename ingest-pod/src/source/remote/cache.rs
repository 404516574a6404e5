//! The folder of fetched files: bounded, shared by all cameras of the machine, never without a file in use.
//!
//! `<id>.media` is a whole file, `<id>.json` says which version, `<id>.part.<process>` is under way, `<id>.lock` is held
//! by whoever fetches it. A file that is played is locked by its reader; a lock ends with its process, however that ends.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use uuid::Uuid;

use crate::fault::Fault;

/// How often a file of unknown size looks whether it still fits.
const LOOK_EVERY: u64 = 8 * 1024 * 1024;

/// Where fetched files are kept, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// The folder.
    pub folder: PathBuf,
    /// Most bytes of files in it.
    pub size: u64,
}

/// What tells one version of a file from the next, as the server says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Version {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
}

/// The name of a file in the cache.
pub fn id(identity: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, identity.as_bytes())
        .simple()
        .to_string()
}

/// The folder.
pub struct Cache {
    folder: PathBuf,
    most: u64,
}

/// A file in use: nobody removes it until this is dropped.
pub struct Lease {
    path: PathBuf,
    _lock: File,
}

impl Lease {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Cache {
    /// Makes the folder where it is missing, for this user only.
    pub fn open(settings: &CacheSettings) -> Result<Self, Fault> {
        let cache = Self {
            folder: settings.folder.clone(),
            most: settings.size,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&cache.folder)
            .map_err(|error| cache.unusable(&error))?;
        Ok(cache)
    }

    /// The right to fetch this file; `None` while another has it.
    pub fn lock(&self, id: &str) -> Result<Option<File>, Fault> {
        let path = self.path(id, "lock");
        let file = File::create(&path).map_err(|error| self.unusable(&error))?;
        match file.try_lock() {
            // Who removes a file from the cache takes its lock along.
            Ok(()) => Ok(is_at(&file, &path).then_some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(self.unusable(&error)),
        }
    }

    /// Which version of this file is there.
    pub fn find(&self, id: &str) -> Option<Version> {
        if !self.path(id, "media").is_file() {
            return None;
        }
        // Without it the file may still be played, when the server cannot be asked.
        let text = fs::read(self.path(id, "json")).unwrap_or_default();
        Some(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// Holds this file, and notes that it was wanted now.
    pub fn lease(&self, id: &str) -> Result<Lease, Fault> {
        let path = self.path(id, "media");
        loop {
            let file = File::open(&path).map_err(|error| self.unusable(&error))?;
            file.lock_shared().map_err(|error| self.unusable(&error))?;
            // It may have been removed or replaced between the two.
            if is_at(&file, &path) {
                // Only the order of removal rests on it.
                let _ = file.set_modified(SystemTime::now());
                return Ok(Lease { path, _lock: file });
            }
        }
    }

    /// Begins a file of so many bytes, as far as is known.
    pub fn begin(&self, id: &str, bytes: u64) -> Result<Part, Fault> {
        let path = self.path(id, &format!("part.{}", std::process::id()));
        let _alone = self.alone()?;
        let file = File::create(&path).map_err(|error| self.unusable(&error))?;
        file.lock().map_err(|error| self.unusable(&error))?;
        let mut part = Part {
            path,
            file,
            written: 0,
            promised: 0,
        };
        self.make_room(bytes, &part.path)?;
        // Others see at once what it will take.
        part.file
            .set_len(bytes)
            .map_err(|error| self.unusable(&error))?;
        part.promised = bytes;
        Ok(part)
    }

    /// The right to make room and to take it: two at once would take the same.
    fn alone(&self) -> Result<File, Fault> {
        let lock = File::create(self.folder.join("room.lock"));
        let lock = lock.map_err(|error| self.unusable(&error))?;
        lock.lock().map_err(|error| self.unusable(&error))?;
        Ok(lock)
    }

    /// Removes what was not wanted for the longest time until `bytes` more fit.
    fn make_room(&self, bytes: u64, but: &Path) -> Result<(), Fault> {
        if bytes > self.most {
            return Err(Fault::permanent(
                "FileTooLarge",
                format!(
                    "the file has at least {bytes} bytes, and the cache holds at most {}",
                    self.most
                ),
                "start the process with a larger --media-cache-size, or give a smaller file",
            ));
        }
        let mut files = self.files(but).map_err(|error| self.unusable(&error))?;
        let full = || {
            Fault::transient(
                "CacheFull",
                format!("{bytes} bytes do not fit beside the files that are played now"),
                "start the processes with a larger --media-cache-size",
            )
        };
        for victim in victims(&mut files, id_of(but), bytes, self.most).ok_or_else(full)? {
            // Somebody may have begun to play it since.
            let _held = self.hold(&victim, but).ok_or_else(full)?;
            tracing::info!(path = %victim.display(), "removed from the cache");
            fs::remove_file(&victim).map_err(|error| self.unusable(&error))?;
            if victim.extension().is_some_and(|end| end == "media") {
                let id = id_of(&victim);
                let _ = fs::remove_file(self.path(id, "json"));
                if id != id_of(but) {
                    let _ = fs::remove_file(self.path(id, "lock"));
                }
            }
        }
        Ok(())
    }

    /// Keeps a file from being played or fetched anew; `None` while it is, or when it is gone. The file that `but` is a
    /// part of is being fetched by us.
    fn hold(&self, path: &Path, but: &Path) -> Option<Vec<File>> {
        let mut held = vec![File::open(path).ok()?];
        // Who asks whether a copy is still good will play it if it is.
        if id_of(path) != id_of(but)
            && let Ok(lock) = File::open(self.path(id_of(path), "lock"))
        {
            held.push(lock);
        }
        held.iter()
            .all(|file| file.try_lock().is_ok())
            .then_some(held)
    }

    /// All files and unfinished parts but one.
    fn files(&self, but: &Path) -> io::Result<Vec<Kept>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let ours =
                path.extension().is_some_and(|end| end == "media") || name.contains(".part.");
            if !ours || path == but {
                continue;
            }
            // What another process removed meanwhile takes no room.
            let Ok(found) = fs::metadata(&path) else {
                continue;
            };
            files.push(Kept {
                in_use: self.hold(&path, but).is_none(),
                path,
                bytes: found.len(),
                wanted: found.modified()?,
            });
        }
        Ok(files)
    }

    fn path(&self, id: &str, end: &str) -> PathBuf {
        self.folder.join(format!("{id}.{end}"))
    }

    fn unusable(&self, error: &io::Error) -> Fault {
        Fault::transient(
            "CacheUnusable",
            format!("--media-cache {}: {error}", self.folder.display()),
            "check the folder's rights and the space on its disk",
        )
    }
}

/// A file that is under way; removed unless it is finished.
pub struct Part {
    path: PathBuf,
    file: File,
    written: u64,
    promised: u64,
}

impl Part {
    /// The next bytes.
    pub fn write(&mut self, cache: &Cache, bytes: &[u8]) -> Result<(), Fault> {
        let after = self.written + bytes.len() as u64;
        if after > self.promised {
            let promised = after.saturating_add(LOOK_EVERY).min(cache.most).max(after);
            let _alone = cache.alone()?;
            cache.make_room(promised, &self.path)?;
            // Others see at once what it may take.
            self.file
                .set_len(promised)
                .map_err(|error| cache.unusable(&error))?;
            self.promised = promised;
        }
        self.written = after;
        self.file
            .write_all(bytes)
            .map_err(|error| cache.unusable(&error))
    }

    /// It is whole: from now on it is the file of this id.
    pub fn finish(self, cache: &Cache, id: &str, version: &Version) -> Result<(), Fault> {
        let publish = || -> io::Result<()> {
            self.file.set_len(self.written)?;
            self.file.sync_all()?;
            // The version comes after the file: with an old one the server is only asked for too much.
            fs::rename(&self.path, cache.path(id, "media"))?;
            let aside = cache.path(id, "json.new");
            fs::write(&aside, serde_json::to_vec(version)?)?;
            fs::rename(&aside, cache.path(id, "json"))
        };
        publish().map_err(|error| cache.unusable(&error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After `finish` it is not there any more.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether this file is the one that is found at `path` now.
fn is_at(file: &File, path: &Path) -> bool {
    let number = |found: io::Result<fs::Metadata>| found.ok().map(|found| found.ino());
    number(file.metadata()) == number(fs::metadata(path))
}

/// Which file of the cache a path belongs to.
fn id_of(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.split('.').next())
        .unwrap_or_default()
}

/// One file in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    path: PathBuf,
    bytes: u64,
    wanted: SystemTime,
    in_use: bool,
}

/// What to remove so that `more` of file `id` fit into `most`, the longest unwanted first; `None` when that cannot be.
/// Its own old copy goes last: it is what is played should the new one not become whole.
fn victims(files: &mut [Kept], id: &str, more: u64, most: u64) -> Option<Vec<PathBuf>> {
    let rank = |file: &Kept| (id_of(&file.path) == id, file.wanted);
    files.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.path.cmp(&b.path)));
    let mut total: u64 = files.iter().map(|file| file.bytes).sum();
    let mut victims = Vec::new();
    for file in files.iter().filter(|file| !file.in_use) {
        if total.saturating_add(more) <= most {
            break;
        }
        total -= file.bytes;
        victims.push(file.path.clone());
    }
    (total.saturating_add(more) <= most).then_some(victims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn cache(folder: &Path, size: u64) -> Cache {
        Cache::open(&CacheSettings {
            folder: folder.join("media"),
            size,
        })
        .unwrap()
    }

    fn put(cache: &Cache, id: &str, bytes: usize) -> Result<(), Fault> {
        let mut part = cache.begin(id, bytes as u64)?;
        part.write(cache, &vec![7; bytes])?;
        part.finish(cache, id, &Version::default())
    }

    fn names(cache: &Cache) -> Vec<String> {
        let entries = fs::read_dir(&cache.folder).unwrap();
        let name =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = entries
            .map(name)
            .filter(|name| name.contains(".media"))
            .collect();
        names.sort();
        names
    }

    fn age(cache: &Cache, id: &str, seconds: u64) {
        let file = File::options()
            .write(true)
            .open(cache.path(id, "media"))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
            .unwrap();
    }

    #[test]
    fn the_longest_unwanted_goes_first_and_what_is_played_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 100);
        for (id, seconds) in [("a", 50), ("b", 40), ("c", 30)] {
            put(&cache, id, 30).unwrap();
            age(&cache, id, seconds);
        }
        let held = cache.lease("a").unwrap();
        age(&cache, "a", 60);
        put(&cache, "d", 30).unwrap();
        assert_eq!(names(&cache), ["a.media", "c.media", "d.media"]);
        assert_eq!(put(&cache, "e", 80).unwrap_err().reason, "CacheFull");
        drop(held);
        put(&cache, "e", 80).unwrap();
        assert_eq!(names(&cache), ["e.media"]);
        let too_large = put(&cache, "f", 101).unwrap_err();
        assert_eq!(
            (too_large.reason, too_large.permanent),
            ("FileTooLarge", true)
        );
    }

    #[test]
    fn a_file_of_unknown_size_is_bounded_too_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 100);
        put(&cache, "a", 60).unwrap();
        let mut part = cache.begin("b", 0).unwrap();
        part.write(&cache, &[1; 50]).unwrap();
        assert_eq!(names(&cache), Vec::<String>::new(), "room was made");
        let fault = part.write(&cache, &[1; 51]).unwrap_err();
        assert_eq!(fault.reason, "FileTooLarge");
        drop(part);
        assert_eq!(cache.find("b"), None);
        let left = fs::read_dir(&cache.folder).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["room.lock"]);
    }

    #[test]
    fn what_may_still_come_takes_room_already_and_a_copy_that_is_asked_for_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), LOOK_EVERY + 100);
        let mut part = cache.begin("a", 0).unwrap();
        part.write(&cache, &[1; 10]).unwrap();
        assert_eq!(put(&cache, "b", 100).unwrap_err().reason, "CacheFull");
        part.finish(&cache, "a", &Version::default()).unwrap();
        assert_eq!(fs::read(cache.path("a", "media")).unwrap(), [1; 10]);

        let all = (LOOK_EVERY + 100) as usize;
        let asked = cache.lock("a").unwrap().unwrap();
        assert_eq!(put(&cache, "b", all).unwrap_err().reason, "CacheFull");
        assert!(cache.find("a").is_some());
        drop(asked);
        put(&cache, "b", all).unwrap();
        assert_eq!(names(&cache), ["b.media"]);
        assert!(!cache.path("a", "lock").exists());
    }

    #[test]
    fn the_old_copy_of_a_file_goes_only_when_nothing_else_makes_room_for_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 100);
        for (id, seconds) in [("a", 50), ("b", 40)] {
            put(&cache, id, 40).unwrap();
            age(&cache, id, seconds);
        }
        let renewal = cache.begin("a", 40).unwrap();
        assert_eq!(names(&cache), ["a.media"]);
        drop(renewal);
        assert!(cache.find("a").is_some(), "it did not become whole");
        put(&cache, "a", 70).unwrap();
        assert_eq!(fs::read(cache.path("a", "media")).unwrap(), [7; 70]);
    }

    #[test]
    fn the_parts_of_dead_processes_are_removed_and_those_of_living_ones_count() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 100);
        fs::write(cache.path("a", "part.1"), vec![0; 90]).unwrap();
        put(&cache, "b", 50).unwrap();
        assert!(!cache.path("a", "part.1").exists());
        let _under_way = cache.begin("c", 40).unwrap();
        assert_eq!(put(&cache, "d", 70).unwrap_err().reason, "CacheFull");
    }

    #[test]
    fn only_one_fetches_a_file_and_its_version_is_known_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 100);
        let lock = cache.lock("a").unwrap();
        assert!(lock.is_some());
        assert!(cache.lock("a").unwrap().is_none());
        drop(lock);
        assert!(cache.lock("a").unwrap().is_some());
        let version = Version {
            etag: Some("\"x\"".to_owned()),
            modified: None,
        };
        let mut part = cache.begin("a", 3).unwrap();
        part.write(&cache, b"abc").unwrap();
        part.finish(&cache, "a", &version).unwrap();
        assert_eq!(cache.find("a"), Some(version));
        assert_eq!(fs::read(cache.lease("a").unwrap().path()).unwrap(), b"abc");
        assert_ne!(id("s3://a/b"), id("s3://a/c"));
    }
}
