//! The image of the ingest pod is a whole hub: `streamhub up` in it runs cameras and their NATS server.

use std::time::Duration;

use anyhow::{Result, ensure};
use streamhub_e2e::{Cluster, Installation, Namespace, Operator};
use streamhub_testkit::eventually;

const HUB: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: cameras}
data:
  door.yaml: |
    apiVersion: streamhub.dev/v1alpha1
    kind: Camera
    metadata: {name: door}
    spec: {source: {test: {}}}
---
apiVersion: v1
kind: Pod
metadata: {name: hub}
spec:
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  volumes: [{name: cameras, configMap: {name: cameras}}, {name: tmp, emptyDir: {}}]
  containers:
    - name: hub
      image: IMAGE
      command: [streamhub, up, -f, /cameras, --state-dir, /tmp/state]
      volumeMounts: [{name: cameras, mountPath: /cameras}, {name: tmp, mountPath: /tmp}]
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
";
const SNAPSHOT: &str =
    "streamhub snapshot door --state-dir /tmp/state -o /tmp/door.jpg && wc -c < /tmp/door.jpg";
/// What GStreamer says of the plugins that the image has written down.
const PLUGINS: &str = "GST_DEBUG=GST_REGISTRY:4 timeout 3 streamhub-ingest --camera /cameras/door.yaml \
     --nats-url nats://127.0.0.1:1 --http 127.0.0.1:0 2>&1 | grep -o 'Registry cache has not changed'";

#[test]
fn one_container_is_a_whole_hub() -> Result<()> {
    let cluster = Cluster::here()?;
    // Only to learn where this cluster finds the image.
    let installation = Installation::share(&cluster, &[])?;
    let image = Operator::of(&cluster).ingest_image()?;
    drop(installation);
    let namespace = Namespace::create(&cluster, "alone")?;
    cluster.apply(namespace.name(), &HUB.replace("IMAGE", &image))?;
    let shell = ["exec", "-n", namespace.name(), "hub", "--", "sh", "-c"];
    let ask = [&shell[..], &[SNAPSHOT]].concat();
    let bytes: u64 = eventually(Duration::from_mins(1), "a picture", || {
        cluster.kubectl(&ask).ok()?.trim().parse().ok()
    })?;
    ensure!(bytes > 1000, "{bytes} bytes are no picture");
    // An error if the process would load them all to know them.
    cluster.kubectl(&[&shell[..], &[PLUGINS]].concat())?;
    Ok(())
}
