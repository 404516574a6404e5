//! Writes `docs/reference/metrics.md`; with `--check` compares instead.

use anyhow::{Context as _, bail};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/metrics.md");

fn main() -> anyhow::Result<()> {
    let page = streamhub_ingest::metrics::reference()?;
    match std::env::args().nth(1).as_deref() {
        None => std::fs::write(PAGE, page).with_context(|| format!("cannot write {PAGE}")),
        Some("--check") if std::fs::read_to_string(PAGE).is_ok_and(|text| text == page) => Ok(()),
        Some("--check") => bail!("docs/reference/metrics.md is out of date: run scripts/generate"),
        Some(other) => bail!("{other}: only --check is known"),
    }
}
