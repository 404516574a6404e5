//! Passwords that must never be seen again, and the search for them.
//!
//! Tests log in with [`PASSWORD`]; the whole run of the tests is searched for it by the program `leakwatch`, and a
//! single test searches what it alone can see, such as NATS subjects.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use futures::StreamExt;
use memchr::memmem;
use tokio::task::JoinHandle;

/// The password of every test that has one to hide. Its characters change when a URL carries them.
pub const PASSWORD: &str = "cAnArY+k9/Zq%u2=Xw~7";

/// Where a password was seen, and in what form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// A file, a process or a subject.
    pub place: String,
    /// `plain`, `URL-encoded` or `base64`.
    pub form: &'static str,
}

/// The search for one password in every form that programs bring passwords into.
#[derive(Debug)]
pub struct Search {
    needles: Vec<(&'static str, Vec<u8>)>,
}

impl Default for Search {
    fn default() -> Self {
        Self::new(PASSWORD)
    }
}

impl Search {
    /// Searches for this password; shorter than eight characters it would be found by chance.
    pub fn new(password: &str) -> Self {
        let mut needles = vec![("plain", password.as_bytes().to_vec())];
        for upper in [true, false] {
            needles.push(("URL-encoded", url_encoded(password, upper).into_bytes()));
        }
        // Within a longer text (`user:password`) the password begins at any of three positions of a group.
        for shift in 0..3 {
            let mut text = vec![0; shift];
            text.extend_from_slice(password.as_bytes());
            for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
                let encoded = encoding.encode(&text);
                let whole = (shift * 8).div_ceil(6)..text.len() * 8 / 6;
                if let Some(part) = encoded.as_bytes().get(whole) {
                    needles.push(("base64", part.to_vec()));
                }
            }
        }
        Self { needles }
    }

    /// The form in which the password is in these bytes, if it is.
    pub fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        let found = |(_, needle): &&(&str, Vec<u8>)| memmem::find(bytes, needle).is_some();
        self.needles.iter().find(found).map(|(form, _)| *form)
    }

    /// Searches every file under a folder, links not followed.
    pub fn folder(&self, folder: &Path) -> io::Result<Vec<Leak>> {
        let mut leaks = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                leaks.extend(self.folder(&entry.path())?);
            } else if kind.is_file() {
                leaks.extend(self.leak(&fs::read(entry.path())?, || {
                    entry.path().display().to_string()
                }));
            }
        }
        Ok(leaks)
    }

    /// Searches command line and environment of every process that this user may look at, at this moment.
    pub fn processes(&self) -> io::Result<Vec<Leak>> {
        let mut leaks = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let process = entry?.path();
            for name in ["cmdline", "environ"] {
                // Not a process, another user's, or gone since it was listed.
                let Ok(bytes) = fs::read(process.join(name)) else {
                    continue;
                };
                leaks.extend(self.leak(&bytes, || {
                    let program = fs::read_to_string(process.join("comm")).unwrap_or_default();
                    format!("{}/{name} ({})", process.display(), program.trim())
                }));
            }
        }
        Ok(leaks)
    }

    fn leak(&self, bytes: &[u8], place: impl Fn() -> String) -> Option<Leak> {
        self.find(bytes).map(|form| Leak {
            place: place(),
            form,
        })
    }
}

/// Reads every message of a NATS server (subject, headers and payload) and searches it, until dropped.
#[derive(Debug)]
pub struct NatsSearch {
    leaks: Arc<Mutex<Vec<Leak>>>,
    task: JoinHandle<()>,
}

impl NatsSearch {
    /// Begins with the next message; `client` must be allowed to read `>`.
    pub async fn start(client: &async_nats::Client, search: Search) -> Result<Self> {
        let mut messages = client.subscribe(">").await?;
        client.flush().await?;
        let leaks = Arc::new(Mutex::new(Vec::new()));
        let found = Arc::clone(&leaks);
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                let mut text = format!("{} ", message.subject).into_bytes();
                for (name, values) in message.headers.iter().flat_map(|headers| headers.iter()) {
                    text.extend_from_slice(name.as_ref());
                    for value in values {
                        text.extend_from_slice(value.as_str().as_bytes());
                    }
                }
                text.extend_from_slice(&message.payload);
                if let Some(leak) = search.leak(&text, || message.subject.to_string()) {
                    found
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(leak);
                }
            }
        });
        Ok(Self { leaks, task })
    }

    /// What was found so far.
    pub fn leaks(&self) -> Vec<Leak> {
        self.leaks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for NatsSearch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn url_encoded(text: &str, upper: bool) -> String {
    let encode = |byte: u8| match byte {
        _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
            char::from(byte).to_string()
        }
        _ if upper => format!("%{byte:02X}"),
        _ => format!("%{byte:02x}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::{Folder, NatsServer, Proc, eventually, eventually_async};

    /// Not [`PASSWORD`]: what is planted here must not be found by the search of the whole run.
    const PLANTED: &str = "pLaNtEd+k9/Zq%u2=Xw~7";

    #[test]
    fn every_form_of_a_leak_is_found() {
        let search = Search::new(PLANTED);
        for user in ["", "a", "ab", "abc"] {
            let header = BASE64_NOPAD.encode(format!("{user}:{PLANTED}:x").as_bytes());
            assert_eq!(search.find(header.as_bytes()), Some("base64"), "{user}");
        }
        let url = format!("rtsp://u:{}@host/", url_encoded(PLANTED, false));
        assert_eq!(search.find(url.as_bytes()), Some("URL-encoded"));
        assert_eq!(search.find(PLANTED.as_bytes()), Some("plain"));
        assert_eq!(search.find(b"rtsp://u:***@host/"), None);
    }

    #[test]
    fn leaks_in_files_and_processes_are_found() {
        let search = Search::new(PLANTED);
        let folder = Folder::new().unwrap();
        folder.write("clean.log", "nothing here").unwrap();
        assert_eq!(search.folder(folder.path()).unwrap(), []);
        let log = folder
            .write("leaking.log", &format!("auth failed for {PLANTED}"))
            .unwrap();
        let leaks = search.folder(folder.path()).unwrap();
        assert_eq!(leaks[0].place, log.display().to_string());

        let mut command = Command::new("sleep");
        command.arg("60").env("CAMERA_PASSWORD", PLANTED);
        let leaking = Proc::spawn("sleep", &mut command).unwrap();
        let place = format!("/proc/{}/environ (sleep)", leaking.id());
        eventually(Duration::from_secs(10), "the planted leak", || {
            let leaks = search.processes().unwrap();
            leaks.into_iter().find(|leak| leak.place == place)
        })
        .unwrap();
    }

    #[tokio::test]
    async fn leaks_on_nats_are_found() {
        let server = NatsServer::start().unwrap();
        let client = server.connect().await.unwrap();
        let watch = NatsSearch::start(&client, Search::new(PLANTED))
            .await
            .unwrap();
        client.publish("clean", "x".into()).await.unwrap();
        client
            .publish("events.cam.lost", PLANTED.into())
            .await
            .unwrap();
        let limit = Duration::from_secs(10);
        eventually_async(limit, "the planted leak", || async {
            (!watch.leaks().is_empty()).then_some(())
        })
        .await
        .unwrap();
        assert_eq!(watch.leaks().len(), 1);
        assert_eq!(watch.leaks()[0].place, "events.cam.lost");
    }
}
