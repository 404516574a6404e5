//! Whatever a Camera and its hub were before, the pod is the one that fresh ones would have.

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use streamhub_e2e::Api;

use crate::samples::{Kind, calm};
use crate::subject::Subject;

/// Specifications of one object, one after the other.
struct Way {
    kind: Kind,
    stations: [Value; 3],
}

fn ways() -> Vec<Way> {
    let rtsp =
        json!({"rtsp": {"url": "rtsp://192.0.2.1/way", "credentialsSecretRef": {"name": "login"}}});
    let film = json!({"file": {"uri": "a.mp4"}});
    vec![
        Way {
            kind: Kind::Camera,
            stations: [
                json!({"source": calm(), "frames": [{"name": "main", "meta": true}]}),
                json!({"source": rtsp, "pod": {"nodeSelector": {"kubernetes.io/arch": "amd64"}}}),
                json!({"source": film, "frames": [{"name": "low", "fps": 5, "width": 160}]}),
            ],
        },
        Way {
            kind: Kind::Camera,
            stations: [
                json!({"source": rtsp, "enabled": false}),
                json!({"source": calm(), "hubRef": {"name": "other"}, "enabled": true}),
                json!({"source": calm()}),
            ],
        },
        Way {
            kind: Kind::Camera,
            stations: [
                json!({"source": {"file": {"uri": "a.mp4", "claimName": "films"}}}),
                json!({"source": film, "pod": {"resources": {"limits": {"memory": "300Mi"}}}}),
                json!({"source": {"test": calm()["test"], "fallbacks": [film]}, "frames": [{"name": "a"}, {"name": "b"}]}),
            ],
        },
        Way {
            kind: Kind::StreamHub,
            stations: [
                json!({"feedback": {"ui": {"events": ["click"], "ttl": "1s"}}}),
                json!({"nats": {"url": "nats://streamhub-nats.streamhub-system:4222", "credentialsSecretRef": {"name": "login"}}}),
                json!({"defaults": {"frames": [{"name": "main", "quality": 60}]}}),
            ],
        },
    ]
}

/// Every way, once at rest at each station and once in haste.
pub async fn check(api: &Api, namespace: &str) -> Result<()> {
    let ways = ways();
    let all = ways.iter().enumerate().flat_map(|(number, way)| {
        [true, false].map(|rests| {
            let pace = if rests { "slow" } else { "fast" };
            let subject = Subject {
                api,
                namespace,
                name: format!("way{number}-{pace}"),
                kind: way.kind,
            };
            walk(subject, &way.stations, rests)
        })
    });
    try_join_all(all).await.map(drop)
}

async fn walk(subject: Subject<'_>, stations: &[Value; 3], rests: bool) -> Result<()> {
    let [first, middle, last] = stations;
    subject.create(first).await?;
    if rests {
        subject.rests().await?;
    }
    subject.set(middle).await?.object()?;
    if rests {
        subject.rests().await?;
    }
    subject.set(last).await?.object()?;
    let reached = subject.end().await?;
    subject.remove().await?;

    subject.create(last).await?;
    let fresh = subject.end().await?;
    ensure!(
        reached == fresh,
        "{}: not what a fresh one is\nreached: {reached:#?}\nfresh: {fresh:#?}",
        subject.name
    );
    subject.remove().await
}

impl Subject<'_> {
    /// Waits until there is no more to do about it, as far as can be seen from outside.
    async fn rests(&self) -> Result<()> {
        let stored = self.stored().await?;
        if stored["enabled"] == json!(false) {
            return self.with_reason("Disabled").await;
        }
        self.carried().await.map(drop).context("on its way")
    }

    /// What is stored of it in the end: pod, specification and status.
    async fn end(&self) -> Result<[Value; 3]> {
        self.settled().await?;
        let said = self.said().await?;
        Ok([self.shape().await?, self.stored().await?, said])
    }
}
