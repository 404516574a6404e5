//! Conditions of a status, which keep their time while they stay as they were.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The conditions of a status to come.
#[derive(Debug, Clone)]
pub struct Conditions<'a> {
    /// Those that are there already.
    pub all: Vec<Condition>,
    before: &'a [Condition],
    /// The generation of the object that the next ones are about.
    pub generation: i64,
    now: Time,
}

impl<'a> Conditions<'a> {
    /// After others, of a generation of the object, at a time in UNIX milliseconds.
    pub fn after(before: &'a [Condition], generation: i64, now_ms: u64) -> Self {
        Self {
            all: Vec::new(),
            before,
            generation,
            now: time(now_ms),
        }
    }

    /// One more.
    pub fn add(&mut self, kind: &str, status: bool, reason: &str, message: &str) {
        let status = if status { "True" } else { "False" };
        let mut before = self.before.iter();
        let same = before.find(|before| before.type_ == kind && before.status == status);
        let since = same.map(|same| same.last_transition_time.clone());
        self.all.push(Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: Some(self.generation),
            last_transition_time: since.unwrap_or_else(|| self.now.clone()),
        });
    }
}

/// To the second, as Kubernetes keeps times.
pub fn time(millis: u64) -> Time {
    let seconds = i64::try_from(millis / 1000).unwrap_or_default();
    Time(Timestamp::from_second(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_time_while_it_stays_as_it_was() {
        let mut first = Conditions::after(&[], 1, 1000);
        first.add("Ready", false, "Starting", "");
        let mut next = Conditions::after(&first.all, 2, 5000);
        next.add("Ready", false, "Reconnecting", "why");
        let mut last = Conditions::after(&next.all, 2, 9000);
        last.add("Ready", true, "Streaming", "");
        let times =
            [&first, &next, &last].map(|conditions| conditions.all[0].last_transition_time.clone());
        assert_eq!(times, [time(1000), time(1000), time(9000)]);
        assert_eq!(next.all[0].observed_generation, Some(2));
    }
}
