//! Why a camera does not deliver, in words that a person can act on.

/// A reason for which no frames flow. Never holds a secret: texts from outside pass a [`Redactor`] first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Fault {
    /// `CamelCase` word for machines: conditions, metrics, logs.
    pub reason: &'static str,
    /// What happened, with host, method, element, as far as known.
    pub message: String,
    /// What to try.
    pub remedy: String,
    /// Cannot heal without a change to the manifest or the file.
    pub permanent: bool,
}

impl Fault {
    /// A fault that may pass by itself: the attempt is repeated with backoff.
    pub fn transient(
        reason: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            reason,
            message: message.into(),
            remedy: remedy.into(),
            permanent: false,
        }
    }

    /// A fault that stays until somebody changes something.
    pub fn permanent(
        reason: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            permanent: true,
            ..Self::transient(reason, message, remedy)
        }
    }
}

/// Takes known secrets and URL userinfo out of texts that come from libraries and servers.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    /// Hides each of these texts; texts shorter than three characters are too common to be replaced.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<String> = secrets.into_iter().filter(|s| s.len() >= 3).collect();
        secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
        Self { secrets }
    }

    /// The text without the secrets.
    pub fn clean(&self, text: &str) -> String {
        let mut clean = self
            .secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        let mut from = 0;
        while let Some(found) = clean.get(from..).and_then(|rest| rest.find("://")) {
            let start = from + found + 3;
            let rest = clean.get(start..).unwrap_or_default();
            let end = rest
                .find(['/', ' ', '"', '\'', '?'])
                .map_or(clean.len(), |e| start + e);
            if let Some(at) = clean.get(start..end).and_then(|a| a.rfind('@')) {
                clean.replace_range(start..=start + at, "");
            }
            from = start;
        }
        clean
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neither_secrets_nor_userinfo_pass() {
        let redactor = Redactor::new(["hunter2".to_owned()]);
        assert_eq!(
            redactor.clean("no hunter2 at rtsp://bob:other@host/x?y, ok"),
            "no *** at rtsp://host/x?y, ok"
        );
    }

    proptest! {
        #[test]
        fn cleaning_never_panics_and_never_leaks(text in ".{0,80}", secret in "[a-z0-9]{6,12}") {
            let clean = Redactor::new([secret.clone()]).clean(&format!("{text}{secret}{text}"));
            prop_assert!(!clean.contains(&secret));
        }
    }
}
