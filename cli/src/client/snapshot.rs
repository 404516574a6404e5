//! `streamhub snapshot`: the newest frame as a file, by a request that is answered once.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use streamhub_wire::next::NextRefusal;
use streamhub_wire::subjects::Token;
use streamhub_wire::subscribe::{Frame, FrameError};

use super::ClientError;
use super::connect::Session;
use super::tail;
use crate::args::SnapshotArgs;
use crate::place;

/// A camera that was started a moment ago may not answer yet; one that does not exist never will.
const UNTIL_GIVEN_UP: Duration = Duration::from_secs(2);

/// Fetches and writes.
pub async fn run(args: SnapshotArgs) -> Result<(), ClientError> {
    let (camera, rendition) = (Token::new(&args.camera)?, Token::new(&args.rendition)?);
    let session = Session::open(&args.connect, Some(&camera)).await?;
    let fetching = tokio::time::timeout(
        args.timeout,
        fetch(&session, &camera, &rendition, args.timeout),
    );
    let frame = session
        .permitted(async {
            fetching
                .await
                .unwrap_or_else(|_| Err(late(&args, &session)))
        })
        .await?;
    let failed = |source| ClientError::File {
        path: args.file.display().to_string(),
        source,
    };
    if args.file == Path::new("-") {
        return std::io::stdout().write_all(&frame.jpeg).map_err(failed);
    }
    std::fs::write(&args.file, &frame.jpeg).map_err(failed)?;
    eprintln!(
        "{}: {}",
        args.file.display(),
        tail::line(&frame, streamhub_wire::hub_time_us())
    );
    Ok(())
}

async fn fetch(
    session: &Session,
    camera: &Token,
    rendition: &Token,
    timeout: Duration,
) -> Result<Frame, ClientError> {
    let began = Instant::now();
    loop {
        let wait = timeout.saturating_sub(began.elapsed());
        let refused = match session.consumer.next(camera, rendition, None, wait).await {
            Ok(frame) => return Ok(frame),
            Err(error) => error,
        };
        let patient = began.elapsed() < UNTIL_GIVEN_UP;
        match refused {
            FrameError::NoResponders | FrameError::Refused(NextRefusal::UnknownRendition)
                if patient => {}
            FrameError::Refused(NextRefusal::Busy | NextRefusal::Timeout) => {}
            FrameError::Malformed(what) => return Err(ClientError::Malformed(what)),
            error => {
                let prefix = session.consumer.prefix().as_str();
                return Err(ClientError::NotFound(format!(
                    "{prefix} {camera}/{rendition} at {}: {error}",
                    session.url
                )));
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn late(args: &SnapshotArgs, session: &Session) -> ClientError {
    let seconds = args.timeout.as_secs_f64();
    ClientError::NotFound(format!(
        "no fresh frame of {}/{} in {seconds} s (at {}); `{} doctor {}` says why",
        args.camera,
        args.rendition,
        session.url,
        place::invoked_as(),
        args.camera
    ))
}
