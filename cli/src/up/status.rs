//! Asks each camera's process once a second how it does.

use std::time::Instant;

use streamhub_plan::{CameraKey, Reason};
use streamhub_wire::status::{CameraState, CameraStatus};
use tokio::sync::mpsc;

use super::http;
use super::view::Row;

/// An answer, or why there is none.
pub struct Answer {
    /// Whose.
    pub camera: CameraKey,
    /// The port that was asked: a process that has been replaced since answers for nobody.
    pub port: u16,
    /// What it said.
    pub status: Result<Box<CameraStatus>, String>,
}

/// Asks in the background; the answer arrives on the channel within a second.
pub fn ask(camera: CameraKey, port: u16, answers: mpsc::UnboundedSender<Answer>) {
    tokio::spawn(async move {
        let status = match http::get(port, "/status").await {
            Ok(body) => CameraStatus::parse(&body)
                .map(Box::new)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let _ = answers.send(Answer {
            camera,
            port,
            status,
        });
    });
}

/// What is known of a running camera.
#[derive(Default)]
pub struct Known {
    /// Its last answer and when it came.
    pub heard: Option<(CameraStatus, Instant)>,
    /// Why it is not running at this moment, while it is not.
    pub down: Option<String>,
    /// What is wrong with its documents, though it runs.
    pub note: Option<String>,
}

/// An answer older than this says nothing about now.
const STALE: std::time::Duration = std::time::Duration::from_secs(4);

/// The row of a camera that should run; `first` names its first rendition.
pub fn row(label: String, first: Option<&str>, known: &Known) -> Row {
    let mut row = Row {
        camera: label,
        state: "Starting".into(),
        ..Row::default()
    };
    if let Some(why) = &known.down {
        row.state = "Restarting".into();
        row.problem = Some(why.clone());
    } else if let Some((status, when)) = &known.heard {
        row = of(row.camera, first, status);
        if when.elapsed() > STALE {
            row.state = "NotAnswering".into();
            row.age_ms = row
                .age_ms
                .map(|age| age + when.elapsed().as_millis() as u64);
        }
    }
    let parts: Vec<&str> = row
        .problem
        .as_deref()
        .into_iter()
        .chain(known.note.as_deref())
        .collect();
    row.problem = (!parts.is_empty()).then(|| parts.join("; "));
    row
}

/// The row of a camera that should not run.
pub fn refused(label: String, reason: &Reason) -> Row {
    let problem = (*reason != Reason::Disabled).then(|| reason.to_string());
    Row {
        camera: label,
        state: reason.word().to_owned(),
        problem,
        ..Row::default()
    }
}

/// The row of a document that can't be used.
pub fn broken(label: String, problem: String) -> Row {
    Row {
        camera: label,
        state: "Invalid".into(),
        problem: Some(problem),
        ..Row::default()
    }
}

/// The row of a status; rate, age and size are those of the rendition `first`, or of the first by name.
pub fn of(label: String, first: Option<&str>, status: &CameraStatus) -> Row {
    let mut row = Row {
        camera: label,
        state: status.state.to_string(),
        ..Row::default()
    };
    row.bitrate = Some(
        status
            .renditions
            .values()
            .map(|rendition| rendition.bitrate)
            .sum(),
    );
    row.drops = Some(
        status
            .renditions
            .values()
            .flat_map(|rendition| rendition.drops.values())
            .sum(),
    );
    let rendition = match first {
        Some(name) => status.renditions.get(name),
        None => status.renditions.values().next(),
    };
    if let Some(rendition) = rendition {
        row.fps = Some(rendition.fps);
        row.age_ms = rendition.last_frame_age_ms;
        row.size =
            (rendition.width > 0).then(|| format!("{}x{}", rendition.width, rendition.height));
    }
    let said = [&status.message, &status.remedy]
        .into_iter()
        .filter(|text| !text.is_empty());
    let mut said: Vec<&str> = said.map(String::as_str).collect();
    if !status.config.refused.is_empty() {
        said.push(&status.config.refused);
    }
    if said.is_empty() && status.state != CameraState::Starting && !status.nats.reason.is_empty() {
        said.push(&status.nats.reason);
    }
    row.problem = (!said.is_empty()).then(|| said.join("; "));
    row
}

/// The highest frame id that a status tells of.
pub fn last_frame_id(status: &CameraStatus) -> u64 {
    status
        .renditions
        .values()
        .filter_map(|rendition| rendition.last_frame_id)
        .max()
        .unwrap_or(0)
}
