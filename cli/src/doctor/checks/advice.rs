//! What a reason means, and what to do about it in a cluster.

use crate::cluster::objects::Key;

/// Why something is so, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Advice {
    /// Why, or what follows from it.
    pub why: &'static str,
    /// A command, or what to change; empty where the message says it.
    pub fix: String,
}

/// What to do about a camera's reason.
pub fn of(reason: &str, camera: &Key, hub: &str) -> Advice {
    let known = of_operator(reason, camera, hub).or_else(|| of_process(reason, camera, hub));
    let (why, fix) = known.unwrap_or_default();
    Advice { why, fix }
}

/// Reasons why there is no pod, or none that answers.
fn of_operator(reason: &str, camera: &Key, hub: &str) -> Option<(&'static str, String)> {
    let Key { namespace, name } = camera;
    let kubectl = format!("kubectl -n {namespace}");
    let edit = format!("{kubectl} edit camera {name}");
    Some(match reason {
        "Invalid" => (
            "what is stored was accepted by an older definition, or past the checks of the API server",
            edit,
        ),
        "StatusRefused" => (
            "the operator looks after it and can't write its status: what is stored is not valid under today's definition",
            edit,
        ),
        "HubInvalid" => (
            "the hub is not valid, and its cameras keep what it said before",
            format!("{kubectl} edit hub {hub}"),
        ),
        "HubNotFound" => (
            "a pod that runs goes on; none is made anew",
            format!("{kubectl} get streamhubs; {edit}"),
        ),
        "Conflict" => (
            "a source is opened once: the older Camera has it",
            "kubectl get cameras -A --sort-by=.metadata.creationTimestamp".to_owned(),
        ),
        "NatsUnknown" => (
            "frames have nowhere to go",
            format!("{kubectl} edit hub {hub}; or nats.enabled or nats.url of the chart"),
        ),
        "DeviceMissing" => (
            "there is no pod while the device is not plugged in; one is made as soon as a node has it",
            format!("kubectl get videodevices -o wide; {edit}"),
        ),
        "DeviceAmbiguous" => (
            "a selector must fit one device, or a camera might show another picture after each restart",
            edit,
        ),
        "DeviceBusy" => (
            "a capture device is given to one pod at a time",
            "kubectl get videodevices; kubectl get pods -A | grep cam-".to_owned(),
        ),
        "DeviceNotAllowed" => (
            "its VideoDevice names the namespaces that may use it",
            "kubectl edit videodevice NAME, as an administrator".to_owned(),
        ),
        "DeviceUnsupported" => (
            "the node agent can't make a camera of it",
            "kubectl get videodevice NAME -o jsonpath='{.status.unsupported}'".to_owned(),
        ),
        "Unsupported" => ("a pod gets one capture device", edit),
        "DeviceChanged" => (
            "the pod opened what it was given and found another camera: the operator makes it anew once the node agent has \
             told of the change",
            format!("kubectl get videodevices -o wide; {kubectl} delete pod cam-{name}"),
        ),
        "NodeUnavailable" => (
            "a device is where it is plugged in: its camera waits for that node",
            "kubectl get nodes; kubectl get pods -A -l app.kubernetes.io/component=node-agent -o wide"
                .to_owned(),
        ),
        "NameTaken" => (
            "the name of a camera's pod is its lock, and what others own is never touched",
            format!("{kubectl} get pod cam-{name} --show-labels; {kubectl} delete pod cam-{name}"),
        ),
        "QuotaExceeded" => (
            "the namespace has no room for another pod",
            format!("{kubectl} describe resourcequota"),
        ),
        "PodSecurity" => (
            "camera pods meet the restricted profile: a policy asks for more, or spec.pod for too much",
            format!("kubectl get namespace {namespace} --show-labels"),
        ),
        "PodRefused" => (
            "an admission policy or a limit of the namespace refuses the pod",
            format!("{kubectl} describe limitrange; kubectl get validatingwebhookconfigurations"),
        ),
        "NodeNotReady" | "NodeGone" => (
            "its pod is made anew on another node after a minute, unless it is bound to this one",
            "kubectl get nodes".to_owned(),
        ),
        "StatusUnreachable" => (
            "the pod runs and does not answer the operator: a NetworkPolicy between them, or a process that hangs",
            format!("{kubectl} get networkpolicies; {kubectl} logs cam-{name}"),
        ),
        "RolloutWaiting" => (
            "what was changed comes with the new release, which reaches some cameras at a time",
            format!("{kubectl} get pod cam-{name} -L app.kubernetes.io/version"),
        ),
        "ConfigPending" => (
            "the pod goes on with what it had before the last change",
            format!("{kubectl} logs cam-{name}; {kubectl} delete pod cam-{name}"),
        ),
        _ => return None,
    })
}

/// What a camera's process says of itself.
fn of_process(reason: &str, camera: &Key, hub: &str) -> Option<(&'static str, String)> {
    let Key { namespace, name } = camera;
    let kubectl = format!("kubectl -n {namespace}");
    let edit = format!("{kubectl} edit camera {name}");
    Some(match reason {
        "SecretMissing" => (
            "the camera's process reads the Secret anew at every attempt: no restart is needed",
            format!(
                "{kubectl} get secrets; {kubectl} create secret generic NAME --from-file=KEY=/dev/stdin"
            ),
        ),
        "SecretUnreadable" => (
            "the Secret is there, and the value can't be used",
            format!("{kubectl} describe pod cam-{name}"),
        ),
        "Unauthorized" => (
            "the camera refuses user name or password",
            format!(
                "{kubectl} get camera {name} -o jsonpath='{{.spec.source}}'; {kubectl} describe secret NAME"
            ),
        ),
        "Unreachable" | "NoAnswer" | "ConnectionLost" => (
            "no connection from the pod's node to the camera: host, port, network, NetworkPolicy, or the camera is off",
            format!("{kubectl} get pod cam-{name} -o wide; {kubectl} get networkpolicies"),
        ),
        "NatsUnavailable" => (
            "the pod does not reach the NATS server",
            format!(
                "kubectl get pods,services -A -l app.kubernetes.io/component=nats; {kubectl} get networkpolicies"
            ),
        ),
        "NatsUnauthorized" => (
            "the NATS server refuses the login",
            format!(
                "{kubectl} get hub {hub} -o jsonpath='{{.spec.nats.credentialsSecretRef.name}}'"
            ),
        ),
        "NatsDenied" => (
            "the NATS account lacks a permission",
            "docs/reference/permissions".to_owned(),
        ),
        "ConfigRefused" => ("the last good configuration is in use", edit),
        "Overloaded" => (
            "the node can't keep up: quality, rate or size are reduced",
            format!("kubectl top node; spec.pod.resources of the Camera; {edit}"),
        ),
        "ClockBehind" => (
            "the node's clock is behind ids that were used already",
            "NTP or PTP on the node".to_owned(),
        ),
        "SubjectInUse" => (
            "another Camera, perhaps of another cluster, publishes on these subjects",
            format!("{kubectl} get hub {hub} -o jsonpath='{{.spec.nats.subjectPrefix}}'"),
        ),
        "FileNotFound" => (
            "the film is not in the claim, or not where the URI says",
            format!(
                "{kubectl} get camera {name} -o jsonpath='{{.spec.source.file}}'; {kubectl} get pvc"
            ),
        ),
        _ => return None,
    })
}
