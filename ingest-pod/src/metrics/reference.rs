//! The page of the documentation that lists every metric.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::{DropLabels, Metrics, ReasonLabel, RenditionLabel};
use crate::report::HeldTo;

/// A page that lists every metric: `docs/reference/metrics.md`.
pub fn reference() -> Result<String, fmt::Error> {
    let metrics = Metrics::new("NAME");
    metrics.touch_every_series();
    let text = metrics.render()?;
    let mut page = String::from(
        "# Metrics of the ingest pod\n\n\
         Written by `scripts/generate`; `GET /metrics` answers them in the\n\
         OpenMetrics format. Every series carries the label `camera`.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    let mut helps = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                helps.insert(name, help);
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let help = helps.get(name).copied().unwrap_or_default();
                let series = if kind == "counter" {
                    format!("{name}_total")
                } else {
                    name.to_owned()
                };
                let labels = labels_of(&text, name).join(", ");
                writeln!(
                    page,
                    "| `{series}` | {kind} | {labels} | {} |",
                    help.trim_end_matches('.')
                )?;
            }
            _ => {}
        }
    }
    Ok(page)
}

/// The labels of a metric's series, without those that all have and those of histograms.
fn labels_of(text: &str, metric: &str) -> Vec<String> {
    let sample = text.lines().find(|line| {
        line.strip_prefix(metric).is_some_and(|rest| {
            ["{", "_total{", "_count{"]
                .iter()
                .any(|end| rest.starts_with(end))
        })
    });
    let labels = sample
        .and_then(|line| line.split_once('{'))
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or("", |(labels, _)| labels);
    labels
        .split(',')
        .filter_map(|label| label.split_once('='))
        .map(|(name, _)| format!("`{name}`"))
        .filter(|name| name != "`camera`" && name != "`le`")
        .collect()
}

impl Metrics {
    /// Makes one series of every family, since an empty family is not rendered.
    fn touch_every_series(&self) {
        let rendition = RenditionLabel {
            rendition: String::new(),
        };
        let reason = ReasonLabel { reason: "" };
        self.observe_stage("decode", Duration::ZERO);
        let _ = self.age.get_or_create(&rendition);
        let _ = self.published.get_or_create(&rendition);
        let _ = self.published_bytes.get_or_create(&rendition);
        let _ = self.last_frame.get_or_create(&rendition);
        let _ = self.rendition_active.get_or_create(&rendition);
        let held_to = HeldTo {
            level: 0,
            quality: Some(0),
            fps: 0.0,
            width: 0,
        };
        self.held_to("", held_to);
        let _ = self.held_back.get_or_create(&reason);
        let _ = self.epochs.get_or_create(&reason);
        let _ = self.source_failures.get_or_create(&reason);
        let _ = self.feedback_rejected.get_or_create(&reason);
        let _ = self.dropped.get_or_create(&DropLabels {
            rendition: String::new(),
            reason: "",
        });
    }
}
