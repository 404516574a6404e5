//! What the cameras of the tests send, read by a client that has none of their code.

// A helper of a test may fail as the test may.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use gstreamer as gst;
use gstreamer::prelude::*;
use streamhub_testkit::{Certificates, Testcam, Vlc, clip};

/// Codec, width, height and how many packets came in `seconds`, as ffprobe sees them.
fn probe(url: &str, transport: &str, seconds: u32) -> Result<(String, usize), String> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-rtsp_transport",
            transport,
            "-count_packets",
            "-of",
            "csv=p=0",
        ])
        .args([
            "-show_entries",
            "stream=codec_name,width,height,nb_read_packets",
        ])
        .args(["-read_intervals", &format!("%+{seconds}"), url])
        .output()
        .unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    match line.trim().rsplit_once(',') {
        Some((picture, packets)) => Ok((picture.to_owned(), packets.parse().unwrap())),
        None => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn films_loop_in_real_time_over_tcp_and_udp() {
    let camera = Testcam::options()
        .film("/h264", &clip("h264-1080p30.mp4").unwrap())
        .film("/mjpeg", &clip("mjpeg-720p25.avi").unwrap())
        .start()
        .unwrap();
    // Both films last five seconds; seven need the loop.
    for (path, picture, transport, packets) in [
        ("/h264", "h264,1920,1080", "tcp", 210),
        ("/mjpeg", "mjpeg,1280,720", "udp", 175),
    ] {
        let (found, count) = probe(&camera.url(path), transport, 7).unwrap();
        assert_eq!(found, picture);
        assert!(count.abs_diff(packets) < 20, "{path}: {count} packets");
    }
}

#[test]
fn passwords_are_asked_for() {
    let camera = |options: fn() -> streamhub_testkit::TestcamOptions| {
        options().test_picture("/cam", "h264").start().unwrap()
    };
    let basic = camera(|| Testcam::options().basic("viewer", "s3cret"));
    let digest = camera(|| Testcam::options().digest("viewer", "s3cret"));
    for camera in [basic, digest] {
        let refused = probe(&camera.url("/cam"), "tcp", 1).unwrap_err();
        assert!(refused.contains("401"), "{refused}");
        let with_login = camera.url("/cam").replace("://", "://viewer:s3cret@");
        assert_eq!(probe(&with_login, "tcp", 1).unwrap().0, "h264,640,360");
    }
}

#[test]
fn rtsps_needs_the_authority() {
    gst::init().unwrap();
    let certificates = Certificates::generate().unwrap();
    let camera = Testcam::options()
        .tls(&certificates)
        .test_picture("/cam", "h264")
        .start()
        .unwrap();
    let reads = |authority: Option<&Path>| {
        let description = "rtspsrc name=source protocols=tcp ! fakesink num-buffers=5";
        let pipeline = gst::parse::launch(description).unwrap();
        let source = pipeline
            .downcast_ref::<gst::Bin>()
            .unwrap()
            .by_name("source")
            .unwrap();
        source.set_property("location", camera.url("/cam"));
        if let Some(file) = authority {
            source.set_property("tls-database", gio::TlsFileDatabase::new(file).unwrap());
        }
        pipeline.set_state(gst::State::Playing).unwrap();
        let ends = [gst::MessageType::Eos, gst::MessageType::Error];
        let limit = gst::ClockTime::from_seconds(30);
        let end = pipeline.bus().unwrap().timed_pop_filtered(limit, &ends);
        pipeline.set_state(gst::State::Null).unwrap();
        end.unwrap().type_() == gst::MessageType::Eos
    };
    assert!(reads(Some(&certificates.ca())));
    assert!(!reads(None));
}

#[test]
fn a_camera_comes_back_on_its_port() {
    let mut camera = Testcam::of_clip("h264-720p25.mkv").unwrap();
    let url = camera.url("/cam");
    camera.stop().unwrap();
    assert!(probe(&url, "tcp", 1).is_err());
    camera.restart().unwrap();
    assert_eq!(camera.url("/cam"), url);
    assert_eq!(probe(&url, "tcp", 1).unwrap().0, "h264,1280,720");
    assert_eq!(camera.connections(), 1);
}

#[test]
fn vlc_is_a_camera_of_another_make() {
    let film = clip("h264-1080p30.mp4").unwrap();
    let vlc = Vlc::start(&film, Some(("viewer", "s3cret"))).unwrap();
    assert!(probe(&vlc.url(), "udp", 1).is_err());
    let with_login = vlc.url().replace("://", "://viewer:s3cret@");
    assert_eq!(probe(&with_login, "udp", 3).unwrap().0, "h264,1920,1080");
}
