//! Writes `docs/reference/operator.md` and `node-agent.md`; with `--check` compares instead.

use anyhow::{Context as _, bail};
use clap::{Command, CommandFactory as _};
use streamhub_operator::{agent, args::Args, metrics, reasons};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference");

fn main() -> anyhow::Result<()> {
    let pages = [
        ("operator.md", operator()?),
        ("node-agent.md", node_agent()?),
    ];
    for (name, page) in pages {
        let path = format!("{FOLDER}/{name}");
        match std::env::args().nth(1).as_deref() {
            None => std::fs::write(&path, page)
                .with_context(|| format!("cannot write docs/reference/{name}"))?,
            Some("--check") if std::fs::read_to_string(&path).ok() == Some(page) => {}
            Some("--check") => {
                bail!("docs/reference/{name} is out of date: run scripts/generate")
            }
            Some(other) => bail!("{other}: only --check is known"),
        }
    }
    Ok(())
}

fn operator() -> anyhow::Result<String> {
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
        help(Args::command()),
        reasons::table(),
        metrics::reference()?,
    ))
}

fn node_agent() -> anyhow::Result<String> {
    Ok(format!(
        "# streamhub-node-agent\n\n\
         Written by `scripts/generate`. The chart starts one on each node; what it does is in [devices](../guide/devices.md).\n\n\
         ```text\n{}\n```\n\n\
         ## HTTP\n\n\
         | path | answers |\n|---|---|\n\
         | `/healthz` | 200 while the process works |\n\
         | `/readyz` | 200 once the devices are known, the `VideoDevices` were listed and the kubelet's socket is there; else 503 |\n\
         | `/metrics` | OpenMetrics, see below |\n\n\
         ## Metrics\n\n{}",
        help(agent::args::Args::command()),
        agent::metrics::reference()?,
    ))
}

fn help(command: Command) -> String {
    let command = command.term_width(100);
    let mut command = command.mut_args(|arg| arg.hide_env_values(true));
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}
