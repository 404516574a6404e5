//! Hubs and their NATS servers.

use streamhub_crds::names::DEFAULT_HUB;

use crate::cluster::objects::HubObject;
use crate::doctor::facts::{Facts, NatsFact, Probe};
use crate::doctor::finding::Finding;
use crate::doctor::scope::Scope;

/// Looks at them.
pub fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.nats.iter().filter_map(server).collect();
    let hubs = facts.hubs.as_deref().unwrap_or_default();
    findings.extend(hubs.iter().filter_map(hub));
    if let (Scope::Hub(name), Ok(_)) = (&facts.scope, &facts.hubs)
        && name != DEFAULT_HUB
        && !hubs.iter().any(|hub| hub.key.name == *name)
    {
        let namespace = facts.namespace.as_deref().unwrap_or_default();
        findings.push(
            Finding::problem(
                format!("hub {namespace}/{name}"),
                "NotFound",
                "there is no such StreamHub",
            )
            .fix(format!("kubectl -n {namespace} get streamhubs")),
        );
    }
    findings
}

fn hub(hub: &HubObject) -> Option<Finding> {
    let conditions = &hub.status.as_ref()?.conditions;
    let stalled = conditions
        .iter()
        .find(|it| it.type_ == "Stalled" && it.status == "True")?;
    let key = &hub.key;
    Some(
        Finding::problem(format!("hub {key}"), &stalled.reason, &stalled.message)
            .because("its cameras can't run, or run on what the hub said before")
            .fix(format!(
                "kubectl -n {} edit hub {}",
                key.namespace, key.name
            )),
    )
}

fn server(nats: &NatsFact) -> Option<Finding> {
    let hubs: Vec<String> = nats.hubs.iter().map(ToString::to_string).collect();
    let hubs = hubs.join(", ");
    let url = nats.url.as_deref().unwrap_or_default();
    let about = format!("NATS {url}");
    match &nats.probe {
        Probe::Answered { .. } => None,
        Probe::Failed(why) => Some(
            Finding::problem(about, "NatsUnreachable", why)
                .because(format!("no frame of hub {hubs} gets through without it"))
                .fix("kubectl get pods,services -A -l app.kubernetes.io/component=nats"),
        ),
        Probe::Unknown => Some(
            Finding::note(format!("hub {hubs}"), "NatsUnknown", "nothing that may be seen names its NATS server")
                .because("neither the hub, nor its pods, nor the operator's settings as far as they may be read")
                .fix("set spec.nats.url of the StreamHub, or nats.url of the chart"),
        ),
        Probe::Elsewhere(why) => Some(
            Finding::note(about, "NatsElsewhere", why)
                .because(format!("it is outside of this cluster and was not tried from here; cameras of hub {hubs} say whether they reach it"))
                .fix(format!("streamhub status --url {url}")),
        ),
        Probe::Forbidden(why) => Some(
            Finding::note(about, "NotSeen", why)
                .because("it was not tried; cameras say whether they reach it")
                .fix("look with an account that may forward ports there"),
        ),
    }
}
