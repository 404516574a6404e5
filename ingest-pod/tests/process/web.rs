//! The web server of `web.py`, and what it serves.

use std::path::Path;
use std::process::Command;
use std::thread;

use streamhub_testkit::canary::PASSWORD;
use streamhub_testkit::{Certificates, Folder, Proc, clip, paths};

use crate::support::{PATIENCE, http_get};

/// A running server and its folder.
pub struct Web {
    pub folder: Folder,
    _password: Folder,
    proc: Proc,
    port: u16,
    scheme: &'static str,
}

impl Web {
    /// Serves what is put into its folder.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// The same over TLS.
    pub fn with(certificates: Option<&Certificates>) -> Self {
        let folder = Folder::new().expect("temporary folder");
        let password = Folder::new().expect("temporary folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/web.py");
        let mut command = Command::new(paths::python().expect("Python"));
        command
            .arg(script)
            .arg(folder.path())
            .arg(password.write("password", PASSWORD).expect("a file"));
        if let Some(certificates) = certificates {
            command
                .arg(certificates.server_certificate())
                .arg(certificates.server_key());
        }
        let mut proc = Proc::spawn("web", &mut command).expect("the server starts");
        let line = proc.wait_for_line("port ", PATIENCE).expect("a port");
        let port = line
            .trim_start_matches("port ")
            .trim()
            .parse()
            .expect("a port");
        Self {
            folder,
            _password: password,
            proc,
            port,
            scheme: if certificates.is_some() {
                "https"
            } else {
                "http"
            },
        }
    }

    /// The same with ten pictures of a film in the folder.
    pub fn with_pictures() -> (Self, Vec<Vec<u8>>) {
        let web = Self::start();
        let pictures = web.add_pictures();
        (web, pictures)
    }

    /// Puts ten pictures of a film into the folder.
    pub fn add_pictures(&self) -> Vec<Vec<u8>> {
        let film = clip("h264-720p25.mkv").expect("clip");
        self.ffmpeg(&[
            "-i",
            text(&film),
            "-frames:v",
            "10",
            "-q:v",
            "5",
            "%02d.jpg",
        ]);
        let picture = |n: u32| std::fs::read(self.folder.path().join(format!("{n:02}.jpg")));
        (1..=10).map(|n| picture(n).expect("picture")).collect()
    }

    /// Runs ffmpeg in the folder, to its end.
    pub fn ffmpeg(&self, arguments: &[&str]) {
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments)
            .current_dir(self.folder.path())
            .status()
            .expect("ffmpeg");
        assert!(status.success(), "ffmpeg {arguments:?}");
    }

    /// `path` on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.proc.kill().expect("the server ends");
    }

    /// The requests so far: path, `none`, `Basic` or `Digest`, and range.
    pub fn requests(&self) -> Vec<String> {
        let out = self.proc.stdout();
        out.lines()
            .filter_map(|line| line.strip_prefix("GET "))
            .map(str::to_owned)
            .collect()
    }
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8 path")
}

#[test]
fn each_of_many_requests_at_once_is_told_in_a_line_of_its_own() {
    let web = Web::start();
    let ask = || (0..50).for_each(|_| drop(http_get(web.port, "/basic")));
    thread::scope(|threads| (0..8).for_each(|_| drop(threads.spawn(ask))));
    let told = web.requests();
    assert_eq!(told, vec!["/basic none -"; 400]);
}
