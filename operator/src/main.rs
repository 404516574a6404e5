//! `streamhub-operator`: Cameras become pods.

use std::process::ExitCode;

use clap::Parser as _;
use streamhub_operator::args::Args;
use streamhub_operator::{operator, process};

fn main() -> ExitCode {
    let args = Args::parse();
    process::run(&args.log.clone(), operator::run(args))
}
