//! `streamhub tail`: one line per frame.

use std::io::Write as _;
use std::time::Duration;

use streamhub_wire::subjects::Token;
use streamhub_wire::subscribe::{Frame, Mode, Way};

use super::ClientError;
use super::connect::Session;
use crate::args::{Format, TailArgs, TailMode};

/// Frames that waited longer than this are not printed: a tail shows now.
const MAX_AGE: Duration = Duration::from_secs(5);

/// Prints frames until the count is reached, the time is over, or nobody reads.
pub async fn run(args: TailArgs) -> Result<(), ClientError> {
    let (camera, rendition) = (Token::new(&args.camera)?, Token::new(&args.rendition)?);
    let session = Session::open(&args.connect, Some(&camera)).await?;
    session
        .permitted(print(&session, &args, &camera, &rendition))
        .await
}

async fn print(
    session: &Session,
    args: &TailArgs,
    camera: &Token,
    rendition: &Token,
) -> Result<(), ClientError> {
    let mode = match args.mode {
        TailMode::Auto => Mode::Auto,
        TailMode::Push => Mode::Push,
        TailMode::Pull => Mode::Pull,
    };
    let mut frames = session
        .consumer
        .follow(camera, rendition, MAX_AGE, mode)
        .await?;
    let mut way = frames.way();
    let mut left = args.count;
    while left != Some(0) {
        let next = frames.next();
        let frame = match args.timeout {
            Some(limit) => tokio::time::timeout(limit, next).await.map_err(|_| {
                let seconds = limit.as_secs_f64();
                ClientError::NotFound(format!(
                    "no frame of {camera}/{rendition} in {seconds} s (at {})",
                    session.url
                ))
            })?,
            None => next.await,
        };
        let frame = frame
            .ok_or(ClientError::Closed)?
            .map_err(|error| ClientError::Malformed(error.to_string()))?;
        let line = match args.output {
            Format::Json => frame.header.clone(),
            Format::Human => line(&frame, streamhub_wire::hub_time_us()),
        };
        // Whoever read has seen enough.
        if writeln!(std::io::stdout(), "{line}").is_err() {
            return Ok(());
        }
        left = left.map(|left| left - 1);
        if frames.way() != way {
            way = frames.way();
            eprintln!(
                "{}",
                match way {
                    Way::Push => "the connection takes all frames again: they are pushed",
                    Way::Pull => "frames arrive late: they are asked for one by one",
                }
            );
        }
    }
    if frames.skipped() > 0 {
        eprintln!(
            "{} frames came faster than they were printed and were skipped",
            frames.skipped()
        );
    }
    Ok(())
}

/// A frame for people.
pub fn line(frame: &Frame, now_us: i64) -> String {
    let meta = &frame.metadata;
    let time = jiff::Timestamp::from_microsecond(meta.timestamp)
        .map(|time| time.to_string())
        .unwrap_or_default();
    let age = (now_us - meta.timestamp) as f64 / 1e3;
    let size = frame.jpeg.len() as f64 / 1e3;
    let mut line = format!(
        "{time:<27} #{} {}x{} {size:.1} kB {age:.0} ms old",
        meta.frame_id, meta.width, meta.height
    );
    let marks = [(meta.repeated, " repeated"), (meta.reduced, " reduced")];
    line.extend(
        marks
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, mark)| mark),
    );
    for (module, events) in &meta.events.to_map() {
        for event in events
            .as_object()
            .into_iter()
            .flat_map(|events| events.keys())
        {
            line.extend([" ", module, ".", event]);
        }
    }
    line
}
