//! Writes the reference files that are made from the types of the wire, or with `--check` tells which of them are out of date.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = match arguments.as_slice() {
        [] => false,
        [only] if only == "--check" => true,
        _ => return failed("usage: wiregen [--check]"),
    };
    let files = match streamhub_wire::generate::files() {
        Ok(files) => files,
        Err(error) => return failed(&error.to_string()),
    };
    let mut outdated = false;
    for file in files {
        let path = root().join(&file.path);
        if std::fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
            continue;
        }
        if check {
            eprintln!(
                "{} is out of date: run cargo run -p streamhub-wire --bin wiregen",
                file.path
            );
            outdated = true;
        } else if let Err(error) = std::fs::write(&path, file.text) {
            return failed(&format!("can't write {}: {error}", path.display()));
        } else {
            println!("wrote {}", file.path);
        }
    }
    if outdated {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
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

fn failed(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}
