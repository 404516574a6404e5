//! Films of this machine as a volume, from which Cameras play them.

use anyhow::Result;
use streamhub_testkit::cache_dir;

use crate::{Cluster, Namespace};

/// A volume, and a claim on it.
const VOLUME: &str = r#"
apiVersion: v1
kind: PersistentVolume
metadata: {name: e2e-films-NAMESPACE}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadOnlyMany]
  storageClassName: ""
  claimRef: {namespace: NAMESPACE, name: films}
  hostPath: {path: "FOLDER"}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: films}
spec:
  accessModes: [ReadOnlyMany]
  storageClassName: ""
  volumeName: e2e-films-NAMESPACE
  resources: {requests: {storage: 1Gi}}
"#;

/// The claim `films` of a namespace, which has what `scripts/setup` found and made: `footage` and `clips`. Only where the
/// nodes see this machine's files, as those of `e2e/cluster/run` do. The volume goes when this is dropped.
#[derive(Debug)]
pub struct Films {
    cluster: Cluster,
    volume: String,
}

impl Films {
    /// Makes volume and claim.
    pub fn claim(namespace: &Namespace) -> Result<Self> {
        let cluster = namespace.cluster();
        let documents = VOLUME
            .replace("NAMESPACE", namespace.name())
            .replace("FOLDER", &cache_dir()?.to_string_lossy());
        cluster.apply(namespace.name(), &documents)?;
        Ok(Self {
            cluster: cluster.clone(),
            volume: format!("e2e-films-{}", namespace.name()),
        })
    }
}

impl Drop for Films {
    fn drop(&mut self) {
        let delete = ["delete", "persistentvolume", &self.volume, "--wait=false"];
        if let Err(error) = self.cluster.kubectl(&delete) {
            eprintln!("{error:#}");
        }
    }
}
