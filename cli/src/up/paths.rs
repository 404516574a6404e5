//! Where things are that `up` begins with.

use std::path::PathBuf;

use super::run::UpError;
use super::{nats, state};
use crate::args::UpArgs;

/// A path that was named, from the root on.
pub(super) fn absolute(path: &PathBuf) -> Result<PathBuf, UpError> {
    std::fs::canonicalize(path).map_err(|source| UpError::Path {
        path: path.clone(),
        source,
    })
}

/// The state folder for these paths.
pub(super) fn default_dir(paths: &[PathBuf]) -> PathBuf {
    state::home().join(state::name_for(paths))
}

/// The ingest program: the one that was named, the one beside this program, or the first on `PATH`.
pub(super) fn find_ingest(args: &UpArgs) -> Result<PathBuf, UpError> {
    if let Some(path) = &args.ingest {
        return absolute(path);
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("streamhub-ingest")));
    beside
        .filter(|path| path.is_file())
        .or_else(|| nats::on_path("streamhub-ingest"))
        .ok_or(UpError::NoIngest)
}
