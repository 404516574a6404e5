//! Why the API server takes no pod.

use kube::core::Status;

/// Why the API server takes no pod, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// As one word.
    pub reason: &'static str,
    /// The server's words.
    pub message: String,
    /// Whether somebody has to change something.
    pub stalled: bool,
}

/// What an answer to the creation of a pod means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is one of that name.
    Taken,
    /// The namespace is going or gone.
    Leaving,
    /// It was looked at and refused.
    Refused(Refusal),
    /// Nothing is known of what became of it.
    Unclear,
}

impl Answer {
    /// Reads an answer.
    pub fn of(status: &Status) -> Self {
        let cause = |word: &str| {
            let details = status.details.as_ref();
            details.is_some_and(|details| details.causes.iter().any(|cause| cause.reason == word))
        };
        let refused = |reason, stalled| {
            Self::Refused(Refusal {
                reason,
                message: status.message.clone(),
                stalled,
            })
        };
        match status.code {
            409 if status.reason == "AlreadyExists" => Self::Taken,
            404 => Self::Leaving,
            403 if cause("NamespaceTerminating") => Self::Leaving,
            // Another camera may go, and its share with it.
            403 if status.message.contains("exceeded quota") => refused("QuotaExceeded", false),
            403 if status.message.contains("violates PodSecurity") => refused("PodSecurity", true),
            400 | 403 | 413 | 422 => refused("PodRefused", true),
            _ => Self::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> Status {
        Status {
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            ..Status::default()
        }
    }

    #[test]
    fn the_servers_words_are_kept() {
        let quota = "pods \"cam-door\" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1";
        let Answer::Refused(refusal) = Answer::of(&status(403, "Forbidden", quota)) else {
            panic!("it was refused");
        };
        assert_eq!((refusal.reason, refusal.stalled), ("QuotaExceeded", false));
        assert_eq!(refusal.message, quota);
        let security =
            "pods \"cam-door\" is forbidden: violates PodSecurity \"restricted:latest\": ...";
        let answer = Answer::of(&status(403, "Forbidden", security));
        assert!(matches!(
            answer,
            Answer::Refused(Refusal {
                reason: "PodSecurity",
                stalled: true,
                ..
            })
        ));
    }

    #[test]
    fn a_namespace_that_goes_is_no_refusal() {
        let mut going = status(403, "Forbidden", "unable to create new content");
        let details = serde_json::json!({"causes": [{"reason": "NamespaceTerminating"}]});
        going.details = serde_json::from_value(details).unwrap();
        assert_eq!(Answer::of(&going), Answer::Leaving);
        assert_eq!(Answer::of(&status(409, "AlreadyExists", "")), Answer::Taken);
        for code in [429, 500, 503, 504] {
            assert_eq!(Answer::of(&status(code, "", "")), Answer::Unclear);
        }
    }
}
