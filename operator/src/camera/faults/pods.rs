//! Pods of which the operator does not know what became of them, or that do not last.

use super::*;

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
