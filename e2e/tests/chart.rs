//! The chart against a real API server: what it lets whom do, and that the samples are taken as they are.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use streamhub_e2e::{Cluster, Installation, Namespace, WITH_DEVICES};
use streamhub_testkit::{eventually, repository};

const OPERATOR: &str = "--as=system:serviceaccount:streamhub-system:streamhub-operator";
const NODE_AGENT: &str = "--as=system:serviceaccount:streamhub-system:streamhub-node-agent";

/// Whether the operator may do what two words say, such as `patch cameras/status`.
fn may(cluster: &Cluster, what: &str, namespace: &str) -> Result<bool> {
    whether(cluster, OPERATOR, what, namespace)
}

fn whether(cluster: &Cluster, who: &str, what: &str, namespace: &str) -> Result<bool> {
    let (verb, resource) = what.split_once(' ').context("a verb and a resource")?;
    // For kubectl, what follows a slash is an object's name.
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let subresource = format!("--subresource={subresource}");
    let question = [
        "auth",
        "can-i",
        verb,
        resource,
        &subresource,
        "-n",
        namespace,
        who,
    ];
    // "no" is also an exit code.
    Ok(cluster.kubectl(&question).is_ok())
}

#[test]
fn the_operator_may_do_what_it_must_and_nothing_else() -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &["nodeAgent.enabled=true"])?;
    let inside = Namespace::create(&cluster, "inside")?;
    let outside = Namespace::create(&cluster, "outside")?;
    let (inside, outside) = (inside.name(), outside.name());
    let needed = [
        "create pods",
        "patch cameras/status",
        "watch nodes",
        "watch videodevices",
    ];
    for needed in needed {
        ensure!(may(&cluster, needed, outside)?, "may not {needed}");
    }
    let refused = [
        "get secrets",
        "get configmaps",
        "update pods",
        "patch cameras",
        "create pods/exec",
        "delete nodes",
        "patch videodevices",
    ];
    for refused in refused {
        ensure!(!may(&cluster, refused, outside)?, "may {refused}");
    }

    let chosen = format!("namespaces={{{inside}}}");
    installation.upgrade(&[&chosen, "operator.watchNodes=false"])?;
    ensure!(
        may(&cluster, "create pods", inside)?,
        "may not work in a chosen namespace"
    );
    for refused in ["create pods", "list cameras", "watch nodes"] {
        ensure!(
            !may(&cluster, refused, outside)?,
            "may {refused} where it was not chosen"
        );
    }
    Ok(())
}

#[test]
fn devices_are_given_to_pods_of_cameras_only_and_described_by_their_own_node() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[WITH_DEVICES])?;
    let namespace = Namespace::create(&cluster, "curious")?;
    let pod = |resource: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: peeps}}, spec: {{automountServiceAccountToken: false, \
             securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}, \
             containers: [{{name: a, image: none, resources: {{limits: {{{resource}: 1}}}}, \
             securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}}}]}}}}"
        )
    };
    for resource in [
        "streamhub.dev/cam-0123456789",
        "streamhub.dev/dri",
        "streamhub.dev/m2m",
    ] {
        let refused = cluster.create(namespace.name(), &pod(resource));
        let words = refused.err().context("a pod got a device")?.to_string();
        ensure!(words.contains("for pods of Cameras only"), "{words}");
    }
    cluster.create(namespace.name(), &pod("cpu"))?;

    for needed in [
        "create videodevices",
        "patch videodevices/status",
        "get nodes",
    ] {
        let may = whether(&cluster, NODE_AGENT, needed, namespace.name())?;
        ensure!(may, "a node agent may not {needed}");
    }
    for refused in [
        "list pods",
        "get secrets",
        "list nodes",
        "patch nodes",
        "list cameras",
        "create pods",
    ] {
        let may = whether(&cluster, NODE_AGENT, refused, namespace.name())?;
        ensure!(!may, "a node agent may {refused}");
    }
    // A token that is of no pod is of no node.
    let device =
        "{apiVersion: streamhub.dev/v1alpha1, kind: VideoDevice, metadata: {name: n1-0123456789}}";
    let path = std::env::temp_dir().join(format!("device-{}.yaml", std::process::id()));
    fs::write(&path, device)?;
    let refused = cluster.kubectl(&["create", "-f", &path.to_string_lossy(), NODE_AGENT]);
    fs::remove_file(&path)?;
    let words = refused.err().context("somebody made a device")?.to_string();
    ensure!(words.contains("of an unknown node"), "{words}");
    Ok(())
}

#[test]
fn whoever_may_edit_a_namespace_may_write_its_cameras() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = Installation::install(&cluster, &[])?;
    let namespace = Namespace::create(&cluster, "staff")?;
    for (user, role) in [("editor", "edit"), ("viewer", "view")] {
        let (user, role) = (format!("--user={user}"), format!("--clusterrole={role}"));
        let bind = ["create", "rolebinding", &role[14..], &user, &role];
        cluster.kubectl(&[&bind[..], &["-n", namespace.name()]].concat())?;
    }
    let can = |user: &str, verb: &str| {
        let user = format!("--as={user}");
        let question = ["auth", "can-i", verb, "cameras", &user];
        cluster
            .kubectl(&[&question[..], &["-n", namespace.name()]].concat())
            .is_ok()
    };
    // The control plane puts the roles together in its own time.
    eventually(
        Duration::from_secs(30),
        "the roles to be aggregated",
        || (can("editor", "create") && can("viewer", "watch")).then_some(()),
    )?;
    ensure!(!can("viewer", "create"), "who may view may create");
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
    let server = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "-f",
    ];
    cluster.kubectl(&[&server[..], &[&plain.to_string_lossy()]].concat())?;
    Ok(())
}
