//! Notices that manifests changed: at once by the kernel's notifications, and by looking every few seconds where
//! there are none (network file systems, replaced folders).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Changes within this time are taken as one; it is also what an editor gets for writing a file in two steps.
const SETTLE: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_secs(3);

/// Begins to follow files and folders (their direct entries), and a folder of secrets (one level deeper). Each
/// message says that something changed since this call and has settled; one that waits stands for all that came after it. Without
/// notifications (their number is limited per user) it only looks now and then.
pub fn start(paths: &[PathBuf], secrets: Option<&Path>) -> mpsc::Receiver<()> {
    let (sender, signals) = mpsc::channel(1);
    let handler = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(handler)
        .and_then(|mut watcher| watch(&mut watcher, paths, secrets).map(|()| watcher))
        .inspect_err(
            |error| tracing::warn!(%error, "no notifications of changes; looking every 3 s"),
        )
        .ok();
    // Here and not in the task, which begins only after the caller has read the documents.
    let seen = Fingerprint::of(paths, secrets);
    let (changes, receiver) = mpsc::channel(1);
    let (paths, secrets) = (paths.to_vec(), secrets.map(Path::to_path_buf));
    tokio::spawn(follow(paths, secrets, seen, watcher, signals, changes));
    receiver
}

fn watch(
    watcher: &mut RecommendedWatcher,
    paths: &[PathBuf],
    secrets: Option<&Path>,
) -> notify::Result<()> {
    for path in paths {
        // A file is followed through its folder: editors replace files instead of writing into them.
        let folder = if path.is_dir() {
            path
        } else {
            path.parent().unwrap_or(Path::new("."))
        };
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    secrets.map_or(Ok(()), |folder| {
        watcher.watch(folder, RecursiveMode::Recursive)
    })
}

async fn follow(
    paths: Vec<PathBuf>,
    secrets: Option<PathBuf>,
    mut seen: Fingerprint,
    // Dropping it ends the notifications.
    _watcher: Option<RecommendedWatcher>,
    mut signals: mpsc::Receiver<()>,
    changes: mpsc::Sender<()>,
) {
    while !changes.is_closed() {
        tokio::select! {
            Some(()) = signals.recv() => {
                tokio::time::sleep(SETTLE).await;
                while signals.try_recv().is_ok() {}
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = Fingerprint::of(&paths, secrets.as_deref());
        if now != seen {
            seen = now;
            let _ = changes.try_send(());
        }
    }
}

/// A recording that grows beside the manifests is no news.
fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

/// Size and times of every file: enough to know that one was touched.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fingerprint(BTreeMap<PathBuf, (u64, Option<SystemTime>, u64, i64)>);

impl Fingerprint {
    fn of(paths: &[PathBuf], secrets: Option<&Path>) -> Self {
        let mut files = Self::default();
        for path in paths {
            // A file that was named counts whatever it is called.
            files.add(path, 1, &|found| found == path || is_manifest(found));
        }
        if let Some(folder) = secrets {
            files.add(folder, 2, &|_| true);
        }
        files
    }

    fn add(&mut self, path: &Path, depth: u8, counts: &dyn Fn(&Path) -> bool) {
        use std::os::unix::fs::MetadataExt as _;
        let Ok(data) = std::fs::metadata(path) else {
            return;
        };
        if data.is_file() && counts(path) {
            self.0.insert(
                path.to_path_buf(),
                (
                    data.len(),
                    data.modified().ok(),
                    data.ino(),
                    data.ctime_nsec(),
                ),
            );
        } else if data.is_dir() && depth > 0 {
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                self.add(&entry.path(), depth - 1, counts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_right_after_the_start_is_news() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = start(&[folder.path().to_path_buf()], None);
        std::fs::write(folder.path().join("door.yaml"), "kind: Camera").unwrap();
        let change = tokio::time::timeout(5 * LOOK, changes.recv()).await;
        assert_eq!(change, Ok(Some(())));
    }
}
