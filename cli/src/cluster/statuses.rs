//! What camera pods say of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use streamhub_wire::status::CameraStatus;
use tokio::time::Instant;

use super::objects::Key;
use super::{Backend, Cluster, PodStream, names};
use crate::up::http;

const AT_ONCE: usize = 16;
/// For one pod.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a camera's pod answered, or why it did not.
pub type Asked = Result<CameraStatus, String>;

/// Asks the pods of these cameras, as many as there is time for.
pub async fn statuses(
    cluster: &Cluster,
    cameras: Vec<Key>,
    limit: Duration,
) -> BTreeMap<Key, Asked> {
    let end = Instant::now() + limit;
    let mut answers = futures::stream::iter(cameras)
        .map(|key| async {
            let asked = tokio::time::timeout(PATIENCE, ask(cluster, &key)).await;
            let said = asked.unwrap_or_else(|_| {
                Err(format!(
                    "no answer of its pod within {} s",
                    PATIENCE.as_secs()
                ))
            });
            (key, said)
        })
        .buffer_unordered(AT_ONCE);
    let mut heard = BTreeMap::new();
    while let Ok(Some((key, said))) = tokio::time::timeout_at(end, answers.next()).await {
        heard.insert(key, said);
    }
    heard
}

async fn ask(cluster: &Cluster, camera: &Key) -> Asked {
    let backend = Backend {
        namespace: camera.namespace.clone(),
        pod: names::pod(&camera.name),
        port: names::HTTP_PORT,
    };
    let stream = PodStream::open(cluster, &backend)
        .await
        .map_err(|error| error.to_string())?;
    let (code, body) = http::exchange(stream, "/status")
        .await
        .map_err(|error| error.to_string())?;
    if !code.is_success() {
        return Err(format!("its pod answers {code}"));
    }
    CameraStatus::parse(&body).map_err(|error| error.to_string())
}
