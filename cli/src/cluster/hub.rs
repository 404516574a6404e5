//! Which hub is meant, and where its NATS server is.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::Value;

use super::objects::{self, CameraObject, HubObject, Key};
use super::{Cluster, ClusterError, names};

/// Where a hub's frames are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPlace {
    /// The hub.
    pub key: Key,
    /// Its NATS server, as its cameras reach it; `None` where nothing that we may see names it.
    pub url: Option<String>,
    /// What every subject begins with.
    pub prefix: String,
}

/// Finds the hub: the one that is named, else the camera's, else the only one.
pub async fn find(
    cluster: &Cluster,
    hub: Option<&str>,
    camera: Option<&str>,
) -> Result<HubPlace, ClusterError> {
    let name = match (hub, camera) {
        (Some(hub), _) => hub.to_owned(),
        (None, Some(camera)) => hub_of(cluster, camera).await?,
        (None, None) => only_hub(cluster).await?,
    };
    let namespace = cluster.namespace.as_str();
    let hubs = objects::hubs(cluster, Some(namespace));
    let what = || format!("read StreamHub {namespace}/{name}");
    let stored = cluster.ask(what, hubs.get_opt(&name)).await?;
    let stored = stored.map(HubObject::read);
    if stored.is_none() && name != names::DEFAULT_HUB {
        return Err(ClusterError::NotFound(format!(
            "there is no StreamHub {name} in namespace {namespace}; `kubectl -n {namespace} get streamhubs` lists them"
        )));
    }
    let named = stored
        .as_ref()
        .and_then(|hub| hub.nats())
        .map(str::to_owned);
    let url = match named {
        Some(url) => Some(url),
        None => nats_of(cluster, namespace, &name).await,
    };
    Ok(HubPlace {
        prefix: stored
            .as_ref()
            .map_or_else(|| objects::prefix(namespace, &name), HubObject::prefix),
        key: Key {
            namespace: namespace.to_owned(),
            name,
        },
        url,
    })
}

async fn hub_of(cluster: &Cluster, camera: &str) -> Result<String, ClusterError> {
    let namespace = cluster.namespace.as_str();
    let cameras = objects::cameras(cluster, Some(namespace));
    let what = || format!("read Camera {namespace}/{camera}");
    match cluster.ask(what, cameras.get_opt(camera)).await? {
        Some(object) => Ok(CameraObject::read(object).hub),
        None => Err(ClusterError::NotFound(format!(
            "there is no Camera {camera} in namespace {namespace} (context {}); `kubectl get cameras -A` lists all",
            cluster.context
        ))),
    }
}

async fn only_hub(cluster: &Cluster) -> Result<String, ClusterError> {
    let namespace = cluster.namespace.as_str();
    let cameras = objects::cameras(cluster, Some(namespace));
    let cameras = cluster.list(&cameras, "Cameras", "").await?;
    let hubs: BTreeSet<String> = cameras
        .into_iter()
        .map(|object| CameraObject::read(object).hub)
        .collect();
    match Vec::from_iter(hubs).as_slice() {
        [] => Ok(names::DEFAULT_HUB.to_owned()),
        [hub] => Ok(hub.clone()),
        several => Err(ClusterError::Ambiguous {
            namespace: namespace.to_owned(),
            hubs: several.join(", "),
        }),
    }
}

/// The server of a hub that names none: what its camera pods were given, else what the operator is told.
pub async fn nats_of(cluster: &Cluster, namespace: &str, hub: &str) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let labels = format!("{},{}={hub}", names::pods_selector(), names::HUB);
    let pods = cluster.list(&pods, "camera pods", &labels).await;
    if let Some(url) = pods.iter().flatten().find_map(given) {
        return Some(url);
    }
    let deployments: Api<Deployment> = Api::all(cluster.client.clone());
    let deployments = cluster
        .list(
            &deployments,
            "Deployments of the operator",
            &names::operator_selector(),
        )
        .await;
    deployments
        .iter()
        .flatten()
        .find_map(|it| setting(it, "STREAMHUB_NATS_URL"))
        .map(str::to_owned)
}

fn given(pod: &Pod) -> Option<String> {
    let document = pod.metadata.annotations.as_ref()?.get(names::HUB)?;
    let hub: Value = serde_json::from_str(document).ok()?;
    objects::text(&hub, "/spec/nats/url").map(str::to_owned)
}

/// What the operator of a Deployment is told by a variable.
pub fn setting<'a>(deployment: &'a Deployment, variable: &str) -> Option<&'a str> {
    let spec = deployment.spec.template.spec.as_ref()?;
    let mut variables = spec
        .containers
        .iter()
        .flat_map(|it| it.env.iter().flatten());
    let found = variables.find(|it| it.name == variable)?;
    found.value.as_deref().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_and_an_operator_tell_the_server() {
        let hub = json!({"spec": {"nats": {"url": "nats://nats.messaging.svc:4222"}}}).to_string();
        let pod: Pod = serde_json::from_value(
            json!({"metadata": {"annotations": {"streamhub.dev/hub": hub}}}),
        )
        .unwrap();
        assert_eq!(
            given(&pod).as_deref(),
            Some("nats://nats.messaging.svc:4222")
        );
        let env = json!([{"name": "STREAMHUB_NATS_URL", "value": "nats://n.s.svc"}, {"name": "EMPTY", "value": ""}]);
        let deployment: Deployment = serde_json::from_value(json!({"spec": {
            "selector": {}, "template": {"spec": {"containers": [{"name": "operator", "env": env}]}}
        }}))
        .unwrap();
        assert_eq!(
            setting(&deployment, "STREAMHUB_NATS_URL"),
            Some("nats://n.s.svc")
        );
        assert_eq!(setting(&deployment, "EMPTY"), None);
    }
}
