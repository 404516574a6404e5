//! What only minutes show: growth, long outages, and faults that fall into each other.
//!
//! `STREAMHUB_SOAK_MINUTES` sets how long the soak lasts, `STREAMHUB_CHAOS_SEED` which faults strike.

mod chaos;
mod outage;
mod soak;
mod usage;
mod watch;

use std::env;
use std::str::FromStr;

fn from_environment<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    let value = text.parse().ok();
    Some(value.unwrap_or_else(|| panic!("{name} is {text:?}")))
}
