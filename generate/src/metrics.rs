//! A table of the metrics that a program answers.

use std::fmt::{self, Write as _};

/// Name, type, labels and meaning of each metric of a text in the format of `OpenMetrics`.
///
/// The series of the text show their labels; those that all have, and those of histograms, are left out.
pub fn table(text: &str) -> Result<String, fmt::Error> {
    let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    let mut help = "";
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(_), Some(text)) => help = text.trim_end_matches('.'),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let end = if kind == "counter" { "_total" } else { "" };
                let labels: Vec<String> = labels_of(text, name)
                    .filter(|label| *label != "le" && !all_have(text, label))
                    .map(|label| format!("`{label}`"))
                    .collect();
                let labels = labels.join(", ");
                writeln!(table, "| `{name}{end}` | {kind} | {labels} | {help} |")?;
            }
            _ => {}
        }
    }
    Ok(table)
}

fn series(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn all_have(text: &str, label: &str) -> bool {
    series(text).all(|line| labels(line).any(|other| other == label))
}

fn labels_of<'t>(text: &'t str, metric: &str) -> impl Iterator<Item = &'t str> {
    let sample = series(text).find(|line| {
        let rest = line.strip_prefix(metric);
        let ends = ["{", "_total{", "_count{"];
        rest.is_some_and(|rest| ends.iter().any(|end| rest.starts_with(end)))
    });
    sample.into_iter().flat_map(labels)
}

fn labels(series: &str) -> impl Iterator<Item = &str> {
    let labels = series
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or("", |(labels, _)| labels);
    labels
        .split(',')
        .filter_map(|label| Some(label.split_once('=')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP x_frames Frames that were published.
# TYPE x_frames counter
x_frames_total{camera=\"door\",rendition=\"main\"} 1
# HELP x_fresh 1 while it delivers.
# TYPE x_fresh gauge
x_fresh{camera=\"door\"} 1
# HELP x_age_seconds Age.
# TYPE x_age_seconds histogram
# UNIT x_age_seconds seconds
x_age_seconds_sum{camera=\"door\",stage=\"decode\"} 0.0
x_age_seconds_count{camera=\"door\",stage=\"decode\"} 1
x_age_seconds_bucket{le=\"+Inf\",camera=\"door\",stage=\"decode\"} 1
# EOF
";

    #[test]
    fn labels_that_all_series_have_are_left_out() {
        let rows = "\
| `x_frames_total` | counter | `rendition` | Frames that were published |
| `x_fresh` | gauge |  | 1 while it delivers |
| `x_age_seconds` | histogram | `stage` | Age |
";
        assert!(table(TEXT).unwrap().ends_with(rows), "{TEXT}");
        let one_without = TEXT.replace("x_fresh{camera=\"door\"}", "x_fresh");
        let row = "| `x_frames_total` | counter | `camera`, `rendition` |";
        assert!(table(&one_without).unwrap().contains(row));
    }
}
