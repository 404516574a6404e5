//! `streamhub top`: every camera, and how it does now.

pub mod cluster;
pub mod local;
mod row;

use std::io::Write as _;
use std::time::Duration;

use row::{Row, Rows};

use crate::args::{Format, TopArgs};
use crate::client::ClientError;
use crate::cluster::Cluster;
use crate::place::Place;
use crate::table;

const AGAIN: Duration = Duration::from_secs(2);

/// Lists once, or again and again.
pub async fn run(args: TopArgs) -> Result<(), ClientError> {
    let named = args.all_namespaces;
    let cluster = match Place::choose(&args.place, named) {
        Place::Cluster => Some(Cluster::open(&args.place).await?),
        Place::Here => None,
    };
    loop {
        let rows = match &cluster {
            Some(cluster) => cluster::rows(cluster, &args).await?,
            None => local::rows(&args).await?,
        };
        // Whoever read has seen enough.
        if show(&rows, &args).is_err() || !args.watch {
            return Ok(());
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn show(rows: &Rows, args: &TopArgs) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let lines = match args.output {
        Format::Json => rows
            .cameras
            .iter()
            .map(|row| serde_json::to_string(row).unwrap_or_default())
            .collect(),
        Format::Human => {
            let mut lines = row::table(rows, table::width());
            if table::is_colourful() {
                table::paint(
                    &mut lines,
                    rows.cameras.iter().map(|row: &Row| row.state.as_str()),
                );
                if args.watch {
                    write!(out, "\u{1b}[H\u{1b}[2J")?;
                }
            }
            lines
        }
    };
    for line in lines {
        writeln!(out, "{line}")?;
    }
    if let Some(note) = rows.note.as_ref().filter(|_| args.output == Format::Human) {
        eprintln!("{note}");
    }
    out.flush()
}
