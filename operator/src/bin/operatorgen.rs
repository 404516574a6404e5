//! Writes `docs/reference/operator.md`; with `--check` compares instead.

use anyhow::{Context as _, bail};
use clap::CommandFactory as _;
use streamhub_operator::{args::Args, metrics, reasons};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/operator.md");

fn main() -> anyhow::Result<()> {
    let page = page()?;
    match std::env::args().nth(1).as_deref() {
        None => std::fs::write(PAGE, page).context("cannot write docs/reference/operator.md"),
        Some("--check") if std::fs::read_to_string(PAGE).ok() == Some(page) => Ok(()),
        Some("--check") => bail!("docs/reference/operator.md is out of date: run scripts/generate"),
        Some(other) => bail!("{other}: only --check is known"),
    }
}

fn page() -> anyhow::Result<String> {
    let command = Args::command().term_width(100);
    let mut command = command.mut_args(|arg| arg.hide_env_values(true));
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    Ok(format!(
        "# streamhub-operator\n\n\
         Written by `scripts/generate`. The chart starts it; it makes a pod of every Camera and says in the Camera's\n\
         status how it is.\n\n```text\n{}\n```\n\n\
         ## HTTP\n\n\
         | path | answers |\n|---|---|\n\
         | `/healthz` | 200 while the process works |\n\
         | `/readyz` | 200 while it works or waits for the Lease; 503 until all there is has been listed |\n\
         | `/metrics` | OpenMetrics, see below |\n\n\
         ## Reasons\n\n\
         Why a Camera is not ready, in its status, its conditions and its events. A pod that runs has its own reasons,\n\
         and they are shown as they are.\n\n{}\n\
         ## Metrics\n\n{}",
        help.join("\n").trim_end(),
        reasons::table(),
        metrics::reference()?,
    ))
}
