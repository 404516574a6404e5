//! The bad camera, read by ffmpeg, which is neither ours nor GStreamer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use streamhub_testkit::Badcam;

/// Frames that ffmpeg decodes of twenty, with what it complained of.
fn read(camera: &Badcam, transport: &str) -> (usize, String) {
    let output = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-rtsp_transport",
            transport,
            "-i",
        ])
        .arg(camera.url())
        .args([
            "-frames:v",
            "20",
            "-fps_mode",
            "passthrough",
            "-f",
            "framecrc",
            "-",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let frames = text.lines().filter(|line| !line.starts_with('#')).count();
    (frames, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_camera_that_is_told_nothing_bad_is_a_good_one_for_each_codec_and_transport() {
    let clips = [
        "h264-720p25.mkv",
        "h264-bframes-720p25.mp4",
        "h265-720p25.mp4",
        "mjpeg-720p25.avi",
    ];
    std::thread::scope(|scope| {
        for clip in clips {
            for transport in ["tcp", "udp"] {
                scope.spawn(move || {
                    let camera = Badcam::start(&format!("clip={clip}")).unwrap();
                    let (frames, complaints) = read(&camera, transport);
                    assert_eq!(
                        (frames, complaints.as_str()),
                        (20, ""),
                        "{clip} {transport}"
                    );
                    assert_eq!(camera.seen().plays, 1);
                });
            }
        }
    });
}

#[test]
fn passwords_are_asked_for_and_redirects_are_sent() {
    for auth in ["basic", "digest"] {
        let camera = Badcam::start(&format!("auth={auth}; login=viewer:geheim")).unwrap();
        assert_eq!(read(&camera, "tcp").0, 0);
        let entrance = Badcam::start(&format!(
            "redirect=302:{}",
            camera.url().replace("rtsp://", "rtsp://viewer:geheim@")
        ))
        .unwrap();
        assert_eq!(read(&entrance, "tcp").0, 20, "{auth}");
    }
}
