//! What is wrong with a pod, whichever runs in it.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use crate::cluster::objects::Key;
use crate::doctor::facts::{Facts, length};
use crate::doctor::finding::Finding;

/// A pod that is made is ready in this time, or something keeps it.
const SLOW: i64 = 60;
const RECENT: i64 = 3600;

/// What is wrong with it; at most one problem, or else a note.
pub fn findings(pod: &Pod, key: &Key, about: &str, facts: &Facts) -> Option<Finding> {
    let mut finding = trouble(pod, key, about, facts)?;
    finding.events = facts.warnings("Pod", key);
    Some(finding)
}

fn trouble(pod: &Pod, key: &Key, about: &str, facts: &Facts) -> Option<Finding> {
    let Key { namespace, name } = key;
    let describe = format!("kubectl -n {namespace} describe pod {name}");
    let status = pod.status.as_ref()?;
    if let Some(deleted) = &pod.metadata.deletion_timestamp {
        let late = facts.age(deleted.0);
        let node = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_deref())
            .unwrap_or("?");
        return (late > SLOW).then(|| {
            Finding::problem(about, "Terminating", format!("it should have ended {} ago", length(late)))
                .because(format!("its node {node} does not answer, or something holds it with a finalizer"))
                .fix(format!("kubectl describe node {node}; if that is off: kubectl -n {namespace} delete pod {name} --force --grace-period=0"))
        });
    }
    if status.phase.as_deref() == Some("Failed") {
        let said = [status.reason.as_deref(), status.message.as_deref()];
        let said: Vec<&str> = said.into_iter().flatten().collect();
        let reason = status.reason.as_deref().unwrap_or("Failed");
        return Some(
            Finding::problem(about, reason, format!("it has failed: {}", said.join(": ")))
                .because("the operator makes another one, after a while")
                .fix(describe),
        );
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|it| it.type_ == "PodScheduled" && it.status == "False");
    if let Some(condition) = unscheduled {
        let words = condition.message.clone().unwrap_or_default();
        return Some(
            Finding::problem(about, "Unschedulable", words)
                .because("no node has room for it, or none fits its selector, tolerations and volumes")
                .fix(format!("kubectl describe nodes; spec.pod of the Camera or ingest.resources of the chart; {describe}")),
        );
    }
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    let found = containers
        .iter()
        .find_map(|it| container(it, key, about, pod, facts));
    found.or_else(|| {
        containers
            .iter()
            .find_map(|it| restarts(it, key, about, facts))
    })
}

fn container(
    status: &ContainerStatus,
    key: &Key,
    about: &str,
    pod: &Pod,
    facts: &Facts,
) -> Option<Finding> {
    let Key { namespace, name } = key;
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let words = waiting.message.clone().unwrap_or_default();
    let image = &status.image;
    let describe = format!("kubectl -n {namespace} describe pod {name}");
    let problem = |what: String| Finding::problem(about, reason, what);
    let finding = match reason {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull"
        | "RegistryUnavailable" | "ImageInspectError" => problem(format!("image {image}: {words}"))
            .because("no such image or tag, no way to the registry, no pull Secret in this namespace, or an image that is not loaded on the node")
            .fix(format!("{describe}; imageRegistry, image tags and imagePullSecrets of the chart")),
        "CrashLoopBackOff" => {
            let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
            let oom = ended.is_some_and(|ended| ended.reason.as_deref() == Some("OOMKilled"));
            let what = format!("it ends again and again{}", ended.map(ending).unwrap_or_default());
            if oom {
                Finding::problem(about, "OOMKilled", what)
                    .because("it needs more memory than its limit")
                    .fix("spec.pod.resources.limits.memory of the Camera, or ingest.resources of the chart")
            } else {
                problem(what).fix(format!("kubectl -n {namespace} logs {name} --previous"))
            }
        }
        "ContainerCreating" | "PodInitializing" => {
            let made = pod.metadata.creation_timestamp.as_ref()?;
            let age = facts.age(made.0);
            if age < SLOW {
                return None;
            }
            problem(format!("its container is not there after {}", length(age)))
                .because("a large image, a volume that does not come, or the network of its node; events tell which")
                .fix(describe)
        }
        "" => return None,
        _ => problem(words).fix(describe),
    };
    Some(finding)
}

fn restarts(status: &ContainerStatus, key: &Key, about: &str, facts: &Facts) -> Option<Finding> {
    let ended = status.last_state.as_ref()?.terminated.as_ref()?;
    let at = ended.finished_at.as_ref()?;
    let age = facts.age(at.0);
    if status.restart_count == 0 || age > RECENT {
        return None;
    }
    let Key { namespace, name } = key;
    let reason = if ended.reason.as_deref() == Some("OOMKilled") {
        "OOMKilled"
    } else {
        "Restarted"
    };
    let what = format!(
        "{} restarts, the last one {} ago{}",
        status.restart_count,
        length(age),
        ending(ended)
    );
    Some(
        Finding::note(about, reason, what)
            .because("its ids go on; frames of that moment are missing")
            .fix(format!("kubectl -n {namespace} logs {name} --previous")),
    )
}

fn ending(ended: &ContainerStateTerminated) -> String {
    let reason = ended.reason.as_deref().unwrap_or("Ended");
    let said = ended
        .message
        .as_deref()
        .and_then(|said| said.trim().lines().last());
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    format!("; last with {reason} (exit code {}){said}", ended.exit_code)
}
