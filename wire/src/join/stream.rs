//! The joiner behind subscriptions.

use std::time::Instant;

use futures::FutureExt as _;
use futures::future::select_all;

use super::{JoinCounts, JoinOptions, Joiner, Moment, Set};
use crate::subscribe::{Frame, FrameError, FrameStream};

/// Joined frames of several subscriptions, only ever the newest set: what is complete while the caller is busy
/// replaces what it has not taken.
pub struct JoinedFrames {
    streams: Vec<FrameStream>,
    joiner: Joiner<Frame>,
    skipped: u64,
}

impl JoinedFrames {
    /// Joins what these subscriptions bring, one camera each, in this order.
    pub fn new(streams: Vec<FrameStream>, options: JoinOptions) -> Self {
        Self {
            joiner: Joiner::new(streams.len(), options),
            streams,
            skipped: 0,
        }
    }

    /// The newest set; waits for one. `None` when the client is closed. A message that is no frame is handed on as an error.
    pub async fn next(&mut self) -> Option<Result<Set<Frame>, FrameError>> {
        loop {
            // What has arrived already first: of several sets only the newest counts.
            while let Some(arrived) = self.arrived().now_or_never() {
                if let Err(end) = self.take(arrived) {
                    return end;
                }
            }
            let mut newest = None;
            while let Some(set) = self.joiner.next(Instant::now()) {
                self.skipped += u64::from(newest.replace(set).is_some());
            }
            if let Some(set) = newest {
                return Some(Ok(set));
            }
            let arrived = match self.joiner.deadline() {
                Some(deadline) => tokio::time::timeout_at(deadline.into(), self.arrived()).await,
                None => Ok(self.arrived().await),
            };
            if let Ok(arrived) = arrived
                && let Err(end) = self.take(arrived)
            {
                return end;
            }
        }
    }

    /// What came of the frames so far.
    pub fn counts(&self) -> JoinCounts {
        self.joiner.counts()
    }

    /// Sets that were replaced by newer ones before they were taken.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    async fn arrived(&mut self) -> (usize, Option<Result<Frame, FrameError>>) {
        if self.streams.is_empty() {
            return (0, None);
        }
        let waiting = self
            .streams
            .iter_mut()
            .map(|stream| Box::pin(stream.next()));
        let (frame, camera, _) = select_all(waiting).await;
        (camera, frame)
    }

    fn take(
        &mut self,
        (camera, frame): (usize, Option<Result<Frame, FrameError>>),
    ) -> Result<(), Option<Result<Set<Frame>, FrameError>>> {
        match frame {
            None => Err(None),
            Some(Err(error)) => Err(Some(Err(error))),
            Some(Ok(frame)) => {
                let moment = Moment::from(&frame.metadata);
                self.joiner.offer(camera, moment, frame, Instant::now());
                Ok(())
            }
        }
    }
}
