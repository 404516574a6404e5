//! What a person or a program sees of the cameras: the rows, and how they are drawn.

use serde::Serialize;

use crate::table::{self, plain};

/// One camera as it is now.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// `name`, or `namespace/name` outside the default namespace.
    pub camera: String,
    /// Its state: one word.
    pub state: String,
    /// Frames per second now, of the first rendition.
    pub fps: Option<f64>,
    /// Age of the last frame in milliseconds.
    pub age_ms: Option<u64>,
    /// Size of the picture, as `WIDTHxHEIGHT`.
    pub size: Option<String>,
    /// Bits per second, all renditions together.
    pub bitrate: Option<u64>,
    /// Frames dropped since the process started, all renditions together.
    pub drops: Option<u64>,
    /// What is wrong, and what to do about it.
    pub problem: Option<String>,
}

const HEADER: [&str; 8] = [
    "CAMERA",
    "STATE",
    "FPS",
    "AGE",
    "SIZE",
    "BITRATE",
    "DROPS",
    "LAST ERROR",
];

/// The table, each line at most `width` columns. `colour` marks the state.
pub fn table(rows: &[Row], width: usize, colour: bool) -> Vec<String> {
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.cells().to_vec()).collect();
    // Numbers stand on the right of their column.
    let numeric = |column| matches!(column, 2 | 3 | 5 | 6);
    let mut lines = table::lines(&HEADER, &cells, numeric, width);
    if colour {
        let states = rows.iter().map(|row| row.state.as_str());
        table::paint(&mut lines, states);
    }
    lines
}

/// Columns and rows to draw in. Some terminals report 0 of either, which means that they do not know.
pub fn room(reported: Option<(u16, u16)>) -> (usize, usize) {
    let (width, height) = reported.unwrap_or_default();
    let or = |size: u16, usual: usize| if size == 0 { usual } else { size.into() };
    (or(width, 100), or(height, 40))
}

/// As many lines as fit; the last one then says how many do not.
pub fn at_most(mut lines: Vec<String>, height: usize) -> Vec<String> {
    if lines.len() > height {
        let left_out = lines.len() - height.saturating_sub(1);
        lines.truncate(height.saturating_sub(1));
        lines.push(format!(
            "... and {left_out} more; `--output json` shows all"
        ));
    }
    lines
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let dash = || "-".to_owned();
        [
            plain(&self.camera),
            plain(&self.state),
            self.fps.map_or_else(dash, |fps| format!("{fps:.1}")),
            self.age_ms.map_or_else(dash, age),
            self.size.clone().unwrap_or_else(dash),
            self.bitrate.map_or_else(dash, bitrate),
            self.drops.map_or_else(dash, |drops| drops.to_string()),
            self.problem.as_deref().map(plain).unwrap_or_default(),
        ]
    }
}

/// A length of time, for people.
pub fn age(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1e3),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

fn bitrate(bits: u64) -> String {
    match bits {
        0..1_000_000 => format!("{:.0} kbit/s", bits as f64 / 1e3),
        _ => format!("{:.1} Mbit/s", bits as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    fn rows() -> Vec<Row> {
        let good = Row {
            camera: "door".into(),
            state: "Streaming".into(),
            fps: Some(14.96),
            age_ms: Some(31),
            size: Some("1280x720".into()),
            bitrate: Some(12_340_000),
            drops: Some(0),
            problem: None,
        };
        let bad = Row {
            camera: "yard/gate".into(),
            state: "Unauthorized".into(),
            problem: Some("10.0.0.7 refused the\u{1b}[2Jpassword".into()),
            ..Row::default()
        };
        vec![good, bad]
    }

    #[test]
    fn columns_line_up_and_unknown_values_are_dashes() {
        let expected = [
            "CAMERA     STATE          FPS    AGE  SIZE          BITRATE  DROPS  LAST ERROR",
            "door       Streaming     15.0  31 ms  1280x720  12.3 Mbit/s      0",
            "yard/gate  Unauthorized     -      -  -                   -      -  10.0.0.7 refused the [2Jpassword",
        ];
        assert_eq!(table(&rows(), 200, false), expected);
    }

    #[test]
    fn a_narrow_terminal_cuts_lines_instead_of_wrapping_them() {
        let lines = table(&rows(), 40, false);
        assert!(lines.iter().all(|line| line.width() <= 40), "{lines:?}");
        assert!(lines[2].ends_with('…'));
    }

    #[test]
    fn a_terminal_that_does_not_know_its_size_gets_the_usual_one() {
        assert_eq!(room(Some((80, 24))), (80, 24));
        assert_eq!(room(Some((80, 0))), (80, 40));
        assert_eq!(room(Some((0, 0))), room(None));
    }

    #[test]
    fn a_low_terminal_shows_how_many_lines_do_not_fit() {
        let lines: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        let shown = at_most(lines.clone(), 4);
        assert_eq!((shown.len(), shown[2].as_str()), (4, "2"));
        assert!(shown[3].contains("7 more"));
        assert_eq!(at_most(lines.clone(), 10), lines);
    }
}
