//! Pods of which the operator does not know what became of them, or that do not last.

use streamhub_wire::status::CameraStatus as Said;

use super::*;
use crate::samples::reading;

#[tokio::test]
async fn a_pod_that_was_made_without_an_answer_keeps_its_number_to_itself() {
    let cluster = Cluster::new(Some((1, Fault::NoAnswer)));
    let look = || Cameras(Arc::clone(&cluster.operator)).work(key("door"));
    cluster.apply("source: {test: {}}");
    for _ in 0..2 {
        cluster.tell();
        look().await;
    }
    let place = place("pods", NAMESPACE, "cam-door");
    cluster
        .api
        .with(|store| store.objects.remove(&place))
        .unwrap();
    cluster.tell();
    look().await;
    let incarnations = cluster.api.with(|store| store.incarnations.clone());
    assert!(
        incarnations.len() == 2 && incarnations.is_sorted_by(|a, b| a < b),
        "{incarnations:?}"
    );
}

#[tokio::test]
async fn a_camera_that_changes_before_its_pod_is_known_gets_the_pod_that_it_wants() {
    for changed in LIFE {
        let mut clean = Cluster::new(None);
        clean.apply("source: {test: {fps: 9}}");
        clean.settle().await;
        clean.apply(changed);
        clean.settle().await;

        let mut cluster = Cluster::new(Some((1, Fault::NoAnswer)));
        cluster.apply("source: {test: {fps: 9}}");
        cluster.tell();
        let look = || Cameras(Arc::clone(&cluster.operator)).work(key("door"));
        assert!(look().await.is_some(), "nobody knows whether it was made");
        cluster.apply(changed);
        for _ in 0..2 {
            // The watch of pods is late.
            cluster.tell_of(&["cameras"]);
            look().await;
        }
        cluster.settle().await;
        assert_eq!(cluster.end(), clean.end(), "{changed}");
    }
}

#[tokio::test]
async fn a_pod_that_lost_its_labels_gets_them_back_and_no_other_release() {
    let mut cluster = Cluster::new(None);
    cluster.apply("source: {test: {}}");
    cluster.settle().await;
    let end = cluster.end();
    let place = place("pods", NAMESPACE, "cam-door");
    cluster.api.with(|store| {
        let mut pod = store.objects.get(&place).cloned().unwrap();
        pod["metadata"].as_object_mut().unwrap().remove("labels");
        pod["metadata"]["annotations"][names::RELEASE_HASH] = "old".into();
        store.replace(place.clone(), pod);
    });
    // The watch has the selector of the labels.
    lock(&cluster.operator.world).remove_pod(&key("door"), None);
    for _ in 0..2 {
        Cameras(Arc::clone(&cluster.operator))
            .work(key("door"))
            .await;
        cluster.time_goes_by();
    }
    let pod = cluster.api.with(|store| store.objects[&place].clone());
    let marks = &pod["metadata"];
    assert_eq!(marks["annotations"][names::RELEASE_HASH], "old");
    for (label, value) in names::POD_LABELS {
        assert_eq!(marks["labels"][label], value);
    }
    cluster.settle().await;
    let hash = |end: &Value| end["annotations"][names::RELEASE_HASH].clone();
    assert_eq!(hash(&cluster.end()), hash(&end), "its turn has come");
    assert_eq!(cluster.api.with(|store| store.incarnations.len()), 2);
}

#[tokio::test]
async fn a_pod_that_is_evicted_again_and_again_is_not_written_about_without_end() {
    let cluster = Cluster::new(None);
    cluster.apply("source: {test: {}}");
    let place = place("pods", NAMESPACE, "cam-door");
    for _ in 0..24 {
        cluster.tell();
        Cameras(Arc::clone(&cluster.operator))
            .work(key("door"))
            .await;
        lock(&cluster.operator.memories.of(&key("door"))).not_before = None;
        cluster.api.with(|store| {
            let Some(mut pod) = store.objects.get(&place).cloned() else {
                return;
            };
            if pod["metadata"]["deletionTimestamp"].is_null() {
                pod["status"] = json!({"phase": "Failed", "reason": "Evicted"});
                store.replace(place.clone(), pod);
            } else {
                store.objects.remove(&place);
            }
        });
    }
    let writes = cluster.api.with(|store| store.writes.clone());
    let statuses = writes
        .iter()
        .filter(|write| write.starts_with("PATCH cameras"));
    assert!(statuses.count() <= 3, "{writes:?}");
}

#[tokio::test]
async fn a_change_is_written_once_and_when_the_pod_runs_it() {
    let mut cluster = Cluster::new(None);
    cluster.apply("source: {test: {}}");
    cluster.settle().await;
    let (camera, pod) = (
        place("cameras", NAMESPACE, "door"),
        place("pods", NAMESPACE, "cam-door"),
    );
    let get = |place| cluster.api.with(|store| store.objects[place].clone());
    let says_what_it_was_given = || {
        let marks = &get(&pod)["metadata"];
        let mut said = Said::default();
        said.config.hash = marks["annotations"][names::CONFIG_HASH]
            .as_str()
            .unwrap()
            .to_owned();
        lock(&cluster.operator.memories.of(&key("door"))).reading =
            Some(reading(marks["uid"].as_str().unwrap(), Ok(said)));
    };
    let mut running = get(&pod);
    running["status"]["containerStatuses"] = json!([{
        "name": "ingest", "image": "", "imageID": "", "ready": true, "restartCount": 0,
        "state": {"running": {"startedAt": "2026-11-21T00:00:00Z"}},
    }]);
    cluster
        .api
        .with(|store| store.replace(pod.clone(), running));
    let look = async || {
        for _ in 0..3 {
            cluster.tell();
            cluster.time_goes_by();
            Cameras(Arc::clone(&cluster.operator))
                .work(key("door"))
                .await;
        }
        let ready = get(&camera)["status"].clone();
        let conditions = ready["conditions"].as_array().unwrap();
        let ready_of = conditions.iter().find(|it| it["type"] == "Ready").unwrap();
        assert_eq!(ready_of["observedGeneration"], ready["observedGeneration"]);
        (
            ready["observedGeneration"].as_i64(),
            cluster.api.with(|store| std::mem::take(&mut store.writes)),
        )
    };
    says_what_it_was_given();
    assert_eq!(look().await.0, Some(1));
    cluster.apply("source: {test: {fps: 5}}");
    assert_eq!(
        look().await,
        (Some(1), vec!["PATCH pods cam-door".to_owned()])
    );
    says_what_it_was_given();
    assert_eq!(
        look().await,
        (Some(2), vec!["PATCH cameras door".to_owned()])
    );
    assert_eq!(look().await, (Some(2), Vec::new()));
}
