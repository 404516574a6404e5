//! Definitions, operator, nodes: what all cameras need.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;

use super::pod;
use crate::cluster::objects::Key;
use crate::doctor::facts::{Definition, Facts, Found, Seen, length};
use crate::doctor::finding::Finding;

const INSTALL: &str = "helm upgrade --install streamhub charts/streamhub --namespace streamhub-system --create-namespace";

/// Looks at what all cameras need.
pub fn check(facts: &Facts) -> Vec<Finding> {
    if let Err(why) = &facts.server {
        let about = format!("API server of context {}", facts.context);
        return vec![
            Finding::problem(about, "Unreachable", why)
                .because("without it nothing else can be looked at; cameras that run go on running")
                .fix("kubectl cluster-info"),
        ];
    }
    let mut findings: Vec<Finding> = facts.definitions.iter().filter_map(definition).collect();
    findings.extend(operators(facts));
    for pod in facts.system_pods.iter().flatten() {
        let key = Key::of(&pod.metadata);
        findings.extend(pod::findings(pod, &key, &format!("pod {key}"), facts));
    }
    findings.extend(nodes(facts));
    findings.extend(unseen(facts));
    findings
}

fn definition(definition: &Definition) -> Option<Finding> {
    let about = format!("definition {}", definition.name);
    let problem = |reason, what: String| Finding::problem(&about, reason, what).fix(INSTALL);
    match definition.found.as_ref().ok()? {
        Found::Missing => Some(
            problem("NotInstalled", "the API server does not know this kind".to_owned())
                .because("Stream Hub is not installed in this cluster, or without its definitions"),
        ),
        Found::Whole {
            established: false, ..
        } => Some(
            problem("NotEstablished", "the API server does not serve this kind".to_owned())
                .because("its names are taken by another definition, or it is being deleted")
                .fix(format!("kubectl describe crd {}", definition.name)),
        ),
        Found::Whole { lacking, .. } if !lacking.is_empty() => Some(
            Finding::note(&about, "Older", format!("it lacks {}", lacking.join(", ")))
                .because("the installed release is older than this program; these fields can't be used there")
                .fix(INSTALL),
        ),
        Found::Served | Found::Whole { .. } => None,
    }
}

fn operators(facts: &Facts) -> Vec<Finding> {
    let Ok(operators) = &facts.operators else {
        return Vec::new();
    };
    if operators.is_empty() {
        return vec![
            Finding::problem("operator", "NotInstalled", "no Deployment of the operator was found")
                .because("nothing makes pods of Cameras; those that run go on, and none that ends is made anew")
                .fix(INSTALL),
        ];
    }
    let leases = facts.leases.iter();
    operators
        .iter()
        .zip(leases.map(Some).chain(std::iter::repeat(None)))
        .filter_map(|(operator, lease)| one_operator(facts, operator, lease))
        .collect()
}

fn one_operator(
    facts: &Facts,
    operator: &Deployment,
    lease: Option<&Seen<Option<Lease>>>,
) -> Option<Finding> {
    let key = Key::of(&operator.metadata);
    let about = format!("operator {key}");
    let Key { namespace, name } = &key;
    let idle = "while no operator works, no pod is made, changed or replaced; those that run go on";
    if operator.spec.replicas == Some(0) {
        return Some(
            Finding::problem(about, "ScaledToZero", "it has no replicas")
                .because(idle)
                .fix(format!(
                    "kubectl -n {namespace} scale deployment {name} --replicas=1"
                )),
        );
    }
    let status = operator.status.as_ref();
    if status
        .and_then(|status| status.available_replicas)
        .unwrap_or(0)
        == 0
    {
        return Some(
            Finding::problem(about, "NotAvailable", "none of its pods is ready")
                .because(idle)
                .fix(format!("kubectl -n {namespace} describe deployment {name}; kubectl -n {namespace} logs deployment/{name}")),
        );
    }
    let lease = lease?.as_ref().ok()?;
    let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
    let renewed = spec.and_then(|spec| spec.renew_time.as_ref());
    let duration = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .unwrap_or(15);
    let silent = renewed.map(|renewed| facts.age(renewed.0));
    let what = match (holder.filter(|holder| !holder.is_empty()), silent) {
        // Clocks of laptops are not those of clusters.
        (Some(_), Some(silent)) if silent <= i64::from(duration) * 4 => return None,
        (Some(holder), Some(silent)) => {
            format!(
                "{holder} holds the Lease and has not renewed it for {}",
                length(silent)
            )
        }
        _ => "nobody holds the Lease".to_owned(),
    };
    Some(
        Finding::problem(about, "NoLeader", what)
            .because(format!("{idle}; it can't reach the API server, has no right to its Lease, or hangs"))
            .fix(format!("kubectl -n {namespace} logs deployment/{name}; kubectl -n {namespace} rollout restart deployment/{name}")),
    )
}

fn nodes(facts: &Facts) -> Vec<Finding> {
    let pods = facts.pods.iter().chain(&facts.system_pods).flatten();
    let used: BTreeSet<&str> = pods
        .filter_map(|pod| pod.spec.as_ref()?.node_name.as_deref())
        .collect();
    let nodes = facts.nodes.iter().flatten();
    nodes.filter_map(|node| sick(facts, node, &used)).collect()
}

fn sick(facts: &Facts, node: &Node, used: &BTreeSet<&str>) -> Option<Finding> {
    let name = node.metadata.name.as_deref()?;
    if !used.contains(name) {
        return None;
    }
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    let about = format!("node {name}");
    let ready = conditions.iter().find(|it| it.type_ == "Ready")?;
    let message = |it: &Option<String>| it.clone().unwrap_or_default();
    if ready.status != "True" {
        let since = ready.last_transition_time.as_ref();
        let since = since.map(|time| format!(" for {}", length(facts.age(time.0))));
        let what = format!(
            "it is not ready{}: {}",
            since.unwrap_or_default(),
            message(&ready.message)
        );
        return Some(
            Finding::problem(about, "NodeNotReady", what)
                .because("its cameras are made anew on another node after a minute, unless they are bound to this one")
                .fix(format!("kubectl describe node {name}")),
        );
    }
    let pressed = conditions
        .iter()
        .find(|it| it.type_.ends_with("Pressure") && it.status == "True")?;
    Some(
        Finding::problem(
            about,
            "NodePressure",
            format!("{}: {}", pressed.type_, message(&pressed.message)),
        )
        .because("Kubernetes ends pods there to make room")
        .fix(format!("kubectl describe node {name}")),
    )
}

/// What could not be looked at.
fn unseen(facts: &Facts) -> Vec<Finding> {
    let definitions = facts
        .definitions
        .iter()
        .map(|it| ("definitions", it.found.as_ref().err()));
    let leases = facts.leases.iter().map(|it| ("Leases", it.as_ref().err()));
    let lists = [
        ("Deployments", facts.operators.as_ref().err()),
        ("pods of the installation", facts.system_pods.as_ref().err()),
        ("Cameras", facts.cameras.as_ref().err()),
        ("StreamHubs", facts.hubs.as_ref().err()),
        ("pods", facts.pods.as_ref().err()),
        ("nodes", facts.nodes.as_ref().err()),
        ("events", facts.events.as_ref().err()),
    ];
    let missing = facts
        .definitions
        .iter()
        .any(|it| it.found == Ok(Found::Missing));
    let all = definitions.chain(leases).chain(lists);
    all.filter(|(kind, _)| !(missing && matches!(*kind, "Cameras" | "StreamHubs")))
        .filter_map(|(kind, why)| {
            Some(
                Finding::note(kind, "NotSeen", why?)
                    .because("what is wrong there, if anything, is not in this report")
                    .fix("look with an account that may read them"),
            )
        })
        .collect()
}
