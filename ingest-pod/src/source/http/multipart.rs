//! `multipart/x-mixed-replace` (RFC 2046, section 5.1), as cameras really send it: bytes in, parts out.
//!
//! Boundaries come with and without quotes and leading dashes, or not announced at all; parts with a length, a wrong
//! one or none; and there is garbage between them.

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use std::time::Instant;

use crate::picture::jpeg;

/// More header lines than any camera sends with a part.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// More than any JPEG of a camera.
const MOST_PART_BYTES: usize = 32 * 1024 * 1024;

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its body, byte for byte.
    pub body: Bytes,
    /// When the first byte of its headers was here.
    pub first: Instant,
}

/// What cannot be a multipart stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No boundary in so many bytes.
    #[error("no boundary in {0} bytes")]
    NoBoundary(usize),
    /// The headers of a part do not end.
    #[error("the headers of a part do not end")]
    EndlessHeaders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Looks for the next boundary.
    Between,
    /// After a boundary.
    Headers,
    /// In a body; with its length where that is said and believed.
    Body(Option<usize>),
}

/// Takes a stream apart.
#[derive(Debug)]
pub struct Parser {
    /// What a boundary line begins with; learned from the first one where it is not announced.
    delimiter: Option<Vec<u8>>,
    buffer: BytesMut,
    state: State,
    /// So many bytes of a body without length hold no boundary.
    searched: usize,
    /// So many bytes in front of the next boundary were thrown away.
    skipped: usize,
    /// The last part ended where its length said, and not as a JPEG ends.
    cut: bool,
    lengths_lie: bool,
    first: Option<Instant>,
}

impl Parser {
    /// A stream whose `Content-Type` announces this boundary.
    pub fn new(boundary: Option<&str>) -> Self {
        Self {
            // Some cameras announce the dashes that the standard adds, and then send them once.
            delimiter: boundary
                .map(|text| text.trim().trim_matches('"').trim_start_matches('-'))
                .filter(|text| !text.is_empty())
                .map(|text| format!("--{text}").into_bytes()),
            buffer: BytesMut::new(),
            state: State::Between,
            searched: 0,
            skipped: 0,
            cut: false,
            lengths_lie: false,
            first: None,
        }
    }

    /// Takes the next bytes; [`Parser::next`] then has what became whole.
    pub fn feed(&mut self, bytes: &[u8], now: Instant) {
        if self.buffer.is_empty() || self.state == State::Between {
            self.first = Some(now);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole part, until more bytes are needed.
    pub fn next(&mut self, now: Instant) -> Result<Option<Part>, Error> {
        loop {
            match self.state {
                State::Between => {
                    if !self.find_boundary()? {
                        return Ok(None);
                    }
                    self.first.get_or_insert(now);
                    self.state = State::Headers;
                }
                State::Headers => {
                    let Some(state) = self.headers()? else {
                        return Ok(None);
                    };
                    self.searched = 0;
                    self.state = state;
                }
                State::Body(length) => {
                    let Some(body) = self.body(length) else {
                        return Ok(None);
                    };
                    self.state = State::Between;
                    let first = self.first.replace(now).unwrap_or(now);
                    if !body.is_empty() {
                        return Ok(Some(Part { body, first }));
                    }
                }
            }
        }
    }

    /// Goes behind the next boundary's line; `false` when it is not whole yet.
    fn find_boundary(&mut self) -> Result<bool, Error> {
        let delimiter = self.delimiter.as_deref().unwrap_or(b"--");
        let found = find_line(&self.buffer, delimiter);
        let end = found.and_then(|at| {
            let line = memchr::memchr(b'\n', self.buffer.get(at..)?)?;
            Some((at, at + line + 1))
        });
        let Some((at, end)) = end else {
            // What may be the beginning of a boundary stays.
            let keep = found.map_or(delimiter.len() + 4, |at| self.buffer.len() - at);
            let gone = self.buffer.len().saturating_sub(keep);
            self.skip(gone);
            return if self.skipped > MOST_PART_BYTES || keep > MOST_HEADER_BYTES {
                Err(Error::NoBoundary(self.skipped + self.buffer.len()))
            } else {
                Ok(false)
            };
        };
        let line = self.buffer.get(at..end).unwrap_or_default();
        let learned = self
            .delimiter
            .is_none()
            .then(|| line.trim_ascii_end().to_vec());
        self.skip(at);
        if self.cut && self.skipped > 0 {
            tracing::debug!(
                bytes = self.skipped,
                "parts are longer than their Content-Length says; boundaries count instead"
            );
            self.lengths_lie = true;
        }
        self.cut = false;
        self.skipped = 0;
        drop(self.buffer.split_to(end - at));
        if learned.is_some() {
            self.delimiter = learned;
        }
        Ok(true)
    }

    /// Throws bytes in front of a boundary away; line ends are no garbage.
    fn skip(&mut self, bytes: usize) {
        let gone = self.buffer.split_to(bytes);
        self.skipped += gone
            .iter()
            .filter(|byte| !matches!(byte, b'\r' | b'\n'))
            .count();
    }

    /// Goes behind the headers, to the state that they lead to; `None` when they are not whole yet.
    fn headers(&mut self) -> Result<Option<State>, Error> {
        let mut length = None;
        let mut at = 0;
        loop {
            let rest = self.buffer.get(at..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                // A camera that sends no headers at all would have its picture read as one.
                if at == 0 && rest.starts_with(&[0xFF, 0xD8]) {
                    return Ok(Some(State::Body(None)));
                }
                return if rest.len() + at > MOST_HEADER_BYTES {
                    Err(Error::EndlessHeaders)
                } else {
                    Ok(None)
                };
            };
            let line = rest.get(..end).unwrap_or_default();
            if line.starts_with(&[0xFF, 0xD8]) {
                break;
            }
            at += end + 1;
            let line = line.trim_ascii();
            if line.is_empty() {
                break;
            }
            if at > MOST_HEADER_BYTES {
                return Err(Error::EndlessHeaders);
            }
            length = content_length(line).or(length);
        }
        drop(self.buffer.split_to(at));
        Ok(Some(State::Body(length.filter(|_| !self.lengths_lie))))
    }

    fn body(&mut self, length: Option<usize>) -> Option<Bytes> {
        if let Some(length) = length {
            if self.buffer.len() < length {
                return None;
            }
            // A length that reaches into the next part is wrong too.
            let swallowed = self
                .delimiter
                .as_deref()
                .and_then(|delimiter| find_line(self.buffer.get(..length)?, delimiter));
            if swallowed.is_none() {
                let body = self.buffer.split_to(length).freeze();
                self.cut = !body.trim_ascii_end().ends_with(&[0xFF, 0xD9]);
                return Some(body);
            }
            self.lengths_lie = true;
        }
        let delimiter = self.delimiter.as_deref().unwrap_or(b"--");
        let from = self.searched.saturating_sub(delimiter.len() + 2);
        let next = self
            .buffer
            .get(from..)
            .and_then(|rest| find_line(rest, delimiter))
            .map(|at| from + at);
        if let Some(at) = next {
            let body = self.buffer.get(..at).unwrap_or_default();
            let end = [&b"\r\n"[..], b"\n"]
                .into_iter()
                .find_map(|end| body.strip_suffix(end))
                .map_or(at, <[u8]>::len);
            return Some(self.buffer.split_to(end).freeze());
        }
        self.searched = self.buffer.len();
        // Most cameras send the boundary with the picture after it: to wait for it would cost a whole interval.
        let whole = self.buffer.trim_ascii_end();
        if whole.ends_with(&[0xFF, 0xD9]) && jpeg::inspect(whole).is_ok() {
            let length = whole.len();
            return Some(self.buffer.split_to(length).freeze());
        }
        if self.buffer.len() > MOST_PART_BYTES {
            tracing::debug!("a part without end is thrown away");
            self.buffer.clear();
            return Some(Bytes::new());
        }
        None
    }
}

/// Where a line begins with the delimiter; more dashes may come before it.
fn find_line(data: &[u8], delimiter: &[u8]) -> Option<usize> {
    memmem::find_iter(data, delimiter).find_map(|at| {
        let before = data.get(..at)?;
        let dashes = before
            .iter()
            .rev()
            .take_while(|byte| **byte == b'-')
            .count();
        let begin = at - dashes;
        (begin == 0 || data.get(begin - 1) == Some(&b'\n')).then_some(begin)
    })
}

fn content_length(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let (name, value) = text.split_once(':')?;
    if !name.trim().eq_ignore_ascii_case("content-length") {
        return None;
    }
    let length = value.trim().parse().ok()?;
    (1..=MOST_PART_BYTES).contains(&length).then_some(length)
}

/// The boundary that a `Content-Type` announces.
pub fn boundary(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1);
    parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then_some(value.trim())
    })
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
