//! `streamhub-ingest`: one camera in, timestamped JPEG frames on NATS out.

mod args;
mod run;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::parse();
    args.log_format.install(&args.log_level);
    // One TLS provider for the whole process; a second installation can only be this very one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run::run(&args) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            tracing::error!(error = format_args!("{error:#}"), "cannot start");
            let permanent = error.is::<streamhub_ingest::config::ConfigError>();
            if permanent {
                run::Outcome::Permanent.into()
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
