//! Asks each camera's process once a second how it does.

use std::time::{Duration, Instant};

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
    /// Whether it says that it is alive: `/healthz`.
    pub alive: bool,
    /// What it says of itself, where it does: `/status`.
    pub status: Option<Box<CameraStatus>>,
}

/// Asks in the background; the answer arrives on the channel within two seconds.
pub fn ask(camera: CameraKey, port: u16, answers: mpsc::UnboundedSender<Answer>) {
    tokio::spawn(async move {
        let alive = http::get(port, "/healthz")
            .await
            .is_ok_and(|(code, _)| code.is_success());
        let body = http::get(port, "/status").await.ok();
        let status = body
            .and_then(|(_, body)| CameraStatus::parse(&body).ok())
            .map(Box::new);
        let _ = answers.send(Answer {
            camera,
            port,
            alive,
            status,
        });
    });
}

/// Decides that a process is wedged: a minute without a sign of life. Long enough for a machine that is merely
/// overloaded, where killing would only add to the load.
#[derive(Debug, Default)]
pub struct Liveness {
    silent_since: Option<Instant>,
}

impl Liveness {
    /// Takes one answer, or the lack of it; `true` when the process should be killed.
    pub fn is_wedged(&mut self, alive: bool, now: Instant) -> bool {
        if alive {
            self.silent_since = None;
            return false;
        }
        now.duration_since(*self.silent_since.get_or_insert(now)) >= SILENCE
    }
}

const SILENCE: Duration = Duration::from_mins(1);

/// What is known of a running camera.
#[derive(Default)]
pub struct Known {
    /// Its last answer and when it came.
    pub heard: Option<(CameraStatus, Instant)>,
    /// Whether it still gives signs of life.
    pub liveness: Liveness,
    /// Why it is not running at this moment, while it is not.
    pub down: Option<String>,
    /// What is wrong with its documents, though it runs.
    pub note: Option<String>,
}

/// An answer older than this says nothing about now.
const STALE: Duration = Duration::from_secs(4);

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

/// The row of a status; rate, age and size are those of the rendition `first`, or of the largest.
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
        None => status
            .renditions
            .values()
            .max_by_key(|rendition| u64::from(rendition.width) * u64::from(rendition.height)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_minute_of_silence_is_a_wedged_process() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut liveness = Liveness::default();
        assert!(!liveness.is_wedged(false, at(0)) && !liveness.is_wedged(false, at(59)));
        assert!(!liveness.is_wedged(true, at(59)));
        assert!(!liveness.is_wedged(false, at(60)) && !liveness.is_wedged(false, at(119)));
        assert!(liveness.is_wedged(false, at(120)));
    }

    #[test]
    fn a_row_tells_what_is_wrong_and_what_to_do() {
        let mut status = CameraStatus {
            message: "no such file".into(),
            remedy: "check the path".into(),
            ..CameraStatus::default()
        };
        status.state = CameraState::Stalled;
        let known = Known {
            heard: Some((status, Instant::now())),
            note: Some("an old manifest".into()),
            ..Known::default()
        };
        let row = row("door".into(), None, &known);
        assert_eq!(
            (row.state.as_str(), row.problem.as_deref()),
            (
                "Stalled",
                Some("no such file; check the path; an old manifest")
            )
        );
    }
}
