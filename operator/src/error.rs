//! What can go wrong between the operator and the API server.

/// A failure of one step.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct Error {
    /// What was being done.
    pub doing: &'static str,
    /// What the client or the API server said.
    #[source]
    pub source: kube::Error,
}

impl Error {
    /// Names what was being done.
    pub fn at(doing: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self { doing, source }
    }

    /// Few words, for metrics.
    pub fn category(&self) -> &'static str {
        match code(&self.source) {
            Some(409) => "conflict",
            Some(403) => "forbidden",
            Some(404) => "not-found",
            Some(422) => "invalid",
            Some(429) => "throttled",
            Some(500..) => "server",
            Some(_) => "refused",
            None => "unreachable",
        }
    }

    /// The API server had a look and could not, or would not.
    pub fn is_answer(&self) -> bool {
        !self.is_stale() && code(&self.source).is_some()
    }

    /// What is asked for, or what is stored, is not valid.
    pub fn is_refusal(&self) -> bool {
        code(&self.source) == Some(422)
    }

    /// Another was quicker, or the cache is behind: nothing is wrong, the next look will tell.
    pub fn is_stale(&self) -> bool {
        matches!(code(&self.source), Some(404 | 409))
    }
}

/// With all that lies below it, which most errors do not say themselves.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

/// The HTTP status of an answer.
pub fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
