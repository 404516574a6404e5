//! Writes the reference files that are made from the types of the wire; with `--check` compares instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    streamhub_generate::main(streamhub_wire::generate::files())
}
