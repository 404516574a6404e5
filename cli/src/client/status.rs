//! `streamhub status`: what the cameras of a hub say about themselves, once.

use std::collections::BTreeMap;
use std::io::Write as _;

use futures::StreamExt as _;
use streamhub_wire::status::CameraStatus;

use super::ClientError;
use super::connect::Session;
use crate::args::{Format, StatusArgs};
use crate::table;
use crate::up::{status, view};

/// Listens for a while, then prints the newest status of each camera.
pub async fn run(args: StatusArgs) -> Result<(), ClientError> {
    let session = Session::open(&args.connect, None).await?;
    let mut heard: BTreeMap<String, CameraStatus> = BTreeMap::new();
    let listening = async {
        let mut statuses = session.consumer.all_statuses().await?;
        while let Some(status) = statuses.next().await {
            heard.insert(status.camera.clone(), status);
        }
        Err(ClientError::Closed)
    };
    let heard_out = tokio::time::timeout(args.wait, session.permitted::<()>(listening)).await;
    if let Ok(Err(error)) = heard_out {
        return Err(error);
    }
    if heard.is_empty() {
        let prefix = session.consumer.prefix().as_str();
        return Err(ClientError::NotFound(format!(
            "no camera spoke on {prefix}.status.* at {}",
            session.url
        )));
    }
    let lines: Vec<String> = match args.output {
        Format::Json => heard
            .values()
            .map(|status| String::from_utf8_lossy(&status.to_json()).into_owned())
            .collect(),
        Format::Human => {
            let rows: Vec<view::Row> = heard
                .values()
                .map(|heard| status::of(heard.camera.clone(), None, heard))
                .collect();
            view::table(&rows, table::width(), table::is_colourful())
        }
    };
    let mut out = std::io::stdout();
    // Whoever read has seen enough.
    let _ = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
    Ok(())
}
