//! `streamhub-node-agent`: capture devices of a node become resources.

use std::process::ExitCode;

use clap::Parser as _;
use streamhub_operator::agent::args::Args;
use streamhub_operator::agent::{privileges, run};
use streamhub_operator::process;

fn main() -> ExitCode {
    let args = Args::parse();
    // Before there are other threads, which would keep theirs.
    if let Err(error) = privileges::drop_all() {
        eprintln!("streamhub-node-agent: capabilities are not dropped: {error}");
        return ExitCode::FAILURE;
    }
    process::run(&args.log.clone(), run::run(args))
}
