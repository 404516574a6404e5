//! Command line of `streamhub-ingest`.

use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use streamhub_crds::DeviceIdentity;
use streamhub_logging::LogFormat;

use crate::fallback::FRESH_FOR;

/// Reads one camera and publishes timestamped JPEG frames with metadata on NATS.
///
/// Exit codes: 0 ended as asked or at the end of a file; 1 could not start; 2 wrong usage; 76 a newer
/// instance of this camera publishes; 78 the configuration or the file can never work.
#[derive(Debug, Parser)]
#[command(version, name = "streamhub-ingest")]
pub struct Args {
    /// The Camera document (YAML); followed for changes
    #[arg(long, value_name = "FILE")]
    pub camera: PathBuf,
    /// The `StreamHub` document (YAML); followed for changes. Absent: the hub `default` with all defaults
    #[arg(long, value_name = "FILE")]
    pub hub: Option<PathBuf>,
    /// Server to use where the hub names none
    #[arg(long, value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,
    /// Folder with Secrets as DIR/<name>/<key> [default: `secrets` beside the Camera document]
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Where relative file paths start [default: the folder of the Camera document]
    #[arg(long, value_name = "DIR")]
    pub media_root: Option<PathBuf>,
    /// Folder for films fetched from servers; cameras of one machine may share it [default: `streamhub/media` in the
    /// user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub media_cache: Option<PathBuf>,
    /// Most that is kept there, such as 500MiB or 2GiB; what was not played for the longest time goes first
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = bytes)]
    pub media_cache_size: u64,
    /// The capture device to read, whatever the Camera's `deviceSelector` says, which chose it already [default: the one
    /// that the selector means, looked for anew whenever it is opened]
    #[arg(long, value_name = "PATH")]
    pub capture_device: Option<PathBuf>,
    /// What that device must be, checked whenever it is opened: `status.identity` of its `VideoDevice`
    #[arg(long, value_name = "JSON", requires = "capture_device", value_parser = identity)]
    pub expect_device: Option<DeviceIdentity>,
    /// Where sysfs is; for tests
    #[arg(long, value_name = "DIR", hide = true, default_value = "/sys")]
    pub sysfs: PathBuf,
    /// Address for /healthz, /readyz, /metrics and /status; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Which start of this camera this is, UNIX milliseconds; the highest publishes [default: now]
    #[arg(long, value_name = "N")]
    pub incarnation: Option<u64>,
    /// What to do once only a person can help (or the file is through): end, or stay up and say so
    #[arg(long, value_enum, default_value_t = Final::Exit)]
    pub on_permanent_error: Final,
    /// Seconds for which the camera's own source must be fresh before it takes over from a fallback; for tests
    #[arg(long, value_name = "SECONDS", hide = true, default_value_t = FRESH_FOR.as_secs_f64())]
    pub fallback_fresh_for: f64,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`
    #[arg(
        long,
        value_name = "FILTER",
        env = "STREAMHUB_LOG",
        default_value = "info,async_nats=warn",
        value_parser = streamhub_logging::filter
    )]
    pub log_level: String,
}

fn identity(text: &str) -> Result<DeviceIdentity, String> {
    let identity: DeviceIdentity = serde_json::from_str(text)
        .map_err(|error| format!("{error}: write it as {{\"bus\": \"usb\", \"serial\": ...}}"))?;
    if identity.bus.is_empty() || identity.path.is_empty() {
        return Err("bus and path are missing: take status.identity of the VideoDevice".to_owned());
    }
    Ok(identity)
}

/// Bytes, written with a unit of 1024.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (number, shift) = units
        .into_iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)))
        .unwrap_or((text, 0));
    let number: u64 = number
        .trim()
        .parse()
        .map_err(|_| "write a whole number of bytes, or of KiB, MiB, GiB or TiB".to_owned())?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "must be more than nothing and less than 16777216 TiB".to_owned())
}

/// What follows an end that only a person can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Final {
    /// End the process.
    Exit,
    /// Stay up, not ready, with the reason in status and log, and wait for a change of the documents.
    Stay,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_expected_only_as_its_status_says_it() {
        let usb = r#"{"bus": "usb", "serial": "A1B2", "path": "usb-1-1:1.0", "index": 0}"#;
        let expected = identity(usb).unwrap();
        assert_eq!(expected.serial.as_deref(), Some("A1B2"));
        for wrong in ["", "{}", "[1]", r#"{"bus": "usb", "path": 1}"#] {
            assert!(identity(wrong).is_err(), "{wrong}");
        }
        let args = [
            "streamhub-ingest",
            "--camera",
            "c.yaml",
            "--expect-device",
            usb,
        ];
        assert!(Args::try_parse_from(args).is_err(), "of which device?");
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("500 MiB"), Ok(500 << 20));
        assert_eq!(bytes("4096"), Ok(4096));
        for wrong in ["", "GiB", "2GB", "-1", "0", "99999999999TiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
