//! Writes `docs/reference/metrics.md` and `docs/reference/ingest.md`; with `--check` compares instead.

use anyhow::{Context as _, bail};
use clap::CommandFactory as _;
use streamhub_ingest::{args::Args, metrics};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/");

fn main() -> anyhow::Result<()> {
    let check = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => bail!("{other}: only --check is known"),
    };
    for (name, page) in [
        ("metrics.md", metrics::reference()?),
        ("ingest.md", ingest()),
    ] {
        let path = format!("{FOLDER}{name}");
        if !check {
            std::fs::write(&path, page).with_context(|| format!("cannot write {path}"))?;
        } else if std::fs::read_to_string(&path).ok().as_deref() != Some(&page) {
            bail!("docs/reference/{name} is out of date: run scripts/generate");
        }
    }
    Ok(())
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
