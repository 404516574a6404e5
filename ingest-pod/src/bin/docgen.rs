//! Writes `docs/reference/metrics.md` and `docs/reference/ingest.md`; with `--check` compares instead.

use std::process::ExitCode;

use clap::CommandFactory as _;
use streamhub_generate::GeneratedFile;
use streamhub_ingest::{args::Args, metrics};

fn main() -> ExitCode {
    streamhub_generate::main(metrics::reference().map(|metrics| {
        vec![
            GeneratedFile::new("docs/reference/metrics.md", metrics),
            GeneratedFile::new("docs/reference/ingest.md", ingest()),
        ]
    }))
}

fn ingest() -> String {
    let mut command = Args::command().term_width(100);
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    format!(
        "# streamhub-ingest\n\nWritten by `scripts/generate` from the program's own help. `streamhub up` and the operator \
         start it; by\nhand it runs one camera.\n\n```text\n{}\n```\n\n\
         ## HTTP\n\n\
         | path | answers |\n|---|---|\n\
         | `/healthz` | 200 while the process works; 503 when its source's thread shows no sign of life for a minute. A camera \
         that is away does not count. |\n\
         | `/readyz` | 200 while frames are fresh and NATS is connected; else 503 with state, reason and message |\n\
         | `/metrics` | [OpenMetrics](metrics.md) |\n\
         | `/status` | JSON: what it does, why not, what to try; the same as on NATS, see [nats.md](nats.md) |\n",
        help.join("\n").trim_end()
    )
}
