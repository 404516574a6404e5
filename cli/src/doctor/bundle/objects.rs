//! What the chart made, the devices, and what limits the cameras' namespaces. No Secret is among it: the settings of the NATS
//! server name the one with its users.

use std::collections::BTreeSet;
use std::fmt::Debug;

use futures::join;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, ResourceQuota};
use kube::{Api, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use streamhub_crds::names;

use super::Bundle;
use crate::cluster::Cluster;
use crate::cluster::objects::{Key, devices};
use crate::doctor::facts::{Facts, Seen};
use crate::doctor::gather::{seen, widest};

/// Adds them; where a list is refused, the API server's words.
pub async fn take(bundle: &mut Bundle, cluster: &Cluster, facts: &Facts) {
    let devices = devices(cluster);
    let (system, nats) = (names::system_selector(), names::nats_selector());
    let (deployments, daemons, settings, devices) = join!(
        widest::<Deployment>(cluster, "Deployments of the installation", &system),
        widest::<DaemonSet>(cluster, "DaemonSets of the installation", &system),
        widest::<ConfigMap>(cluster, "settings of the NATS server", &nats),
        async {
            cluster
                .list(&devices, "VideoDevices", "")
                .await
                .map_err(seen)
        },
    );
    add(bundle, "deployments", &deployments);
    add(bundle, "daemonsets", &daemons);
    add(bundle, "configmaps", &settings);
    add(bundle, "videodevices", &devices);
    let cameras = facts.cameras.iter().flatten();
    let namespaces: BTreeSet<&str> = cameras.map(|it| it.key.namespace.as_str()).collect();
    for namespace in namespaces {
        limits::<ResourceQuota>(bundle, cluster, namespace, "resourcequotas").await;
        limits::<LimitRange>(bundle, cluster, namespace, "limitranges").await;
    }
}

async fn limits<K>(bundle: &mut Bundle, cluster: &Cluster, namespace: &str, kind: &str)
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), namespace);
    let what = format!("{kind} of namespace {namespace}");
    let found = cluster.list(&api, &what, "").await.map_err(seen);
    match &found {
        Ok(_) => add(bundle, kind, &found),
        Err(why) => bundle.add(&format!("{kind}/{namespace}.txt"), why),
    }
}

fn add<K: Resource + Serialize>(bundle: &mut Bundle, kind: &str, found: &Seen<Vec<K>>) {
    match found {
        Ok(objects) => {
            for object in objects {
                let (namespace, name) = (object.namespace(), object.name_any());
                let key = namespace.map_or(name.clone(), |namespace| {
                    Key { namespace, name }.to_string()
                });
                bundle.add_document(&format!("{kind}/{key}.json"), object);
            }
        }
        Err(why) => bundle.add(&format!("{kind}.txt"), why),
    }
}
