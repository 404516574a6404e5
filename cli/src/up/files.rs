//! Files that are whole or not there.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes a folder and its parents, readable for this user only.
pub fn make_dir(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Writes a file with mode 0600 under another name and renames it, so that a reader sees the old content or the
/// new one. Content that is there already is left alone: watchers see no change.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    write_and(path, content, |_| Ok(()))
}

/// The same for what must be there after a power cut.
pub fn write_for_good(path: &Path, content: &[u8]) -> io::Result<()> {
    write_and(path, content, std::fs::File::sync_data)
}

fn write_and(
    path: &Path,
    content: &[u8],
    then: impl Fn(&std::fs::File) -> io::Result<()>,
) -> io::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let mut name = path
        .file_name()
        .map(std::ffi::OsStr::to_os_string)
        .unwrap_or_default();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content)?;
    then(&file)?;
    std::fs::rename(&temporary, path)
}

/// Removes a file or a folder with all that is in it; one that is not there is fine.
pub fn remove(path: &Path) -> io::Result<()> {
    let result = if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
