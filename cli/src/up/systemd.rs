//! What systemd is told where it started us (`Type=notify`): when all is up, that we are alive, and how the cameras are.

use sd_notify::NotifyState;

/// What systemd sets for us, and only for us.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// All that should run was started.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// From here on everything ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A loop that goes round.
#[derive(Debug, Default)]
pub struct Pulse {
    told: String,
}

impl Pulse {
    /// It went round once more. Said more often than any watchdog asks for.
    pub fn alive(&mut self, streaming: usize, cameras: usize) {
        let status = format!("{streaming} of {cameras} cameras stream");
        if status == self.told {
            tell(&[NotifyState::Watchdog]);
        } else {
            tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
            self.told = status;
        }
    }
}

/// Silent where systemd did not start us.
fn tell(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd does not listen");
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::{Cli, Command, UpOutput};

    const UNIT: &str = include_str!("../../../manifests/systemd/streamhub.service");
    const COMPOSE: &str = include_str!("../../../manifests/compose.yaml");

    fn exec_start() -> &'static str {
        let mut lines = UNIT.lines();
        lines
            .find_map(|line| line.strip_prefix("ExecStart="))
            .unwrap()
    }

    fn is_up(words: &[&str]) -> bool {
        let cli = Cli::try_parse_from(words).unwrap();
        matches!(cli.command, Command::Up(_))
    }

    #[test]
    fn the_unit_and_the_container_start_what_there_is() {
        let start = exec_start();
        assert!(is_up(&start.split(' ').collect::<Vec<_>>()));

        let image = format!("streamhub/ingest:{}\n", env!("CARGO_PKG_VERSION"));
        assert!(COMPOSE.contains(&image), "{image}");
        let command = COMPOSE
            .lines()
            .find_map(|line| line.trim().strip_prefix("command: "))
            .unwrap();
        let mut words: Vec<&str> = serde_json::from_str(command).unwrap();
        words.insert(0, "streamhub");
        assert!(is_up(&words));
    }

    #[test]
    fn the_unit_says_to_systemd_what_it_must_know() {
        let lines: Vec<&str> = UNIT.lines().collect();
        for (line, without) in [
            ("Type=notify", "it is active before anything runs"),
            ("WatchdogSec=60", "one that hangs is left hanging"),
            ("Restart=always", "one that the watchdog ended stays away"),
            ("SupplementaryGroups=video", "no camera may be opened"),
        ] {
            assert!(lines.contains(&line), "without {line} {without}");
        }
        for (setting, with) in [
            ("NotifyAccess=", "others than the main process speak"),
            ("StandardOutput=", "lines may miss the journal"),
            ("StandardError=", "lines may miss the journal"),
            ("PrivateDevices=", "/dev may have no cameras"),
        ] {
            let set = lines.iter().find(|line| line.starts_with(setting));
            assert_eq!(set, None, "the default is right; otherwise {with}");
        }
    }

    #[test]
    fn the_unit_writes_lines_of_a_log() {
        let start = exec_start();
        let cli = Cli::try_parse_from(start.split(' ')).unwrap();
        let Command::Up(args) = cli.command else {
            panic!("{start}");
        };
        assert_eq!(args.output, Some(UpOutput::Log), "{start}");
    }

    /// A name would only stand for what is plugged in when the unit is started.
    #[test]
    fn the_unit_may_open_cameras_that_are_plugged_in_later() {
        let allowed: Vec<&str> = UNIT
            .lines()
            .filter_map(|line| line.strip_prefix("DeviceAllow="))
            .collect();
        for device in ["char-81 rw", "char-226 rw"] {
            assert!(allowed.contains(&device), "{allowed:?}");
        }
    }
}
