//! From facts to findings: functions that look at nothing else.

pub mod advice;
mod camera;
mod hub;
mod installation;
mod pod;

pub use camera::of_process;

use super::facts::Facts;
use super::finding::Finding;

/// Everything that is to be said of the facts.
pub fn all(facts: &Facts) -> Vec<Finding> {
    let mut findings = installation::check(facts);
    if facts.server.is_ok() {
        findings.extend(hub::check(facts));
        findings.extend(camera::check(facts));
    }
    findings
}

#[cfg(test)]
mod tests;
