//! The reasons that the operator itself gives, with what a person can do about each.

/// Reason, meaning, what to do.
const REASONS: [(&str, &str, &str); 30] = [
    (
        "Invalid",
        "what is stored of the Camera is not valid, as under an older definition",
        "correct the fields that the message names",
    ),
    (
        "HubInvalid",
        "the same of its StreamHub",
        "correct the StreamHub",
    ),
    (
        "HubNotFound",
        "there is no StreamHub of that name; what runs goes on, nothing is made anew",
        "create it, or change `spec.hubRef.name`",
    ),
    (
        "NatsUnknown",
        "neither the hub nor the installation names a NATS server",
        "set `spec.nats.url` of the hub",
    ),
    (
        "Conflict",
        "an older Camera reads the same URL or device",
        "use that one, give it more renditions, or disable one",
    ),
    (
        "DeviceMissing",
        "no node has a capture device that fits the selector; the message says when and where it was last seen. There is no \
         pod, and none that waits; a Camera with other sources runs on those",
        "plug it in, at any node that the selector admits; `kubectl get videodevices -o wide` lists what there is",
    ),
    (
        "DeviceAmbiguous",
        "several capture devices fit the selector; a camera that runs on one of them keeps it",
        "add `serial`, `usbPath` or `node` to `deviceSelector`; the message names the devices",
    ),
    (
        "DeviceBusy",
        "another pod has the device",
        "end the pod that the message names, or choose another device",
    ),
    (
        "DeviceNotAllowed",
        "the device is not for Cameras of this namespace",
        "an administrator adds the namespace to `spec.allowedNamespaces` of the VideoDevice",
    ),
    (
        "DeviceUnsupported",
        "the device can't be captured from",
        "see the message",
    ),
    (
        "Unsupported",
        "the Camera has two `v4l2` sources; a pod gets one device",
        "make a Camera for each",
    ),
    (
        "NodeUnavailable",
        "the device's node is cordoned, not ready or gone, has a taint or lacks a label that keeps the pod away, or has \
         restarted and its kubelet does not offer the device yet; a pod that runs there stays",
        "`kubectl uncordon`, or bring the node back; `spec.pod.tolerations` where the message names a taint; after a restart \
         wait some seconds, then look at the node agent there",
    ),
    ("Disabled", "`spec.enabled` is false", ""),
    (
        "NameTaken",
        "a pod of the name `cam-<camera>` is there that does not belong to this Camera; it is never touched",
        "delete that pod, or give the Camera another name",
    ),
    (
        "PreviousPod",
        "the pod of an earlier Camera of this name is being removed",
        "wait; where its node does not answer, see the message",
    ),
    (
        "QuotaExceeded",
        "a ResourceQuota takes no more pods; the message has the API server's words",
        "raise it; the pod is tried again up to every five minutes",
    ),
    (
        "PodSecurity",
        "the namespace's Pod Security level refuses the pod; the message has the API server's words",
        "camera pods meet `restricted`: look for what changes them, such as a webhook",
    ),
    (
        "PodRefused",
        "the API server refuses the pod otherwise; the message has its words",
        "see the message",
    ),
    (
        "ApiServerError",
        "the API server, or a webhook that it asks, fails at what has to be done; the message has its words",
        "look at the webhook or the API server that the message names; it is tried again up to every two minutes",
    ),
    (
        "RolloutWaiting",
        "what was changed comes with the pod of another release, and it is not this camera's turn yet; what runs goes on, \
         and `observedGeneration` stays behind",
        "wait; where the roll-out has stopped, the operator's log names the camera whose pod can't be made or can't start",
    ),
    (
        "ConfigPending",
        "the pod does not say that it runs what was changed, or a device keeps it from being made anew; what runs goes on, \
         and `observedGeneration` stays behind",
        "see the message and the pod's log",
    ),
    (
        "Unschedulable",
        "no node takes the pod; the message has the scheduler's words",
        "change `spec.pod`, or add room",
    ),
    (
        "PodEnded",
        "the pod was evicted or failed as a whole; it is made anew after 1 s, then up to 5 min. With \
         `UnexpectedAdmissionError`, once its device is registered with the kubelet again",
        "see the message",
    ),
    (
        "PodEnding",
        "the pod is being ended and another one follows",
        "",
    ),
    (
        "OOMKilled",
        "the process took more memory than it may",
        "raise `spec.pod.resources.limits.memory`, or ask for less",
    ),
    (
        "ProcessEnded",
        "an event: the process in the pod ended and was started again",
        "see the message and `kubectl logs --previous`",
    ),
    (
        "NodeNotReady",
        "the pod's node does not answer; after a minute the pod is made anew elsewhere, where another node is ready",
        "look at the node",
    ),
    (
        "NodeLost",
        "an event: the pod of a node that does not answer was given up",
        "look at the node",
    ),
    ("NodeGone", "the pod's node is no more", ""),
    (
        "StatusUnreachable",
        "the pod runs and does not answer the operator",
        "look for a NetworkPolicy between the operator and port 8080 of the pods",
    ),
];

/// The table of `docs/reference/operator.md`.
pub fn table() -> String {
    let row = |(reason, meaning, remedy): (&str, &str, &str)| {
        format!("| {reason} | {meaning} | {remedy} |")
    };
    let kubelet = (
        "`ErrImagePull`, `ImagePullBackOff`, `CrashLoopBackOff`, ...",
        "the kubelet's words for a container that does not start",
        "see the message",
    );
    let head = ["| reason | meaning | what to do |", "|---|---|---|"];
    let head = head.into_iter().map(str::to_owned);
    let ours =
        REASONS.map(|(reason, meaning, remedy)| row((&format!("`{reason}`"), meaning, remedy)));
    let lines: Vec<String> = head.chain(ours).chain([row(kubelet)]).collect();
    lines.join("\n") + "\n"
}
