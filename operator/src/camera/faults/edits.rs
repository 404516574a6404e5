//! What a person changes in quick succession, with no time between.

use super::*;

impl Cluster {
    /// Looks and lets the kubelet work, though no time goes by.
    async fn look_at_once(&self) {
        for _ in 0..6 {
            self.tell();
            Cameras(Arc::clone(&self.operator)).work(key("door")).await;
            self.kubelet();
        }
    }

    fn class_of_pod(&self) -> Value {
        let pod = place("pods", NAMESPACE, "cam-door");
        let pod = self.api.with(|store| store.objects.get(&pod).cloned());
        pod.unwrap_or_default()["spec"]["priorityClassName"].take()
    }
}

#[tokio::test]
async fn each_of_many_edits_has_its_pod_at_once() {
    let cluster = Cluster::new(None);
    for number in 1..=6 {
        let class = format!("class{number}");
        cluster.apply(&format!(
            "source: {{test: {{}}}}, pod: {{priorityClassName: {class}}}"
        ));
        cluster.look_at_once().await;
        assert_eq!(cluster.class_of_pod(), class);
    }
    let writes = cluster.api.with(|store| store.writes.clone());
    let statuses = writes
        .iter()
        .filter(|write| write.starts_with("PATCH cameras"));
    // One for each number, and for all else what fits into so short a time.
    assert!(statuses.count() <= 6 + 4, "{writes:?}");
}

#[tokio::test]
async fn a_pod_that_always_differs_from_what_is_wanted_is_made_seldom() {
    let cluster = Cluster::new(None);
    cluster.apply("source: {test: {}}");
    for _ in 0..10 {
        cluster.look_at_once().await;
        // Something in the cluster changes all pods.
        cluster.api.with(|store| {
            let place = place("pods", NAMESPACE, "cam-door");
            if let Some(mut pod) = store.objects.get(&place).cloned() {
                pod["metadata"]["annotations"][names::POD_HASH] = "other".into();
                store.replace(place, pod);
            }
        });
    }
    let made = cluster.api.with(|store| store.incarnations.len());
    // Three, and on a slow machine one more for each ten seconds.
    assert!((2..=5).contains(&made), "{made}");
}
