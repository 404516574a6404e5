//! A stream of which nothing can be decoded until a key frame comes, and none does.

use std::time::Duration;

use super::arrivals::Arrivals;
use crate::fault::Fault;

/// A key frame that does not come for so long is fetched by connecting anew: a camera that sends one at the start only
/// would stay dark for ever.
const WITHIN: Duration = Duration::from_secs(30);

/// What is wrong with a stream that goes on without the key frame that it is waited for.
pub fn missing(arrivals: &Arrivals, shown: &str) -> Option<Fault> {
    (arrivals.waited_for_key_frame() > WITHIN).then(|| {
        Fault::transient(
            "NoKeyFrame",
            format!(
                "{shown}: something was lost or could not be decoded, and no key frame came for {} s",
                WITHIN.as_secs()
            ),
            "set the camera to a key frame every few seconds; it is reconnected by itself",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_key_frame_is_waited_for_and_not_for_ever() {
        let arrivals = Arrivals::default();
        assert_eq!(missing(&arrivals, "cam"), None);
        let now = Instant::now();
        arrivals.waiting_for_key_frame(Some(now));
        assert_eq!(missing(&arrivals, "cam"), None);
        arrivals.waiting_for_key_frame(now.checked_sub(WITHIN * 2));
        let fault = missing(&arrivals, "cam").expect("a fault");
        assert_eq!((fault.reason, fault.permanent), ("NoKeyFrame", false));
        arrivals.waiting_for_key_frame(None);
        assert_eq!(missing(&arrivals, "cam"), None);
    }
}
