//! One camera in a line.

use serde::Serialize;
use streamhub_wire::status::CameraStatus;

use crate::table::{self, plain};
use crate::up::{status, view};

/// What is shown of a camera.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub camera: String,
    /// Its hub.
    pub hub: String,
    /// What it does: one word.
    pub state: String,
    /// Why, as one word; empty while all is well.
    pub reason: String,
    /// The node of its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Frames per second now, of the largest rendition.
    pub fps: Option<f64>,
    /// Age of its newest frame.
    pub age_ms: Option<u64>,
    /// Frames dropped since the process started, all renditions together.
    pub drops: Option<u64>,
    /// Why, for people, and what to do.
    pub message: String,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The cameras, by namespace and name.
    pub cameras: Vec<Row>,
    /// Whether they may be of several namespaces.
    pub namespaces: bool,
    /// Something about all of them.
    pub note: Option<String>,
}

impl Row {
    /// Takes over what the camera's process says now.
    pub fn hear(&mut self, said: &CameraStatus) {
        let now = status::of(String::new(), None, said);
        (self.fps, self.age_ms, self.drops) = (now.fps, now.age_ms, now.drops);
        self.state = now.state;
        // The operator may know of more: a hub that is gone, a document that is not taken over.
        if !said.reason.is_empty() {
            self.reason.clone_from(&said.reason);
            self.message = now.problem.unwrap_or_default();
        }
    }

    fn cells(&self, namespaces: bool) -> Vec<String> {
        let dash = || "-".to_owned();
        let some = |text: &str| if text.is_empty() { dash() } else { plain(text) };
        let mut cells = Vec::from_iter(namespaces.then(|| plain(&self.namespace)));
        cells.extend([
            plain(&self.camera),
            some(&self.state),
            some(&self.reason),
            self.node.as_deref().map_or_else(dash, some),
            self.fps.map_or_else(dash, |fps| format!("{fps:.1}")),
            self.age_ms.map_or_else(dash, view::age),
            self.drops.map_or_else(dash, |drops| drops.to_string()),
            plain(&self.message),
        ]);
        cells
    }
}

const HEADER: [&str; 9] = [
    "NAMESPACE",
    "CAMERA",
    "STATE",
    "REASON",
    "NODE",
    "FPS",
    "AGE",
    "DROPS",
    "MESSAGE",
];

/// The table, each line at most `width` columns.
pub fn table(rows: &Rows, width: usize) -> Vec<String> {
    let cells: Vec<Vec<String>> = rows
        .cameras
        .iter()
        .map(|row| row.cells(rows.namespaces))
        .collect();
    let left_out = usize::from(!rows.namespaces);
    let header = HEADER.get(left_out..).unwrap_or_default();
    let numeric = |column| matches!(column + left_out, 5..=7);
    table::lines(header, &cells, numeric, width)
}

#[cfg(test)]
mod tests {
    use streamhub_wire::status::{CameraState, RenditionStatus};

    use super::*;

    fn row() -> Row {
        Row {
            namespace: "site".into(),
            camera: "door".into(),
            state: "Pending".into(),
            reason: "HubNotFound".into(),
            message: "there is no hub".into(),
            ..Row::default()
        }
    }

    #[test]
    fn a_camera_without_a_pod_is_a_line_with_dashes() {
        let rows = Rows {
            cameras: vec![row()],
            namespaces: true,
            note: None,
        };
        let expected = [
            "NAMESPACE  CAMERA  STATE    REASON       NODE  FPS  AGE  DROPS  MESSAGE",
            "site       door    Pending  HubNotFound  -       -    -      -  there is no hub",
        ];
        assert_eq!(table(&rows, 200), expected);
    }

    #[test]
    fn what_a_process_says_goes_before_what_was_written_but_leaves_the_operators_reason() {
        let rendition = RenditionStatus {
            fps: 15.0,
            drops: [("slow".to_owned(), 2)].into(),
            last_frame_age_ms: Some(40),
            ..RenditionStatus::default()
        };
        let mut said = CameraStatus {
            state: CameraState::Streaming,
            renditions: [("main".to_owned(), rendition)].into(),
            ..CameraStatus::default()
        };
        let mut line = row();
        line.hear(&said);
        assert_eq!(
            (line.state.as_str(), line.reason.as_str()),
            ("Streaming", "HubNotFound")
        );
        assert_eq!(
            (line.fps, line.age_ms, line.drops),
            (Some(15.0), Some(40), Some(2))
        );
        said.reason = "Overloaded".into();
        said.message = "too much".into();
        line.hear(&said);
        assert_eq!(
            (line.reason.as_str(), line.message.as_str()),
            ("Overloaded", "too much")
        );
    }
}
