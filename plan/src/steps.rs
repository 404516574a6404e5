//! From what runs to what should run.

use std::collections::BTreeMap;

use crate::key::CameraKey;
use crate::plan::Plan;

/// What was applied to something that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// [`Run::config_hash`](crate::Run::config_hash) of what it was given last.
    pub config_hash: String,
    /// [`Run::process_hash`](crate::Run::process_hash) of what it was started with.
    pub process_hash: String,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// End it: the camera is gone, disabled or refused.
    Stop(CameraKey),
    /// Give it new configuration; it goes on.
    Update(CameraKey),
    /// End it and start it anew with the new configuration.
    Replace(CameraKey),
    /// Start it.
    Start(CameraKey),
}

/// What to do so that `plan` runs where `applied` does. What ends comes first: it may hold what another needs.
pub fn steps(applied: &BTreeMap<CameraKey, Applied>, plan: &Plan) -> Vec<Step> {
    let stops = applied
        .keys()
        .filter(|key| !plan.runs.contains_key(key))
        .cloned()
        .map(Step::Stop);
    let rest = plan
        .runs
        .iter()
        .filter_map(|(key, run)| match applied.get(key) {
            None => Some(Step::Start(key.clone())),
            Some(old) if old.process_hash != run.process_hash => Some(Step::Replace(key.clone())),
            Some(old) if old.config_hash != run.config_hash => Some(Step::Update(key.clone())),
            Some(_) => None,
        });
    stops.chain(rest).collect()
}
