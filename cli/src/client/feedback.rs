//! `streamhub feedback send`.

use std::time::Duration;

use serde_json::{Map, Value};
use streamhub_wire::subjects::Token;

use super::ClientError;
use super::connect::Session;
use crate::args::FeedbackArgs;

const LARGEST: usize = 8 * 1024;
/// A refusal follows the message at once; without one in this time it was taken.
const REFUSAL: Duration = Duration::from_millis(200);

/// Publishes one payload, or clears the event.
pub async fn send(args: FeedbackArgs) -> Result<(), ClientError> {
    let payload = parse(&args.payload)?;
    let (module, event) = (Token::new(&args.module)?, Token::new(&args.event)?);
    let camera = args.camera.as_ref().map(Token::new).transpose()?;
    let session = Session::open(&args.connect, camera.as_ref()).await?;
    session
        .permitted(async {
            session
                .consumer
                .send_feedback(&module, &event, camera.as_ref(), payload.as_ref())
                .await?;
            tokio::time::sleep(REFUSAL).await;
            Ok(())
        })
        .await
}

fn parse(text: &str) -> Result<Option<Map<String, Value>>, ClientError> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > LARGEST {
        return Err(ClientError::Payload(format!(
            "the payload has {} bytes; 8 KiB are allowed",
            text.len()
        )));
    }
    serde_json::from_str(text).map(Some).map_err(|error| {
        ClientError::Payload(format!("the payload must be a JSON object: {error}"))
    })
}
