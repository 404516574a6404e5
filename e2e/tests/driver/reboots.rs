//! A node with a real driver is shut down and boots again, and again.

use std::time::Instant;

use anyhow::{Result, ensure};
use streamhub_e2e::{FailedPods, Recording};

use crate::real::{PATIENCE, Real};
use streamhub_e2e::devices::show;

#[tokio::test(flavor = "multi_thread")]
async fn three_reboots_leave_no_pile_of_failed_pods() -> Result<()> {
    reboots(3).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "ten minutes; three of them run always"]
async fn ten_reboots_leave_no_pile_of_failed_pods() -> Result<()> {
    reboots(10).await
}

/// A kubelet admits the pods that it had before a device plugin comes back to it, and fails those with devices: once.
async fn reboots(number: usize) -> Result<()> {
    let Some(real) = &Real::begin("reboots")? else {
        return Ok(());
    };
    let Real {
        cluster,
        namespace,
        vm,
        ..
    } = real;
    let desk = real.desk()?;
    desk.is_ready_within(PATIENCE)?;
    let recording = Recording::begin(cluster, &desk).await?;
    let mut failed = FailedPods::watch(cluster, namespace.name())?;
    show(cluster, "before the first reboot")?;
    for reboot in 1..=number {
        let before = failed.so_far()?.len();
        let begin = Instant::now();
        vm.reboot()?;
        let booted = begin.elapsed();
        let came = recording.frames_within(5, PATIENCE).await;
        real.explain(&desk, begin.elapsed());
        came?;
        let more = failed.so_far()?.len() - before;
        println!(
            "reboot {reboot}: the node is ready after {booted:.0?}, frames come after {:.0?}; {more} failed pods",
            begin.elapsed()
        );
        ensure!(more <= 1, "{:#?}", failed.so_far()?);
        desk.is_ready_within(PATIENCE)?;
        show(cluster, &format!("after reboot {reboot}"))?;
    }
    failed.are_at_most(number)?;
    // Those that failed are cleaned up.
    let pods = cluster.kubectl(&["get", "pods", "-n", namespace.name(), "-o=name"])?;
    ensure!(pods.lines().count() == 1, "{pods}");
    recording.has_one_publisher_at_a_time()
}
