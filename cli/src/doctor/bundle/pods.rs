//! Pods and their logs: all of ours, and of others what shows who they are.

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::Api;
use kube::api::{LogParams, ObjectMeta};
use streamhub_crds::names;

use super::Bundle;
use crate::cluster::Cluster;
use crate::cluster::objects::Key;
use crate::doctor::facts::Facts;

const LINES: i64 = 2000;
/// Of each log, the newest.
const BYTES: usize = 1024 * 1024;
/// What the chart calls its parts.
const PARTS: [&str; 4] = ["operator", "node-agent", "nats", "test"];
/// A bundle is sent by mail.
const PODS: usize = 100;

/// Adds them.
pub async fn take(bundle: &mut Bundle, cluster: &Cluster, facts: &Facts) {
    let mut logs = 0;
    for pod in facts.system_pods.iter().chain(&facts.pods).flatten() {
        let key = Key::of(&pod.metadata);
        let path = format!("pods/{key}.json");
        if !is_of_camera(pod) && !is_of_chart(pod) {
            bundle.add_document(&path, &outline(pod));
            continue;
        }
        bundle.add_document(&path, pod);
        if logs < PODS {
            take_logs(bundle, cluster, pod, &key).await;
            logs += 1;
        }
    }
}

/// Whether the operator made it for a Camera.
fn is_of_camera(pod: &Pod) -> bool {
    let mut owners = pod.metadata.owner_references.iter().flatten();
    is_labelled(pod, &names::pods_selector())
        && owners.any(|owner| owner.kind == "Camera" && owner.controller == Some(true))
}

/// Whether the chart made it: others too may have named an application after what they use.
fn is_of_chart(pod: &Pod) -> bool {
    let labels = pod.metadata.labels.as_ref();
    let part = labels.and_then(|labels| labels.get("app.kubernetes.io/component"));
    is_labelled(pod, &names::system_selector())
        && part.is_some_and(|part| PARTS.contains(&part.as_str()))
}

fn is_labelled(pod: &Pod, wanted: &str) -> bool {
    let labels = pod.metadata.labels.as_ref();
    let mut wanted = wanted.split(',').filter_map(|label| label.split_once('='));
    wanted.all(|(key, value)| {
        let found = labels.and_then(|labels| labels.get(key));
        found.map(String::as_str) == Some(value)
    })
}

/// Another's pod, which has a name or a label like one of ours: arguments, variables and logs are not for us to read.
fn outline(pod: &Pod) -> Pod {
    let metadata = &pod.metadata;
    Pod {
        metadata: ObjectMeta {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            labels: metadata.labels.clone(),
            owner_references: metadata.owner_references.clone(),
            creation_timestamp: metadata.creation_timestamp.clone(),
            deletion_timestamp: metadata.deletion_timestamp.clone(),
            ..ObjectMeta::default()
        },
        spec: pod.spec.as_ref().map(|spec| PodSpec {
            node_name: spec.node_name.clone(),
            ..PodSpec::default()
        }),
        status: None,
    }
}

async fn take_logs(bundle: &mut Bundle, cluster: &Cluster, pod: &Pod, key: &Key) {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &key.namespace);
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    for container in containers {
        let ended = pod
            .status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten())
            .any(|it| it.name == container.name && it.restart_count > 0);
        for previous in [false, true]
            .into_iter()
            .filter(|&previous| !previous || ended)
        {
            let parameters = LogParams {
                container: Some(container.name.clone()),
                tail_lines: Some(LINES),
                timestamps: true,
                previous,
                ..LogParams::default()
            };
            let what = || format!("read the log of {key}");
            let log = cluster.ask(what, api.logs(&key.name, &parameters)).await;
            let text = log.unwrap_or_else(|error| error.to_string());
            let text = newest(&text, BYTES);
            let mark = if previous { ".previous" } else { "" };
            bundle.add(&format!("logs/{key}.{}{mark}.log", container.name), text);
        }
    }
}

/// The last whole lines of a text that fit: an API server that is asked for so many bytes gives the first ones.
fn newest(text: &str, bytes: usize) -> &str {
    let Some(over) = text.len().checked_sub(bytes).filter(|over| *over > 0) else {
        return text;
    };
    let cut = text.as_bytes().iter().skip(over - 1);
    let begin = over + cut.take_while(|byte| **byte != b'\n').count();
    text.get(begin..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_long_log_the_newest_lines_are_kept() {
        let log = "first\nsecond\nthird\n";
        assert_eq!(newest(log, 100), log);
        assert_eq!(newest(log, 13), "second\nthird\n");
        assert_eq!(newest(log, 12), "third\n");
        assert_eq!(newest("äöü\nü\n", 4), "ü\n");
        assert_eq!(newest("one line without an end", 5), "");
    }

    #[test]
    fn what_somebody_else_told_a_pod_of_a_cameras_name_is_not_taken() {
        let pod = |labels: serde_json::Value, owner: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": {
                    "name": "cam-door", "namespace": "site", "labels": labels, "annotations": {"note": "geheim"},
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": owner, "name": "door", "uid": "1", "controller": true},
                    ],
                },
                "spec": {"nodeName": "n1", "containers": [{"name": "a", "args": ["-p", "geheim"]}]},
                "status": {"message": "geheim"},
            }))
            .unwrap()
        };
        let ours = json!({
            "app.kubernetes.io/managed-by": "streamhub-operator", "app.kubernetes.io/name": "streamhub-ingest",
        });
        assert!(is_of_camera(&pod(ours.clone(), "Camera")));
        let system = |part: &str| json!({"app.kubernetes.io/name": "streamhub", "app.kubernetes.io/component": part});
        assert!(is_of_chart(&pod(system("nats"), "ReplicaSet")));
        for others in [
            pod(ours, "Job"),
            pod(json!({}), "Camera"),
            pod(system("counter"), "ReplicaSet"),
        ] {
            assert!(!is_of_camera(&others) && !is_of_chart(&others));
            let text = serde_json::to_string(&outline(&others)).unwrap();
            assert!(!text.contains("geheim"), "{text}");
            assert!(
                text.contains("\"n1\"") && text.contains("cam-door"),
                "{text}"
            );
        }
    }
}
