//! Every field of the API on a real cluster: samples of it, mistakes in it, ways to it.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "tests")]

mod changes;
mod mistakes;
mod samples;
mod schema;
mod subject;
mod ways;

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use samples::Kind;
use streamhub_e2e::{Api, Cluster, Installation, Namespace};

#[tokio::test]
async fn every_field_is_taken_over_as_declared_and_leaves_nothing() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let groups = samples::groups();
    for kind in [Kind::Camera, Kind::StreamHub] {
        let sampled: BTreeSet<String> = groups
            .iter()
            .filter(|group| group.kind == kind)
            .flat_map(|group| group.samples.iter())
            .map(|sample| sample.field.clone())
            .collect();
        let there = schema::fields(&cluster, kind)?;
        let without: Vec<_> = there.difference(&sampled).collect();
        let unknown: Vec<_> = sampled.difference(&there).collect();
        ensure!(
            without.is_empty() && unknown.is_empty(),
            "{}: fields without a sample: {without:?}; samples without a field: {unknown:?}",
            kind.name()
        );
    }
    let namespace = Namespace::create(&cluster, "fields")?;
    cluster.apply(namespace.name(), samples::CLASSES)?;
    cluster.apply(namespace.name(), samples::HUB)?;
    let api = Api::open(&cluster)?;
    let checked = changes::check(&api, namespace.name(), &groups).await;
    let classes = [
        "delete",
        "priorityclass/e2e-fields",
        "runtimeclass/e2e-fields",
    ];
    cluster.kubectl(&classes)?;
    checked
}

#[tokio::test]
async fn the_way_to_a_specification_does_not_matter() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, "ways")?;
    cluster.apply(namespace.name(), samples::HUB)?;
    ways::check(&Api::open(&cluster)?, namespace.name()).await
}

#[tokio::test]
async fn the_api_server_refuses_what_validate_refuses() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, "mistakes")?;
    mistakes::check(&cluster, &Api::open(&cluster)?, namespace.name()).await
}
