//! `streamhub up` as a service: what it tells systemd, and the unit that it is started by.

// Helpers of tests may fail as tests may.
#![allow(clippy::indexing_slicing, clippy::panic)]

mod support;

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use streamhub_testkit::{Folder, Signal, free_port, repository};
use support::{SOON, Up, test_camera};

/// Says what systemd set for `up`, and stays.
const CURIOUS: &str = "#!/bin/sh\necho \"socket ${NOTIFY_SOCKET:-none}\" >&2\nexec sleep 600\n";

/// Says something bad in the way of our processes, and stays.
const WORRIED: &str =
    "#!/bin/sh\necho '2026-11-22T04:55:17Z  WARN it is dark' >&2\nexec sleep 600\n";
/// Starts a program as systemd does with journald at its standard output.
const JOURNAL: &str = "export JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/1); exec \"$@\"";

fn wait_for(socket: &UnixDatagram, wanted: &str) -> String {
    let until = Instant::now() + SOON;
    let mut buffer = [0; 4096];
    let mut heard = String::new();
    while Instant::now() < until {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if message.lines().any(|line| line == wanted) {
                    return message;
                }
                heard.push_str(&message);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no {wanted} in {heard}");
}

#[test]
fn systemd_is_told_when_it_is_ready_alive_and_stopping() {
    let manifests = Folder::new().unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let sockets = Folder::new().unwrap();
    let path = sockets.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut up = Up::start_by(manifests, CURIOUS, |command| {
        let port = free_port().unwrap().to_string();
        command
            .args(["--nats-port", &port])
            .env("NOTIFY_SOCKET", &path);
    });

    wait_for(&socket, "READY=1");
    let runtime = up.runtime().unwrap();
    assert_eq!(runtime["cameras"][0]["name"], "door");
    assert!(runtime["nats"]["url"].is_string());
    let message = wait_for(&socket, "WATCHDOG=1");
    assert!(
        message.contains("STATUS=0 of 1 cameras stream"),
        "{message}"
    );
    wait_for(&socket, "WATCHDOG=1");
    up.process
        .wait_for_line("[door] socket none", SOON)
        .unwrap();
    up.process.signal(Signal::TERM).unwrap();
    wait_for(&socket, "STOPPING=1");
    assert_eq!(up.process.wait(SOON).unwrap().code(), Some(0));
}

#[test]
fn journald_is_told_how_bad_a_line_is() {
    let manifests = Folder::new().unwrap();
    manifests
        .write("door.yaml", &test_camera("door", ""))
        .unwrap();
    let port = free_port().unwrap().to_string();
    let mut up = Up::start_by(manifests, WORRIED, |command| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", JOURNAL, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .args(["--nats-port", &port]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        *command = shell;
    });
    for (line, priority) in [("it is dark", "<4>[door] "), ("NATS server on", "<6>")] {
        let line = up.process.wait_for_line(line, SOON).unwrap();
        assert!(line.starts_with(priority), "{line}");
    }
    up.process.signal(Signal::TERM).unwrap();
    assert_eq!(up.process.wait(SOON).unwrap().code(), Some(0));
    let bare = up.process.stdout();
    let bare: Vec<&str> = bare.lines().filter(|line| !line.starts_with('<')).collect();
    assert!(bare.is_empty(), "{bare:?}");
}

#[test]
fn journald_is_told_that_what_kept_it_from_starting_is_an_error() {
    let output = Command::new("sh")
        .args(["-c", &JOURNAL.replace("fd/1", "fd/2"), "sh"])
        .args([
            env!("CARGO_BIN_EXE_streamhub"),
            "up",
            "-f",
            "/no/such/folder",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("<3>streamhub: "), "{said}");
}

#[test]
fn systemd_takes_the_unit() {
    let file = repository().join("manifests/systemd/streamhub.service");
    let unit = std::fs::read_to_string(file).unwrap();
    // It must be there for systemd to be content.
    let here = unit.replace("/usr/local/bin/streamhub", env!("CARGO_BIN_EXE_streamhub"));
    assert_ne!(unit, here);
    let folder = Folder::new().unwrap();
    let path = folder.write("streamhub.service", &here).unwrap();
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(path)
        .output();
    let verify = verify.expect("systemd-analyze is missing: run scripts/setup test");
    let said = String::from_utf8_lossy(&verify.stderr);
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("streamhub.service"))
        .collect();
    assert!(verify.status.success() && ours.is_empty(), "{said}");
}
