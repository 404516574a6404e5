//! A device that sends JPEG: `v4l2loopback`, with a film played into its other end.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use streamhub_e2e::{Camera, Frames, Vm, until};
use streamhub_testkit::{Folder, clip};

use crate::real::{PATIENCE, Real};
use streamhub_e2e::devices::{Device, listing, show};

/// The machine's other device is there as well.
const PLAYER: &str = "source: {v4l2: {deviceSelector: {node: vm1, devicePath: /dev/video9}, mode: {fourcc: MJPG}}}, \
     frames: [{name: main}]";

/// Every frame is one of the film's pictures, byte for byte.
pub async fn jpeg_is_passed_on_as_it_is(real: &Real) -> Result<()> {
    let Real { cluster, vm, .. } = real;
    let film = clip("mjpeg-720p25.avi")?;
    let folder = Folder::new()?;
    let split = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(&film)
        .args(["-c:v", "copy"])
        .arg(folder.path().join("%d.jpg"))
        .status()?;
    ensure!(split.success(), "ffmpeg ended with {split}");
    let originals: BTreeSet<Vec<u8>> = fs::read_dir(folder.path())?
        .map(|entry| Ok(fs::read(entry?.path())?))
        .collect::<Result<_>>()?;
    ensure!(originals.len() > 100, "{} pictures", originals.len());

    // Five pictures a second, and four buffers in place of two: the driver writes over the oldest whether or not the reader
    // has done with it, which a slow one then has more than half a second for.
    vm.exec(&format!(
        "modprobe -r v4l2loopback
         modprobe v4l2loopback video_nr=9 exclusive_caps=1 max_buffers=4
         chown root:video /dev/video9
         chmod 660 /dev/video9
         setsid ffmpeg -nostdin -v error -readrate 0.2 -stream_loop -1 -i {} -c:v copy -f v4l2 /dev/video9 \
             > /run/player.log 2>&1 &",
        film.display()
    ))?;
    until(PATIENCE, || {
        let all = Device::all_of(cluster, Vm::NODE)?;
        let found = all.iter().any(|device| device.path() == "/dev/video9");
        ensure!(
            found,
            "no loopback device: {}",
            vm.exec("cat /run/player.log")?
        );
        Ok(())
    })?;
    let player = Camera::apply(cluster, real.namespace.name(), "player", PLAYER)?;
    let mut frames = Frames::subscribe(cluster, &real.frames_of(&player)).await?;
    // The first one too: of the driver's whole buffer, which it hands to a reader that has just begun, the picture alone.
    for _ in 0..21 {
        let frame = frames.next(PATIENCE).await?;
        ensure!(
            originals.contains(&frame.picture),
            "a frame that is no picture of the film: {}; {:#}",
            likeness(&frame.picture, &originals),
            frame.metadata
        );
    }
    listing(cluster, &player)?;
    show(cluster, "JPEG from a second device, as it came")
}

/// How far a picture is like one of the film from its begin, and how far from its end: two halves of two are torn.
fn likeness(picture: &[u8], originals: &BTreeSet<Vec<u8>>) -> String {
    let begin = originals.iter().map(|original| {
        let pairs = picture.iter().zip(original);
        pairs.take_while(|(a, b)| a == b).count()
    });
    let end = originals.iter().map(|original| {
        let pairs = picture.iter().rev().zip(original.iter().rev());
        pairs.take_while(|(a, b)| a == b).count()
    });
    let (begin, end) = (begin.max().unwrap_or(0), end.max().unwrap_or(0));
    let all = picture.len();
    format!("of {all} bytes the first {begin} are those of a picture, and the last {end}")
}
