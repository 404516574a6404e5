//! Lines for journald, which takes the priority of each from its beginning: sd-daemon(3).

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;

use tracing::Level;

/// Whether this output leads to journald: systemd then names it in `JOURNAL_STREAM`. Programs that are started with another
/// output inherit the variable.
pub fn is_journal(output: &impl AsFd) -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| is_named(output.as_fd(), &stream))
}

fn is_named(output: BorrowedFd, stream: &str) -> bool {
    let output = output.try_clone_to_owned().map(File::from);
    let file = output.and_then(|output| output.metadata());
    file.is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}

/// What a line of this level begins with.
pub fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_told_by_its_numbers() {
        let (one, other) = (File::open("/dev/null"), File::open("/proc/self/status"));
        let (one, other) = (one.unwrap(), other.unwrap());
        let file = one.metadata().unwrap();
        let stream = format!("{}:{}", file.dev(), file.ino());
        assert!(is_named(one.as_fd(), &stream));
        assert!(!is_named(other.as_fd(), &stream));
        assert!(!is_named(one.as_fd(), ""));
    }
}
