//! What the kernel says of the node's clock: `adjtimex(2)`, read only.

use std::io;
use std::time::Duration;

/// The clock's state as the kernel keeps it for the program that disciplines the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockState {
    /// `STA_UNSYNC` is not set: a program has synchronised the clock, and not too long ago.
    pub synchronised: bool,
    /// How far off the clock may be at most; the kernel lets it grow by 500 ppm until it is set anew.
    pub max_error: Duration,
    /// How far off the clock probably is.
    pub estimated_error: Duration,
}

/// Reads the state; needs no privilege.
///
/// The bare system call, since glibc makes `clock_adjtime` of it, which the seccomp profiles of container
/// runtimes keep for those who may set the clock.
pub fn read() -> io::Result<ClockState> {
    // SAFETY: timex holds integers and arrays of integers only, for which all zero bytes are a valid value.
    #[allow(unsafe_code)]
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, exclusively borrowed timex of the kernel's own layout on this
    // architecture; with modes = 0 the call writes to that struct and changes nothing else.
    #[allow(unsafe_code)]
    let answer = unsafe { libc::syscall(libc::SYS_adjtimex, &raw mut timex) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    let micros = |value: libc::c_long| Duration::from_micros(u64::try_from(value).unwrap_or(0));
    Ok(ClockState {
        synchronised: timex.status & libc::STA_UNSYNC == 0,
        max_error: micros(timex.maxerror),
        estimated_error: micros(timex.esterror),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_within_its_own_limits() {
        let state = read().unwrap_or_else(|error| panic!("adjtimex: {error}"));
        // NTP_PHASE_LIMIT: at 16 s the kernel stops counting and sets STA_UNSYNC itself.
        assert!(state.max_error <= Duration::from_secs(17), "{state:?}");
        assert!(
            state.synchronised || !state.max_error.is_zero(),
            "{state:?}"
        );
    }
}
