//! Looks at a cluster. Reads only, and no Secret.

mod definitions;
mod nats;

use std::fmt::Debug;
use std::time::Duration;

use futures::future::join_all;
use futures::join;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::{Metadata, NamespaceResourceScope};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::facts::{Facts, Seen};
use super::scope::Scope;
use crate::cluster::objects::{self, CameraObject, HubObject, Key};
use crate::cluster::{Cluster, ClusterError, names, setting, statuses};
use crate::top::cluster::with_pods;

/// For all pods that are asked how they are.
const PATIENCE: Duration = Duration::from_secs(15);
/// Clocks that differ by less tell the same.
const NEAR: u64 = 30;
/// A Lease that is held is renewed in this time.
const RENEWAL: Duration = Duration::from_secs(5);
const LEASE: &str = "streamhub-operator";

/// Looks.
pub async fn facts(cluster: &Cluster, scope: Scope, all_namespaces: bool) -> Facts {
    let namespace = (!all_namespaces).then(|| cluster.namespace.clone());
    let version = cluster.ask(
        || "reach the API server".to_owned(),
        cluster.client.apiserver_version(),
    );
    let mut facts = Facts {
        context: cluster.context.clone(),
        namespace,
        now: Timestamp::now(),
        server: version.await.map(|it| it.git_version).map_err(seen),
        definitions: Vec::new(),
        operators: Ok(Vec::new()),
        leases: Vec::new(),
        system_pods: Ok(Vec::new()),
        cameras: Ok(Vec::new()),
        hubs: Ok(Vec::new()),
        pods: Ok(Vec::new()),
        nodes: Ok(Vec::new()),
        events: Ok(Vec::new()),
        statuses: std::collections::BTreeMap::new(),
        nats: Vec::new(),
        scope,
    };
    if facts.server.is_ok() {
        installation(cluster, &mut facts).await;
        if facts.scope != Scope::Installation {
            cameras(cluster, &mut facts).await;
        }
        facts.nats = nats::probe(cluster, &facts).await;
    }
    facts
}

async fn installation(cluster: &Cluster, facts: &mut Facts) {
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let nodes = async { cluster.list(&nodes, "nodes", "").await.map_err(seen) };
    let (operator, system) = (names::operator_selector(), names::system_selector());
    let operators = widest::<Deployment>(cluster, "Deployments of the operator", &operator);
    let pods = widest::<Pod>(cluster, "pods of the installation", &system);
    (
        facts.definitions,
        facts.operators,
        facts.system_pods,
        facts.nodes,
    ) = join!(definitions::look(cluster), operators, pods, nodes);
    let operators = facts.operators.iter().flatten();
    let leases = join_all(operators.map(|operator| lease(cluster, operator, facts.now))).await;
    for (lease, clock) in leases {
        facts.leases.push(lease);
        facts.now = clock.unwrap_or(facts.now);
    }
}

/// A Lease, and the cluster's clock where it is not near ours: of a Lease that looks old and is renewed meanwhile, it is
/// our clock that is wrong.
async fn lease(
    cluster: &Cluster,
    operator: &Deployment,
    now: Timestamp,
) -> (Seen<Option<Lease>>, Option<Timestamp>) {
    let first = read_lease(cluster, operator).await;
    let Some(before) = renewed(&first).filter(|at| at.as_second().abs_diff(now.as_second()) > NEAR)
    else {
        return (first, None);
    };
    tokio::time::sleep(RENEWAL).await;
    let second = read_lease(cluster, operator).await;
    let clock = renewed(&second).filter(|after| *after != before);
    (second, clock)
}

fn renewed(lease: &Seen<Option<Lease>>) -> Option<Timestamp> {
    let spec = lease.as_ref().ok()?.as_ref()?.spec.as_ref()?;
    Some(spec.renew_time.as_ref()?.0)
}

async fn read_lease(cluster: &Cluster, operator: &Deployment) -> Seen<Option<Lease>> {
    let own = operator.metadata.namespace.as_deref().unwrap_or_default();
    let namespace = setting(operator, "STREAMHUB_LEASE_NAMESPACE").unwrap_or(own);
    let name = setting(operator, "STREAMHUB_LEASE_NAME").unwrap_or(LEASE);
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), namespace);
    let what = || format!("read Lease {namespace}/{name}");
    cluster.ask(what, leases.get_opt(name)).await.map_err(seen)
}

async fn cameras(cluster: &Cluster, facts: &mut Facts) {
    let namespace = facts.namespace.as_deref();
    let cameras = objects::cameras(cluster, namespace);
    let hubs = objects::hubs(cluster, namespace);
    let pods: Api<Pod> = within(cluster, namespace);
    let events: Api<Event> = within(cluster, namespace);
    let (cameras, hubs, pods, events) = join!(
        cluster.list(&cameras, "Cameras", ""),
        cluster.list(&hubs, "StreamHubs", ""),
        // All, not only the operator's: another pod may have a camera pod's name.
        cluster.list(&pods, "pods", ""),
        cluster.list(&events, "events", ""),
    );
    facts.events = events.map_err(seen);
    facts.hubs = hubs
        .map(|hubs| hubs.into_iter().map(HubObject::read).collect())
        .map_err(seen);
    facts.cameras = cameras
        .map(|cameras| cameras.into_iter().map(CameraObject::read).collect())
        .map_err(seen);
    narrow(facts);
    let wanted: Vec<Key> = facts
        .cameras
        .iter()
        .flatten()
        .map(|camera| Key {
            namespace: camera.key.namespace.clone(),
            name: names::pod(&camera.key.name),
        })
        .collect();
    facts.pods = pods
        .map(|mut pods| {
            pods.retain(|pod| wanted.contains(&Key::of(&pod.metadata)));
            pods
        })
        .map_err(seen);
    let asked = with_pods(facts.cameras.as_deref().unwrap_or_default());
    facts.statuses = statuses(cluster, asked, PATIENCE).await;
}

/// Leaves what was asked for.
fn narrow(facts: &mut Facts) {
    let Ok(cameras) = &mut facts.cameras else {
        return;
    };
    match &facts.scope {
        Scope::Camera(name) => cameras.retain(|camera| camera.key.name == *name),
        Scope::Hub(name) => cameras.retain(|camera| camera.hub == *name),
        Scope::All | Scope::Installation => return,
    }
    if let Ok(hubs) = &mut facts.hubs {
        let named = |hub: &HubObject| match &facts.scope {
            Scope::Hub(name) => hub.key.name == *name,
            _ => cameras.iter().any(|camera| {
                camera.hub == hub.key.name && camera.key.namespace == hub.key.namespace
            }),
        };
        hubs.retain(named);
    }
}

fn within<K>(cluster: &Cluster, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(cluster.client.clone(), namespace),
        None => Api::all(cluster.client.clone()),
    }
}

/// A list of all namespaces, or where that is not allowed of this one.
pub async fn widest<K>(cluster: &Cluster, what: &str, labels: &str) -> Seen<Vec<K>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Metadata<Ty = kube::api::ObjectMeta>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let all = cluster
        .list(&within::<K>(cluster, None), what, labels)
        .await;
    match all {
        Err(error) if error.is_forbidden() => {
            let one = within::<K>(cluster, Some(&cluster.namespace));
            match cluster.list(&one, what, labels).await {
                // None here proves nothing of other namespaces.
                Ok(found) if found.is_empty() => Err(seen(error)),
                other => other.map_err(seen),
            }
        }
        other => other.map_err(seen),
    }
}

/// Why something could not be looked at.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn seen(error: ClusterError) -> String {
    error.to_string()
}
