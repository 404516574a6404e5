//! The chart against a real API server: what it lets whom do, and that the samples are taken as they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use streamhub_e2e::{Camera, Cluster, Installation, Namespace, SYSTEM, WITH_DEVICES};
use streamhub_testkit::{Folder, eventually, repository};

const OPERATOR: &str = "--as=system:serviceaccount:streamhub-system:streamhub-operator";
const NODE_AGENT: &str = "--as=system:serviceaccount:streamhub-system:streamhub-node-agent";
/// A device's object, of a node that need not be there.
const DEVICE: &str = "n1-0123456789";
/// An account that nobody gave anything.
const NOBODY: &str = "--as=system:serviceaccount:streamhub-system:nobody";

/// What the operator may do in each namespace that it works in: resource, names in brackets, verbs in brackets.
const IN_A_NAMESPACE: [&str; 6] = [
    "cameras.streamhub.dev [] [list watch]",
    "cameras.streamhub.dev/status [] [patch]",
    "events.events.k8s.io [] [create patch]",
    "pods [] [get list watch create patch delete]",
    "streamhubs.streamhub.dev [] [list watch]",
    "streamhubs.streamhub.dev/status [] [patch]",
];
/// What it may do besides wherever it looks, as nodes and devices are in no namespace.
const IN_THE_CLUSTER: [&str; 2] = [
    "nodes [] [get list watch]",
    "videodevices.streamhub.dev [] [list watch]",
];
/// What it may do besides in its own namespace.
const AT_HOME: [&str; 2] = [
    "leases.coordination.k8s.io [] [create]",
    "leases.coordination.k8s.io [streamhub-operator] [get update]",
];
/// What a node agent may do.
const OF_A_NODE_AGENT: [&str; 3] = [
    "nodes [] [get]",
    "videodevices.streamhub.dev [] [list watch create patch delete]",
    "videodevices.streamhub.dev/status [] [patch]",
];

/// All that an account may do in a namespace, less what every account of the cluster may do.
fn rights(cluster: &Cluster, who: &str, namespace: &str) -> Result<BTreeSet<String>> {
    let all = |who: &str| -> Result<BTreeSet<String>> {
        let list = [
            "auth",
            "can-i",
            "--list",
            "--no-headers",
            who,
            "-n",
            namespace,
        ];
        let table = cluster.kubectl(&list)?;
        let words = table.lines().map(|line| line.split_whitespace());
        Ok(words
            .map(|words| words.collect::<Vec<_>>().join(" "))
            .collect())
    };
    let of_everyone = all(NOBODY)?;
    let more = all(who)?.into_iter();
    // Paths that are no resources have a column of their own, which is empty for resources.
    Ok(more
        .filter(|right| !of_everyone.contains(right))
        .map(|right| right.replacen("[] ", "", 1))
        .collect())
}

/// An account may do exactly this in a namespace.
fn may_exactly(cluster: &Cluster, who: &str, namespace: &str, expected: &[&[&str]]) -> Result<()> {
    let expected: BTreeSet<String> = expected.concat().into_iter().map(str::to_owned).collect();
    let found = rights(cluster, who, namespace)?;
    ensure!(
        found == expected,
        "{who} in {namespace}: may besides {:#?}, may not {:#?}",
        found.difference(&expected).collect::<Vec<_>>(),
        expected.difference(&found).collect::<Vec<_>>()
    );
    Ok(())
}

#[test]
fn the_operator_may_do_what_it_must_and_nothing_else() -> Result<()> {
    let cluster = Cluster::here()?;
    let installation = Installation::install(&cluster, &["nodeAgent.enabled=true"])?;
    let inside = Namespace::create(&cluster, "inside")?;
    let outside = Namespace::create(&cluster, "outside")?;
    let (inside, outside) = (inside.name(), outside.name());
    let everywhere = [&IN_A_NAMESPACE[..], &IN_THE_CLUSTER[..]];
    may_exactly(&cluster, OPERATOR, outside, &everywhere)?;
    let at_home = [&everywhere[..], &[&AT_HOME[..]]].concat();
    may_exactly(&cluster, OPERATOR, SYSTEM, &at_home)?;
    may_exactly(&cluster, NODE_AGENT, outside, &[&OF_A_NODE_AGENT])?;

    let chosen = format!("namespaces={{{inside}}}");
    installation.upgrade(&[&chosen, "operator.watchNodes=false"])?;
    may_exactly(&cluster, OPERATOR, inside, &[&IN_A_NAMESPACE])?;
    may_exactly(&cluster, OPERATOR, outside, &[])?;
    may_exactly(&cluster, OPERATOR, SYSTEM, &[&AT_HOME])?;

    let other = Camera::apply(&cluster, outside, "door", "source: {test: {}}")?;
    let door = Camera::apply(&cluster, inside, "door", "source: {test: {}}")?;
    door.is_ready_within(Duration::from_mins(2))?;
    let status = cluster.get(&["camera", other.name(), "-n", outside])?;
    ensure!(status.get("status").is_none(), "{status:#}");
    ensure!(other.pod().is_err(), "a pod where nothing was chosen");
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
    let shown = an_agent_writes_of_its_own_node_and_not_who_may_use_a_device(&cluster);
    let delete = ["delete", "videodevice", DEVICE, "--ignore-not-found"];
    cluster.kubectl(&delete)?;
    shown
}

fn an_agent_writes_of_its_own_node_and_not_who_may_use_a_device(cluster: &Cluster) -> Result<()> {
    let folder = Folder::new()?;
    // As the agent itself writes.
    let apply = |who: &str, what: &str, more: &[&str]| -> Result<String> {
        let object = format!(
            "{{apiVersion: streamhub.dev/v1alpha1, kind: VideoDevice, metadata: {{name: {DEVICE}}}{what}}}"
        );
        let path = folder.write("device.yaml", &object)?.display().to_string();
        let apply = ["apply", "--server-side", "-f", &path, who];
        cluster.kubectl(&[&apply[..], more].concat())
    };
    let refused = |written: Result<String>, why: &str| -> Result<()> {
        let words = written
            .err()
            .context(format!("taken, and not: {why}"))?
            .to_string();
        ensure!(words.contains(why), "{words}");
        Ok(())
    };
    let its_own = agent_of("n1", cluster, &folder)?;
    let another = agent_of("n2", cluster, &folder)?;
    let spec = ", spec: {allowedNamespaces: [shop]}";
    let status = (", status: {card: Cam}", ["--subresource=status"]);
    let of_another = "the node agent of n2 may not write the VideoDevice of another node";
    let of_administrators = "spec is for administrators to write";
    let delete = ["delete", "videodevice", DEVICE, "--wait=false"];

    // A token that is of no pod is of no node.
    refused(apply(NODE_AGENT, "", &[]), "of an unknown node")?;
    refused(apply(&another, "", &[]), of_another)?;
    refused(apply(&its_own, spec, &[]), of_administrators)?;
    apply(&its_own, "", &[])?;
    apply(&its_own, status.0, &status.1)?;
    refused(apply(&another, status.0, &status.1), of_another)?;
    refused(apply(&its_own, spec, &[]), of_administrators)?;
    let deleted = cluster.kubectl(&[&delete[..], &[&another]].concat());
    refused(deleted, of_another)?;
    cluster.kubectl(&[&delete[..], &[&its_own]].concat())?;
    Ok(())
}

/// The option that makes `kubectl` the agent of a node. The agent's token says which node that is, and for another account
/// only a kubeconfig can say so: `--as-user-extra` came with `kubectl` 1.35.
fn agent_of(node: &str, cluster: &Cluster, folder: &Folder) -> Result<String> {
    let view = [
        "config",
        "view",
        "--minify",
        "--flatten",
        "--raw",
        "--output",
        "json",
    ];
    let mut config: Value = serde_json::from_str(&cluster.kubectl(&view)?)?;
    let user = config
        .pointer_mut("/users/0/user")
        .and_then(Value::as_object_mut)
        .context("a kubeconfig without a user")?;
    let account = NODE_AGENT.trim_start_matches("--as=");
    user.insert("as".to_owned(), account.into());
    let of_node = json!({"authentication.kubernetes.io/node-name": [node]});
    user.insert("as-user-extra".to_owned(), of_node);
    let path = folder.write(&format!("agent-of-{node}"), &config.to_string())?;
    Ok(format!("--kubeconfig={}", path.display()))
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
