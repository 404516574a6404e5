//! Writes the files that are made from the types of the API; with `--check` compares instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    streamhub_generate::main(streamhub_crds::generate::files())
}
