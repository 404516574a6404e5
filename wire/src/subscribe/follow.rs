//! Frames of one rendition by the way that keeps them fresh.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::way::{Arrived, Choice, Mode, Way};
use super::{Consumer, Frame, FrameError, FrameStream};
use crate::connect::ConnState;
use crate::next::NextRefusal;
use crate::publish::SubscribeError;
use crate::subjects::Token;

/// How long one request waits for a frame.
const ASK_FOR: Duration = Duration::from_secs(10);
/// Before a request that cannot be answered now is repeated.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Frames of one rendition, pushed or pulled, only ever newer ones. Made by [`Consumer::follow`].
pub struct Followed {
    consumer: Consumer,
    camera: Token,
    rendition: Token,
    max_age: Duration,
    choice: Choice,
    pushed: Option<FrameStream>,
    last: Option<u64>,
    skipped: u64,
}

impl Consumer {
    /// Reads the frames of one rendition: by push, and by pull while the link does not take all that is pushed. Frames
    /// that were published longer ago than `max_age` are passed over. To go over to pull the consumer connects anew,
    /// with all else that reads through it: give each rendition that is followed a consumer of its own.
    pub async fn follow(
        &self,
        camera: &Token,
        rendition: &Token,
        max_age: Duration,
        mode: Mode,
    ) -> Result<Followed, SubscribeError> {
        let mut followed = Followed {
            consumer: self.clone(),
            camera: camera.clone(),
            rendition: rendition.clone(),
            max_age,
            choice: Choice::new(mode),
            pushed: None,
            last: None,
            skipped: 0,
        };
        if followed.way() == Way::Push {
            followed.subscribe().await?;
        }
        Ok(followed)
    }
}

impl Followed {
    /// How frames are read now.
    pub fn way(&self) -> Way {
        self.choice.way()
    }

    /// Pushed frames that were replaced by newer ones before they were taken.
    pub fn skipped(&self) -> u64 {
        self.skipped + self.pushed.as_ref().map_or(0, FrameStream::skipped)
    }

    /// The newest frame that was not taken yet; waits for one. `None` when the client is closed.
    pub async fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        loop {
            let before = self.way();
            let result = match before {
                Way::Push => self.push().await?,
                Way::Pull => self.pull().await,
            };
            if let Some(Ok(frame)) = &result {
                self.choice.arrived(arrived(frame), Instant::now());
            }
            if self.way() != before && self.turn().await.is_err() {
                return None;
            }
            match result {
                None => {}
                Some(Ok(frame)) => {
                    let age = arrived(&frame).age_us;
                    let fresh = u128::try_from(age).is_ok_and(|us| us <= self.max_age.as_micros());
                    // A frame that was pushed may come once more by the first request.
                    let newer = self.last.is_none_or(|last| frame.metadata.frame_id > last);
                    if newer && (fresh || age < 0) {
                        self.last = Some(frame.metadata.frame_id);
                        return Some(Ok(frame));
                    }
                }
                error => return error,
            }
        }
    }

    /// A pushed frame; `Some(None)` when something else happened.
    async fn push(&mut self) -> Option<Option<Result<Frame, FrameError>>> {
        let mut state = self.consumer.state();
        let connected = matches!(*state.borrow_and_update(), ConnState::Connected { .. });
        let Some(pushed) = &mut self.pushed else {
            return None;
        };
        tokio::select! {
            frame = pushed.next() => frame.map(Some),
            changed = state.changed() => {
                changed.ok()?;
                if connected {
                    self.choice.disconnected(Instant::now());
                }
                Some(None)
            }
        }
    }

    async fn pull(&mut self) -> Option<Result<Frame, FrameError>> {
        let asking = self
            .consumer
            .next(&self.camera, &self.rendition, self.last, ASK_FOR);
        let result = tokio::select! {
            result = asking => result,
            // An answer on its way went with the connection that was.
            () = reconnected(self.consumer.state()) => return None,
        };
        match result {
            Err(FrameError::Refused(NextRefusal::Timeout)) => None,
            // It may come, or come back.
            Err(
                FrameError::NoResponders
                | FrameError::NoAnswer
                | FrameError::Refused(NextRefusal::Busy | NextRefusal::UnknownRendition),
            ) => {
                tokio::time::sleep(ASK_AGAIN).await;
                None
            }
            result => Some(result),
        }
    }

    /// Goes over to the way that was chosen.
    async fn turn(&mut self) -> Result<(), SubscribeError> {
        match self.way() {
            Way::Push => self.subscribe().await,
            Way::Pull => {
                self.skipped = self.skipped();
                self.pushed = None;
                // What still waits in the server stands before every answer. It goes with the connection, and so would
                // a request that is sent before the next one stands.
                let reconnected = reconnected(self.consumer.state());
                self.consumer
                    .client()
                    .force_reconnect()
                    .await
                    .map_err(|_| SubscribeError)?;
                let _ = tokio::time::timeout(ASK_FOR, reconnected).await;
                Ok(())
            }
        }
    }

    async fn subscribe(&mut self) -> Result<(), SubscribeError> {
        // Late ones are of interest too: they tell how slow the link is.
        let stream = self
            .consumer
            .frames(&self.camera, &self.rendition, Duration::MAX);
        self.pushed = Some(stream.await?);
        Ok(())
    }
}

/// Waits for a connection other than the one that stands when this is called.
fn reconnected(mut state: watch::Receiver<ConnState>) -> impl Future<Output = ()> {
    let number = |state: &ConnState| match state {
        ConnState::Connected { number } => Some(*number),
        _ => None,
    };
    let before = number(&state.borrow_and_update());
    async move {
        let another = |state: &ConnState| number(state).is_some() && number(state) != before;
        let _ = state.wait_for(another).await;
    }
}

fn arrived(frame: &Frame) -> Arrived {
    let interval = Duration::try_from_secs_f64(1.0 / frame.metadata.fps);
    Arrived {
        frame_id: frame.metadata.frame_id,
        age_us: frame.age_us(),
        interval: interval.unwrap_or(Duration::from_secs(1)),
    }
}
