//! `badcam`: an RTSP camera that misbehaves as told, for trying things by hand. Stop it with Ctrl-C.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use streamhub_testkit::badcam::{Badcam, Script};

/// Serves `rtsp://127.0.0.1:PORT/cam` and does wrong what the scenario says.
///
/// For instance `badcam 'clip=h264-720p25.mkv; stall=100'`, or one after the other: `badcam 'silent for 10s | auth=digest'`.
/// All keys are in the documentation of `streamhub_testkit::badcam::Scenario`.
#[derive(Parser)]
struct Arguments {
    /// What the camera does; nothing wrong when empty.
    #[arg(default_value = "")]
    scenario: Script,
    /// TCP port; 0 lets the system choose, and the first line of output tells.
    #[arg(long, default_value_t = 8554)]
    port: u16,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let camera = Badcam::on(arguments.port, arguments.scenario, true)?;
    println!("listening on {}", camera.url());
    loop {
        thread::sleep(Duration::from_hours(1));
    }
}
