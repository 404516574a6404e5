//! The page of the documentation that lists every metric.

use std::fmt;
use std::time::Duration;

use streamhub_generate::metrics::table;

use super::{DropLabels, Metrics, ReasonLabel, RenditionLabel};
use crate::report::HeldTo;

/// A page that lists every metric: `docs/reference/metrics.md`.
pub fn reference() -> Result<String, fmt::Error> {
    let metrics = Metrics::new("NAME");
    metrics.touch_every_series();
    Ok(format!(
        "# Metrics of the ingest pod\n\n\
         Written by `scripts/generate`; `GET /metrics` answers them in the\n\
         OpenMetrics format. Every series carries the label `camera`.\n\n{}",
        table(&metrics.render()?)?
    ))
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
