//! `streamhub-operator`: Cameras become pods.

use std::process::ExitCode;

use clap::Parser as _;
use streamhub_operator::args::Args;
use streamhub_operator::operator;

fn main() -> ExitCode {
    let args = Args::parse();
    args.log_format.install(&args.log_level);
    // One TLS provider for the whole process; a second installation can only be this very one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let run = || -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(operator::run(args))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format_args!("{error:#}"), "ended");
            ExitCode::FAILURE
        }
    }
}
