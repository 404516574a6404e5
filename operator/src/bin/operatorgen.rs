//! Writes `docs/reference/operator.md` and `node-agent.md`; with `--check` compares instead.

use std::fmt;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use streamhub_generate::GeneratedFile;
use streamhub_operator::{agent, args::Args, metrics, reasons};

fn main() -> ExitCode {
    streamhub_generate::main(files())
}

fn files() -> Result<Vec<GeneratedFile>, fmt::Error> {
    Ok(vec![
        GeneratedFile::new("docs/reference/operator.md", operator()?),
        GeneratedFile::new("docs/reference/node-agent.md", node_agent()?),
    ])
}

fn operator() -> Result<String, fmt::Error> {
    Ok(format!(
        "# streamhub-operator\n\n\
         Written by `scripts/generate`. The chart starts it; it makes a pod of every Camera and says in the Camera's\n\
         status how it is.\n\n```text\n{}\n```\n\n\
         ## HTTP\n\n\
         | path | answers |\n|---|---|\n\
         | `/healthz` | 200 while it waits for the Lease or gets on with its work; 503 when all work in one of its queues has hung for five minutes |\n\
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

fn node_agent() -> Result<String, fmt::Error> {
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
