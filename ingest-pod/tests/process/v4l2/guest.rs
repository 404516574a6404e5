//! A camera's process in a virtual machine that has capture devices.

use std::time::Duration;

use streamhub_testkit::vm::{HOST, Vm};
use streamhub_testkit::{NatsServer, eventually, free_port, target_bin};
use streamhub_wire::status::{CameraState, CameraStatus};

use crate::support::{camera, http_get};

/// Everything is several times slower in there.
pub const PATIENCE: Duration = Duration::from_mins(1);

const FRAMES: &str = "frames: [{name: main, fps: 10}]";

/// A camera's process in a virtual machine.
pub struct Guest {
    pub vm: Vm,
    pub http: u16,
}

impl Guest {
    pub fn boot() -> Self {
        let http = free_port().unwrap();
        let vm = Vm::boot(&[http]).unwrap();
        Self { vm, http }
    }

    /// Gives the devices names that stay when their numbers change, as udev does below /dev/v4l/by-id.
    pub fn name_devices(&mut self) {
        self.vm
            .run(
                "for device in /sys/class/video4linux/*; do case $(cat $device/name) in \
                   *vid-cap) ln -sfn /dev/${device##*/} /dev/camera;; \
                   *vid-out) ln -sfn /dev/${device##*/} /dev/player;; \
                   *meta-cap) ln -sfn /dev/${device##*/} /dev/metadata;; \
                 esac; done",
            )
            .unwrap();
    }

    /// Writes another document, as a user who edits it.
    pub fn edit(&mut self, source: &str) {
        let document = camera("desk", &format!("{{source: {{v4l2: {source}}}, {FRAMES}}}"));
        self.vm
            .run(&format!(
                "printf '%s' \"{}\" > camera.new && mv camera.new camera.yaml",
                document.replace('"', "\\\"")
            ))
            .unwrap();
    }

    /// Starts the camera's process: what comes before its command line and behind it.
    pub fn start(&mut self, (prefix, more): (&str, &str), nats: &NatsServer) -> u32 {
        let command = format!(
            "{prefix} {} {more} --camera /tmp/camera.yaml --nats-url nats://{HOST}:{} --http 0.0.0.0:{} --on-permanent-error stay",
            env!("CARGO_BIN_EXE_streamhub-ingest"),
            nats.port(),
            self.http
        );
        self.vm.spawn(&command).unwrap()
    }

    pub fn end(&mut self, process: u32) {
        self.vm
            .run(&format!(
                "kill {process}; while kill -0 {process}; do sleep 0.1; done 2> /dev/null; true"
            ))
            .unwrap();
    }

    fn status(&self) -> Option<CameraStatus> {
        CameraStatus::parse(http_get(self.http, "/status")?.1.as_bytes()).ok()
    }

    pub fn wait_for(&self, what: &str, wanted: impl Fn(&CameraStatus) -> bool) -> CameraStatus {
        eventually(PATIENCE, what, || self.status().filter(&wanted)).unwrap_or_else(|error| {
            panic!(
                "{error}; last status {:#?}\n{}",
                self.status(),
                self.vm.console()
            )
        })
    }

    pub fn wait_for_reason(&self, reason: &str) -> CameraStatus {
        self.wait_for(reason, |status| status.reason == reason)
    }

    pub fn wait_ready(&self, url: &str) -> CameraStatus {
        self.wait_for("ready", |status| {
            let known = status.source.url == url && status.source.width > 0;
            status.ready && status.state == CameraState::Streaming && known
        })
    }

    /// What `streamhub devices` says.
    pub fn listed(&mut self) -> Vec<serde_json::Value> {
        let program = target_bin("streamhub").unwrap();
        let command = format!("{} devices --output json", program.display());
        let lines = self.vm.run(&command).unwrap();
        let lines = lines.lines().filter(|line| line.starts_with('{'));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
