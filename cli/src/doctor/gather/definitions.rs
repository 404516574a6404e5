//! The definitions of our kinds, and whether they know every field that we know.

use futures::future::join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, CustomResourceExt as _};
use serde_json::Value;
use streamhub_crds::{Camera, GROUP, StreamHub, VERSION, VideoDevice};

use super::seen;
use crate::cluster::Cluster;
use crate::doctor::facts::{Definition, Found};

/// Reads them; where that is not allowed, asks which kinds are served.
pub async fn look(cluster: &Cluster) -> Vec<Definition> {
    let ours = [Camera::crd(), StreamHub::crd(), VideoDevice::crd()];
    join_all(ours.map(|own| one(cluster, own))).await
}

async fn one(cluster: &Cluster, own: CustomResourceDefinition) -> Definition {
    let name = own.metadata.name.clone().unwrap_or_default();
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client.clone());
    let what = || format!("read definition {name}");
    let found = match cluster.ask(what, api.get_opt(&name)).await {
        Ok(None) => Ok(Found::Missing),
        Ok(Some(theirs)) => Ok(whole(&own, &theirs)),
        Err(error) if error.is_forbidden() => served(cluster, &own.spec.names.plural).await,
        Err(error) => Err(seen(error)),
    };
    Definition { name, found }
}

async fn served(cluster: &Cluster, plural: &str) -> Result<Found, String> {
    let version = format!("{GROUP}/{VERSION}");
    let asked = cluster.client.list_api_group_resources(&version);
    let what = || format!("list the kinds of {version}");
    match cluster.ask(what, asked).await {
        Ok(list) if list.resources.iter().any(|it| it.name == plural) => Ok(Found::Served),
        Ok(_) => Ok(Found::Missing),
        Err(error) if error.is_missing() => Ok(Found::Missing),
        Err(error) => Err(seen(error)),
    }
}

fn whole(own: &CustomResourceDefinition, theirs: &CustomResourceDefinition) -> Found {
    let conditions = theirs
        .status
        .iter()
        .flat_map(|it| it.conditions.iter().flatten());
    let mut conditions = conditions.filter(|it| it.type_ == "Established");
    let schema = |crd: &CustomResourceDefinition| {
        let version = crd.spec.versions.iter().find(|it| it.name == VERSION);
        let schema = version.and_then(|it| it.schema.as_ref()?.open_api_v3_schema.as_ref());
        schema.and_then(|schema| serde_json::to_value(schema).ok())
    };
    let mut lacking = Vec::new();
    if let (Some(own), Some(theirs)) = (schema(own), schema(theirs)) {
        compare("", &own, &theirs, &mut lacking);
    }
    Found::Whole {
        established: conditions.any(|it| it.status == "True"),
        lacking,
    }
}

/// Fields that one schema has and the other lacks; of a field that is not there none below it.
fn compare(path: &str, own: &Value, theirs: &Value, lacking: &mut Vec<String>) {
    let fields = own.get("properties").and_then(Value::as_object);
    for (name, below) in fields.into_iter().flatten() {
        let path = format!("{path}.{name}");
        match theirs.get("properties").and_then(|fields| fields.get(name)) {
            Some(there) => compare(&path, below, there, lacking),
            None => lacking.push(path.trim_start_matches('.').to_owned()),
        }
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if let (Some(own), Some(theirs)) = (own.get(key), theirs.get(key)) {
            compare(&format!("{path}{mark}"), own, theirs, lacking);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_an_older_definition_are_missed_and_its_own_lacks_none() {
        let own = Camera::crd();
        let whole = |theirs| super::whole(&own, theirs);
        assert!(matches!(whole(&own), Found::Whole { lacking, .. } if lacking.is_empty()));
        let mut older = serde_json::to_value(&own).unwrap();
        let spec = older
            .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")
            .unwrap()
            .as_object_mut()
            .unwrap();
        spec.remove("pod").unwrap();
        spec["frames"]["items"]["properties"]
            .as_object_mut()
            .unwrap()
            .remove("fps")
            .unwrap();
        let older = serde_json::from_value(older).unwrap();
        let Found::Whole { mut lacking, .. } = whole(&older) else {
            panic!("it is there");
        };
        lacking.sort();
        assert_eq!(lacking, ["spec.frames[].fps", "spec.pod"]);
    }
}
