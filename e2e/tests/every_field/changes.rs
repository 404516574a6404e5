//! Each sample there and back: the change is taken over as declared, and without it all is as it was.

use anyhow::{Context as _, Result, bail, ensure};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use streamhub_e2e::Api;

use crate::samples::{Group, Sample, Taken};
use crate::subject::{Pod, Subject};

/// So many cameras at a time: each has pods that start.
const AT_ONCE: usize = 8;

/// All groups; an error names every field that is not taken over as it should be.
pub async fn check(api: &Api, namespace: &str, groups: &[Group]) -> Result<()> {
    let results: Vec<Result<()>> = stream::iter(groups.iter().enumerate())
        .map(|(number, group)| check_group(api, namespace, number, group))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failed: Vec<String> = results
        .into_iter()
        .filter_map(Result::err)
        .map(|error| format!("{error:#}"))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

async fn check_group(api: &Api, namespace: &str, number: usize, group: &Group) -> Result<()> {
    let subject = Subject {
        api,
        namespace,
        name: format!("cam{number}"),
        kind: group.kind,
    };
    subject.create(&group.base).await?;
    let stored = subject.stored().await?;
    for sample in &group.samples {
        there_and_back(&subject, &group.base, &stored, sample)
            .await
            .with_context(|| format!("{} {}", group.kind.name(), sample.field))?;
    }
    subject.remove().await
}

async fn there_and_back(
    subject: &Subject<'_>,
    base: &Value,
    stored: &Value,
    sample: &Sample,
) -> Result<()> {
    if sample.taken == Taken::NoDevice {
        return without_device(subject, base, stored, sample).await;
    }
    let before = subject.settled().await?;
    let changed = subject.set(&sample.of(base)).await?;
    if sample.taken == Taken::Refused {
        let named = format!("spec.{}", sample.field);
        ensure!(
            changed.code == 422 && changed.body["details"]["causes"][0]["field"] == named.as_str(),
            "not refused: {}",
            changed.body
        );
        return Ok(());
    }
    changed.object()?;
    match sample.taken {
        Taken::InPlace => in_place(&before, &subject.settled().await?)?,
        Taken::NewPod => new_pod(&before, &subject.settled().await?)?,
        Taken::NewPodThatWaits => new_pod(&before, &subject.carried().await?)?,
        Taken::NoPod => {
            subject.without_pod().await?;
            subject.with_reason("Disabled").await?;
        }
        Taken::NoDevice | Taken::Refused => {}
    }
    subject.set(base).await?.object()?;
    ensure!(
        &subject.stored().await? == stored,
        "without it the API server keeps something else: {}",
        subject.stored().await?
    );
    let after = subject.settled().await.context("without it")?;
    ensure!(
        (&after.config_hash, &after.shape_hash) == (&before.config_hash, &before.shape_hash),
        "without it the pod is not what it was"
    );
    if sample.taken == Taken::InPlace {
        ensure!(after.uid == before.uid, "another pod, without it");
    }
    Ok(())
}

async fn without_device(
    subject: &Subject<'_>,
    base: &Value,
    stored: &Value,
    sample: &Sample,
) -> Result<()> {
    subject.with_reason("DeviceMissing").await?;
    subject.set(&sample.of(base)).await?.object()?;
    subject.with_reason("DeviceMissing").await?;
    subject.set(base).await?.object()?;
    subject.with_reason("DeviceMissing").await?;
    ensure!(&subject.stored().await? == stored, "it leaves something");
    subject.without_pod().await
}

fn in_place(before: &Pod, after: &Pod) -> Result<()> {
    ensure!(before.uid == after.uid, "another pod");
    ensure!(
        before.config_hash != after.config_hash,
        "the configuration is the same"
    );
    ensure!(
        before.shape_hash == after.shape_hash,
        "the pod's hash changed"
    );
    let process = |pod: &Pod| pod.report.as_ref().map(|report| report["instance"].clone());
    ensure!(process(before) == process(after), "another process");
    Ok(())
}

fn new_pod(before: &Pod, after: &Pod) -> Result<()> {
    if before.uid == after.uid {
        bail!("the same pod");
    }
    ensure!(before.shape_hash != after.shape_hash, "the same hash");
    Ok(())
}
