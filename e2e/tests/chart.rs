//! The chart against a real API server: what it lets whom do, and that the samples are taken as they are.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use streamhub_e2e::{Cluster, Installation, Namespace};
use streamhub_testkit::repository;

const OPERATOR: &str = "--as=system:serviceaccount:streamhub-system:streamhub-operator";

fn may(cluster: &Cluster, verb: &str, resource: &str, namespace: &str) -> bool {
    // "no" is also an exit code.
    cluster
        .kubectl(&["auth", "can-i", verb, resource, "-n", namespace, OPERATOR])
        .is_ok()
}

#[test]
fn the_operator_may_do_what_it_must_and_nothing_else() -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &[])?;
    let inside = Namespace::create(&cluster, "inside")?;
    let outside = Namespace::create(&cluster, "outside")?;
    let (inside, outside) = (inside.name(), outside.name());
    for (verb, resource) in [("create", "pods"), ("patch", "cameras/status"), ("watch", "nodes")] {
        ensure!(may(&cluster, verb, resource, outside), "may not {verb} {resource}");
    }
    let refused = ["get secrets", "get configmaps", "update pods", "patch cameras", "create pods/exec", "delete nodes"];
    for refused in refused {
        let (verb, resource) = refused.split_once(' ').context("two words")?;
        ensure!(!may(&cluster, verb, resource, outside), "may {refused}");
    }

    let chosen = format!("namespaces={{{inside}}}");
    installation.upgrade(&[&chosen, "operator.watchNodes=false"])?;
    ensure!(may(&cluster, "create", "pods", inside), "may not work in a chosen namespace");
    for (verb, resource) in [("create", "pods"), ("list", "cameras"), ("watch", "nodes")] {
        ensure!(!may(&cluster, verb, resource, outside), "may {verb} {resource} where it was not chosen");
    }
    Ok(())
}

#[test]
fn every_sample_and_the_plain_manifest_are_taken_by_the_api_server() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, "samples")?;
    let take = |path: &Path, namespace: &str| {
        let path = path.to_string_lossy();
        cluster.kubectl(&["apply", "--dry-run=server", "-n", namespace, "-f", &path])
    };
    let manifests = repository().join("manifests");
    for folder in ["samples", "demo", "cluster"] {
        for entry in fs::read_dir(manifests.join(folder))? {
            let path = entry?.path();
            let named = path.file_name().unwrap_or_default().to_string_lossy();
            // k3s brings the definition of its HelmChart along.
            if named.ends_with(".yaml") && !named.starts_with("k3s") {
                take(&path, namespace.name())?;
            }
        }
    }
    let _shop = Namespace::create(&cluster, "shop")?;
    let many = manifests.join("cluster/many-cameras");
    cluster.kubectl(&["apply", "--dry-run=server", "-k", &many.to_string_lossy()])?;

    let plain = manifests.join("install.yaml");
    let server = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f"];
    cluster.kubectl(&[&server[..], &[&plain.to_string_lossy()]].concat())?;
    Ok(())
}
