//! The API server takes no pod, or another pod has its name.

use anyhow::{Result, ensure};
use streamhub_e2e::{Camera, Cluster, Namespace, Operator, not_run, until};

use crate::support::{SOON, TEST_PICTURE, share};

const NO_PODS: &str = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: none}
spec: {hard: {pods: 0}}
";

/// What a cluster may have that changes all pods: with it they do not meet the level `restricted` any more.
const CHANGES: &str = r#"
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicy
metadata: {name: e2e-host-network}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: changed}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  reinvocationPolicy: Never
  failurePolicy: Fail
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration: {expression: "Object{spec: Object.spec{hostNetwork: true}}"}
---
apiVersion: admissionregistration.k8s.io/v1beta1
kind: MutatingAdmissionPolicyBinding
metadata: {name: e2e-host-network}
spec: {policyName: e2e-host-network}
"#;

const REFUSES: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: e2e-no-pods}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: refused}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "false", message: "pods are not wanted on Sundays"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: e2e-no-pods}
spec: {policyName: e2e-no-pods, validationActions: [Deny]}
"#;

/// Somebody's pod that has the name of a camera's.
fn foreign(image: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: cam-door}}
spec:
  securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
    - name: other
      image: {image}
      command: [nats-server]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"
    )
}

#[test]
fn a_quota_is_told_in_the_servers_words_and_waited_for() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "quota")?;
    cluster.apply(namespace.name(), NO_PODS)?;

    let camera = Camera::apply(&cluster, namespace.name(), "door", TEST_PICTURE)?;
    let message = camera.says("Pending", "QuotaExceeded", SOON)?;
    ensure!(
        message.contains("exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0"),
        "{message}"
    );
    ensure!(!camera.is_stalled()?, "another camera may go");
    cluster.kubectl(&["delete", "resourcequota", "none", "-n", namespace.name()])?;
    camera.is_ready_within(SOON).map(drop)
}

#[test]
fn pod_security_is_told_in_the_servers_words() -> Result<()> {
    let cluster = Cluster::here()?;
    let kinds = cluster.kubectl(&["api-resources", "--api-group=admissionregistration.k8s.io"])?;
    if !kinds.contains("v1beta1") || !kinds.contains("MutatingAdmissionPolicy") {
        not_run("this cluster knows no MutatingAdmissionPolicy of v1beta1");
        return Ok(());
    }
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "changed")?;
    let policy = Policies::apply(
        &namespace,
        CHANGES,
        "mutatingadmissionpolicy",
        "e2e-host-network",
    )?;

    let camera = Camera::apply(&cluster, namespace.name(), "door", TEST_PICTURE)?;
    let message = camera.says("Pending", "PodSecurity", SOON)?;
    for words in [r#"violates PodSecurity "restricted"#, "hostNetwork=true"] {
        ensure!(message.contains(words), "{message}");
    }
    ensure!(camera.is_stalled()?, "only a person can help");
    drop(policy);
    camera.is_ready_within(SOON).map(drop)
}

#[test]
fn any_other_refusal_is_told_in_the_servers_words() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "refused")?;
    let policy = Policies::apply(
        &namespace,
        REFUSES,
        "validatingadmissionpolicy",
        "e2e-no-pods",
    )?;

    let camera = Camera::apply(&cluster, namespace.name(), "door", TEST_PICTURE)?;
    let message = camera.says("Pending", "PodRefused", SOON)?;
    ensure!(
        message.contains("pods are not wanted on Sundays"),
        "{message}"
    );
    ensure!(camera.is_stalled()?, "only a person can help");
    drop(policy);
    camera.is_ready_within(SOON).map(drop)
}

#[test]
fn a_foreign_pod_of_the_name_is_never_touched() -> Result<()> {
    let cluster = Cluster::here()?;
    let _installation = share(&cluster)?;
    let namespace = Namespace::create(&cluster, "taken")?;
    let uid = |cluster: &Cluster| {
        let path = "-o=jsonpath={.metadata.uid} {.metadata.labels} {.metadata.deletionTimestamp}";
        cluster.kubectl(&["get", "pod", "cam-door", "-n", namespace.name(), path])
    };
    let image = Operator::of(&cluster).ingest_image()?;
    cluster.apply(namespace.name(), &foreign(&image))?;
    let before = uid(&cluster)?;

    let camera = Camera::apply(&cluster, namespace.name(), "door", TEST_PICTURE)?;
    let message = camera.says("Pending", "NameTaken", SOON)?;
    ensure!(message.contains("delete or rename that pod"), "{message}");
    ensure!(camera.is_stalled()?, "only a person can help");
    ensure!(uid(&cluster)? == before, "it was touched");
    cluster.kubectl(&["delete", "pod", "cam-door", "-n", namespace.name()])?;
    camera.is_ready_within(SOON).map(drop)
}

/// A policy and its binding of the same name.
struct Policies {
    cluster: Cluster,
    kind: &'static str,
    name: &'static str,
}

impl Policies {
    /// Applies them, and waits until they keep pods out of the namespace: the API server takes a moment.
    fn apply(
        namespace: &Namespace,
        documents: &str,
        kind: &'static str,
        name: &'static str,
    ) -> Result<Self> {
        let cluster = namespace.cluster();
        cluster.apply("default", documents)?;
        let policies = Self {
            cluster: cluster.clone(),
            kind,
            name,
        };
        // It is only asked about, and its image is never pulled.
        let pod = foreign("none");
        until(SOON, || {
            ensure!(
                cluster.would_take(namespace.name(), &pod).is_err(),
                "{name} is not enforced"
            );
            Ok(())
        })?;
        Ok(policies)
    }
}

impl Drop for Policies {
    fn drop(&mut self) {
        for kind in [format!("{}binding", self.kind), self.kind.to_owned()] {
            if let Err(error) = self.cluster.kubectl(&["delete", &kind, self.name]) {
                eprintln!("{error:#}");
            }
        }
    }
}
