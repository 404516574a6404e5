//! Exit codes that scripts can use.

use std::process::ExitCode;

/// The codes, as `--help` and the reference page print them.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  failed, or `validate` or `doctor` found problems
  2  wrong usage
  3  not found, or nothing came in time
  4  NATS or the API server refused us: unauthorized
  5  NATS or the API server cannot be reached
  6  another `up` holds this state folder";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Failed, or problems were found.
    Failure = 1,
    /// Wrong usage.
    Usage = 2,
    /// Not found, or nothing came in time.
    NotFound = 3,
    /// NATS refused us.
    Unauthorized = 4,
    /// NATS cannot be reached.
    Unreachable = 5,
    /// Another `up` holds the state folder.
    Busy = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
