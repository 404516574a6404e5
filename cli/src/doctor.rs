//! `streamhub doctor`: what is wrong, why, and what to do.
//!
//! `gather` looks and changes nothing; `checks` are functions of what it saw.

mod bundle;
mod checks;
mod facts;
mod finding;
mod gather;
mod local;
mod redact;
mod scope;

use std::io::Write as _;

use jiff::Timestamp;

use crate::args::{DoctorArgs, Format};
use crate::client::ClientError;
use crate::cluster::Cluster;
use crate::exit::Exit;
use crate::place::Place;
use crate::table::{is_colourful, plain};

use bundle::Bundle;
use finding::{Finding, Severity};
use scope::Scope;

/// Looks, and prints what it found.
pub async fn run(args: DoctorArgs) -> Result<Exit, ClientError> {
    let scope = Scope::parse(&args.what).map_err(ClientError::Payload)?;
    let mut bundle = Bundle::default();
    let wanted = args.bundle.is_some();
    let (place, mut findings) = match Place::choose(&args.place, args.all_namespaces) {
        Place::Here => local::look(&scope, &args, &mut bundle).await,
        Place::Cluster => {
            let cluster = Cluster::open(&args.place).await?;
            let facts = gather::facts(&cluster, scope, args.all_namespaces).await;
            if wanted {
                bundle.take(&cluster, &facts).await;
            }
            (facts.summary(), checks::all(&facts))
        }
    };
    findings.sort_by(|one, other| (one.severity, &one.about).cmp(&(other.severity, &other.about)));
    let lines = lines(&place, &findings, args.output);
    let mut out = std::io::stdout();
    // Whoever read has seen enough; the exit code still tells.
    let _ = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    if let Some(file) = &args.bundle {
        bundle.add(
            "findings.txt",
            &finding::report(&place, &findings, false).join("\n"),
        );
        let written = bundle.write(file, Timestamp::now());
        written.map_err(|source| ClientError::File {
            path: file.display().to_string(),
            source,
        })?;
        eprintln!(
            "{}: objects, events, logs and statuses; no Secret was read and URLs have lost user, password and query, \
             yet names and addresses are in it: look through it before you give it away",
            file.display()
        );
    }
    let ill = findings.iter().any(|it| it.severity == Severity::Problem);
    Ok(if ill { Exit::Failure } else { Exit::Ok })
}

fn lines(place: &str, findings: &[Finding], format: Format) -> Vec<String> {
    match format {
        Format::Human => finding::report(place, findings, is_colourful()),
        Format::Json => findings
            .iter()
            .map(|finding| serde_json::to_string(finding).unwrap_or_default())
            .collect(),
    }
}

/// As much of a text as a line of a report takes.
fn short(text: &str) -> String {
    const LONGEST: usize = 400;
    let text = plain(text.trim());
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
