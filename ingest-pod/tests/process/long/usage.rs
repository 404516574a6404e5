//! What a process takes from the machine.

use std::path::Path;

use crate::support::Ingest;

/// What a process holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub memory_kb: u64,
    pub descriptors: usize,
    pub threads: usize,
}

impl Usage {
    pub fn of(ingest: &Ingest) -> Self {
        let process = format!("/proc/{}", ingest.proc.id());
        let statm = std::fs::read_to_string(format!("{process}/statm")).expect("it runs");
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .expect("resident")
            .parse()
            .expect("a number");
        let entries = |folder: &str| {
            let folder = Path::new(&process).join(folder);
            std::fs::read_dir(folder).expect("it runs").count()
        };
        Self {
            memory_kb: pages * rustix::param::page_size() as u64 / 1024,
            descriptors: entries("fd"),
            threads: entries("task"),
        }
    }

    pub fn most(usages: &[Self]) -> Self {
        usages.iter().fold(Self::default(), |most, one| Self {
            memory_kb: most.memory_kb.max(one.memory_kb),
            descriptors: most.descriptors.max(one.descriptors),
            threads: most.threads.max(one.threads),
        })
    }
}
