//! `streamhub validate`: what an API server would say, without one.

use std::io::Write as _;

use streamhub_crds::Folders;

use crate::args::{Format, ValidateArgs};
use crate::exit::Exit;

/// Prints every problem, with file and line.
pub fn run(args: &ValidateArgs) -> Exit {
    let mut missing = false;
    for path in args.paths.iter().filter(|path| !path.exists()) {
        eprintln!(
            "streamhub: {}: there is no such file or folder",
            path.display()
        );
        missing = true;
    }
    if missing {
        return Exit::Usage;
    }
    let folders = if args.recursive {
        Folders::Recursive
    } else {
        Folders::Flat
    };
    let loaded = streamhub_crds::load(&args.paths, folders);
    let mut out = std::io::stdout();
    for problem in &loaded.problems {
        let line = match args.output {
            Format::Human => problem.to_string(),
            Format::Json => serde_json::to_string(problem).unwrap_or_default(),
        };
        // Whoever read has seen enough; the exit code still tells.
        let _ = writeln!(out, "{line}");
    }
    if loaded.problems.is_empty() {
        Exit::Ok
    } else {
        Exit::Failure
    }
}
