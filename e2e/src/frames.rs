//! A reader of frames, as any NATS client would be one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::ConnectOptions;
use futures::StreamExt as _;
use serde_json::Value;
use streamhub_wire::metadata::METADATA_HEADER;

use crate::{Cluster, Forward, SYSTEM};

/// A subscription to the frames of one camera, by way of the API server.
#[derive(Debug)]
pub struct Frames {
    subscriber: async_nats::Subscriber,
    _client: async_nats::Client,
    _forward: Forward,
}

/// One frame.
#[derive(Debug)]
pub struct Frame {
    /// The JPEG.
    pub picture: Vec<u8>,
    /// The metadata of its header.
    pub metadata: Value,
}

impl Frames {
    /// Subscribes at the server that the chart brought.
    pub async fn subscribe(cluster: &Cluster, subject: &str) -> Result<Self> {
        Self::subscribe_with(
            cluster,
            (SYSTEM, "streamhub-nats"),
            subject,
            ConnectOptions::new(),
        )
        .await
    }

    /// The same as a user of that server.
    pub async fn subscribe_as(
        cluster: &Cluster,
        subject: &str,
        user: &str,
        password: &str,
    ) -> Result<Self> {
        let login = ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned());
        Self::subscribe_with(cluster, (SYSTEM, "streamhub-nats"), subject, login).await
    }

    /// Subscribes with these options at the server behind a Service, which is told by its namespace and its name.
    pub async fn subscribe_with(
        cluster: &Cluster,
        (namespace, service): (&str, &str),
        subject: &str,
        options: ConnectOptions,
    ) -> Result<Self> {
        let forward = cluster.forward(namespace, &format!("service/{service}"), 4222)?;
        let address = format!("nats://127.0.0.1:{}", forward.port());
        let client = options.connect(address).await?;
        let subscriber = client.subscribe(subject.to_owned()).await?;
        client.flush().await?;
        Ok(Self {
            subscriber,
            _client: client,
            _forward: forward,
        })
    }

    /// The next frame; an error when none comes within `limit`.
    pub async fn next(&mut self, limit: Duration) -> Result<Frame> {
        let message = tokio::time::timeout(limit, self.subscriber.next())
            .await
            .with_context(|| format!("no frame within {limit:?}"))?
            .context("the server closed the subscription")?;
        let header = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(METADATA_HEADER))
            .context("a frame without metadata")?;
        let metadata = serde_json::from_str(header.as_str())?;
        ensure!(
            message.payload.starts_with(&[0xff, 0xd8]),
            "a frame that is no JPEG"
        );
        Ok(Frame {
            picture: message.payload.to_vec(),
            metadata,
        })
    }
}
