//! Subject names: the only place where they are put together and taken apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a string cannot be part of a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// A token is empty, too long or has a character that NATS or file names give a meaning to.
    #[error("`{0}` is not a subject token: 1 to 63 characters of A-Z, a-z, 0-9, `_` and `-`")]
    Token(String),
    /// A prefix has no token at all or more than sixteen.
    #[error("`{0}` is not a subject prefix: 1 to 16 tokens joined by dots")]
    Prefix(String),
}

/// One token of a subject: a camera, rendition, module or event name (`[A-Za-z0-9_-]{1,63}`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token(String);

impl Token {
    /// Checks `name` and takes it over.
    pub fn new(name: impl Into<String>) -> Result<Self, SubjectError> {
        let name = name.into();
        if is_token(&name) {
            Ok(Self(name))
        } else {
            Err(SubjectError::Token(name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_token(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Token {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Token {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = SubjectError;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for Token {
    type Error = SubjectError;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0
    }
}

/// What all subjects of a hub begin with: `streamhub.<namespace>.<hub>`, or the hub's `subjectPrefix`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

impl Prefix {
    /// Checks a prefix given by a person.
    pub fn new(prefix: impl Into<String>) -> Result<Self, SubjectError> {
        let prefix = prefix.into();
        let tokens = prefix.split('.').count();
        if tokens > 16 || prefix.is_empty() {
            return Err(SubjectError::Prefix(prefix));
        }
        match prefix.split('.').find(|token| !is_token(token)) {
            Some(token) => Err(SubjectError::Token(token.to_owned())),
            None => Ok(Self(prefix)),
        }
    }

    /// The prefix of a hub that sets none.
    pub fn of_hub(namespace: &Token, hub: &Token) -> Self {
        Self(format!("streamhub.{namespace}.{hub}"))
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Frames of one rendition.
    pub fn frames(&self, camera: &Token, rendition: &Token) -> String {
        format!("{}.frames.{camera}.{rendition}", self.0)
    }

    /// Metadata of one rendition without the pictures.
    pub fn meta(&self, camera: &Token, rendition: &Token) -> String {
        format!("{}.meta.{camera}.{rendition}", self.0)
    }

    /// Where the newest frame of one rendition is asked for.
    pub fn next(&self, camera: &Token, rendition: &Token) -> String {
        format!("{}.next.{camera}.{rendition}", self.0)
    }

    /// Requests for the newest frame of any rendition of one camera.
    pub fn next_of_camera(&self, camera: &Token) -> String {
        format!("{}.next.{camera}.*", self.0)
    }

    /// A module's event, for one camera or, without one, for every camera of the hub.
    pub fn feedback(&self, module: &Token, event: &Token, camera: Option<&Token>) -> String {
        match camera {
            Some(camera) => format!("{}.feedback.{module}.{event}.{camera}", self.0),
            None => format!("{}.feedback.{module}.{event}", self.0),
        }
    }

    /// All events of all modules.
    pub fn feedback_wildcard(&self) -> String {
        format!("{}.feedback.>", self.0)
    }

    /// What follows `<prefix>.feedback.` in a feedback subject.
    pub fn feedback_tail<'a>(&self, subject: &'a str) -> Option<&'a str> {
        self.tail(subject, "feedback")
    }

    /// The status of one camera.
    pub fn status(&self, camera: &Token) -> String {
        format!("{}.status.{camera}", self.0)
    }

    /// The status of every camera of the hub.
    pub fn status_wildcard(&self) -> String {
        format!("{}.status.*", self.0)
    }

    /// One kind of event of one camera, for example `connected`.
    pub fn event(&self, camera: &Token, kind: &Token) -> String {
        format!("{}.events.{camera}.{kind}", self.0)
    }

    /// Splits `<prefix>.<kind>.<camera>.<rendition>` (`frames`, `meta` or `next`) into camera and rendition.
    pub fn camera_and_rendition<'a>(
        &self,
        kind: &str,
        subject: &'a str,
    ) -> Option<(&'a str, &'a str)> {
        let (camera, rendition) = self.tail(subject, kind)?.split_once('.')?;
        (is_token(camera) && is_token(rendition)).then_some((camera, rendition))
    }

    fn tail<'a>(&self, subject: &'a str, kind: &str) -> Option<&'a str> {
        subject
            .strip_prefix(self.0.as_str())?
            .strip_prefix('.')?
            .strip_prefix(kind)?
            .strip_prefix('.')
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = SubjectError;
    fn from_str(prefix: &str) -> Result<Self, Self::Err> {
        Self::new(prefix)
    }
}

impl TryFrom<String> for Prefix {
    type Error = SubjectError;
    fn try_from(prefix: String) -> Result<Self, Self::Error> {
        Self::new(prefix)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_mean_something_to_nats_are_refused() {
        for bad in ["", "a.b", "*", ">", "a b", "a/b", "ü", &"x".repeat(64)] {
            assert!(Token::new(bad).is_err(), "{bad:?}");
        }
        assert!(Token::new("x".repeat(63)).is_ok());
    }

    #[test]
    fn a_prefix_is_tokens_joined_by_dots() {
        assert_eq!(Prefix::new("a.b-c.d_e").unwrap().as_str(), "a.b-c.d_e");
        for bad in ["", ".", "a.", ".a", "a..b", "a.*", "a.>"] {
            assert!(Prefix::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn subjects_are_taken_apart_as_they_were_put_together() {
        let prefix = Prefix::new("site.hub").unwrap();
        let (cam, low) = (Token::new("cam1").unwrap(), Token::new("low").unwrap());
        let next = prefix.next(&cam, &low);
        assert_eq!(next, "site.hub.next.cam1.low");
        assert_eq!(
            prefix.camera_and_rendition("next", &next),
            Some(("cam1", "low"))
        );
        assert_eq!(prefix.camera_and_rendition("frames", &next), None);
        assert_eq!(
            prefix.camera_and_rendition("next", "site.hub2.next.cam1.low"),
            None
        );
        assert_eq!(
            prefix.feedback_tail(&prefix.feedback(&cam, &low, None)),
            Some("cam1.low")
        );
    }
}
