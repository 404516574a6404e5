//! Finds and reads files.

use std::fs;
use std::path::{Path, PathBuf};

use super::Folders;
use crate::Problem;

/// A manifest of more bytes than this is a mistake: an API server takes 3 MiB at most.
const LARGEST: u64 = 4 << 20;

/// The files named, and those that lie in the folders named, in the order of their names.
pub(super) fn find(paths: &[PathBuf], folders: Folders) -> (Vec<PathBuf>, Vec<Problem>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            in_folder(path, folders, &mut files, &mut problems);
        } else {
            files.push(path.clone());
        }
    }
    (files, problems)
}

fn in_folder(
    folder: &Path,
    folders: Folders,
    files: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) {
    let entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => return problems.push(problem(folder, &error)),
    };
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        // Editors and ConfigMap volumes keep files of their own beside those that are meant.
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let manifest = path.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension == *known)
        });
        if hidden {
            continue;
        }
        if path.is_dir() {
            if folders == Folders::Recursive && !path.is_symlink() {
                in_folder(&path, folders, files, problems);
            }
        } else if manifest {
            files.push(path);
        }
    }
}

/// Reads a whole file as text, or says why it can't.
pub(super) fn read(file: &Path, problems: &mut Vec<Problem>) -> Option<String> {
    let size = fs::metadata(file).map(|metadata| metadata.len());
    let text = match size {
        Ok(size) if size > LARGEST => {
            let message = format!("is larger than {LARGEST} bytes");
            problems.push(Problem {
                file: file.to_owned(),
                message,
                ..Problem::default()
            });
            return None;
        }
        Ok(_) => fs::read_to_string(file),
        Err(error) => Err(error),
    };
    text.map_err(|error| problems.push(problem(file, &error)))
        .ok()
}

fn problem(path: &Path, error: &std::io::Error) -> Problem {
    Problem {
        file: path.to_owned(),
        message: format!("can't be read: {error}"),
        ..Problem::default()
    }
}
