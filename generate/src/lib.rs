//! Writes the files of the repository that are made from the sources, or tells which are out of date.

pub mod metrics;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A file of the repository that is made from the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Where it lies, from the root of the repository.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl GeneratedFile {
    /// A file at `path`, from the root of the repository, that holds `text`.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// Fails where the repository holds something else.
    pub fn check(&self) -> Result<(), String> {
        self.check_in(&root())
    }

    fn check_in(&self, root: &Path) -> Result<(), String> {
        if std::fs::read_to_string(root.join(&self.path)).is_ok_and(|text| text == self.text) {
            return Ok(());
        }
        Err(format!("{} is out of date: run make generate", self.path))
    }

    fn write(&self, root: &Path) -> Result<(), String> {
        let path = root.join(&self.path);
        std::fs::write(&path, &self.text)
            .map_err(|error| format!("can't write {}: {error}", path.display()))
    }
}

/// The whole of a program that writes `files`, or with `--check` as its argument compares them.
pub fn main<E: Display>(files: Result<Vec<GeneratedFile>, E>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = files
        .map_err(|error| error.to_string())
        .and_then(|files| run(&arguments, &root(), &files));
    match done {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String], root: &Path, files: &[GeneratedFile]) -> Result<String, String> {
    let outdated = files
        .iter()
        .filter_map(|file| Some((file, file.check_in(root).err()?)));
    match arguments {
        [] => outdated
            .map(|(file, _)| file.write(root).map(|()| format!("wrote {}\n", file.path)))
            .collect(),
        [only] if only == "--check" => {
            let errors: Vec<String> = outdated.map(|(_, error)| error).collect();
            if errors.is_empty() {
                Ok(String::new())
            } else {
                Err(errors.join("\n"))
            }
        }
        _ => Err(format!("{}: only --check is known", arguments.join(" "))),
    }
}

/// The root of the repository: cargo says where the crate is, by hand it is the folder one stands in.
fn root() -> PathBuf {
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    crate_folder
        .as_deref()
        .and_then(Path::parent)
        .map_or_else(PathBuf::new, Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_or_written_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            GeneratedFile::new("same", "1"),
            GeneratedFile::new("other", "2"),
            GeneratedFile::new("new", "3"),
        ];
        std::fs::write(folder.path().join("same"), "1").unwrap();
        std::fs::write(folder.path().join("other"), "1").unwrap();
        let run = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            run(&arguments, folder.path(), &files)
        };
        let outdated =
            "other is out of date: run make generate\nnew is out of date: run make generate";
        assert_eq!(run(&["--check"]), Err(outdated.to_owned()));
        assert!(run(&["--chekc"]).unwrap_err().contains("--chekc"));
        assert!(!folder.path().join("new").exists(), "nothing was asked for");
        assert_eq!(run(&[]), Ok("wrote other\nwrote new\n".to_owned()));
        assert_eq!(run(&["--check"]), Ok(String::new()));
        assert_eq!(run(&[]), Ok(String::new()));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = run(&[], folder.path(), &[GeneratedFile::new("no/file", "")]).unwrap_err();
        assert!(error.contains("no/file"), "{error}");
    }
}
