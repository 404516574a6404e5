//! RTSP messages as they are read from and written to a connection.

use std::fmt::Write as _;
use std::io::{BufRead, Read};

use anyhow::{Context, Result, ensure};

/// A request of the client.
#[derive(Debug)]
pub(super) struct Request {
    pub method: String,
    pub url: String,
    headers: Vec<(String, String)>,
}

/// What came from the client.
#[derive(Debug)]
pub(super) enum Incoming {
    Request(Request),
    /// An answer to a request of ours, or an interleaved packet.
    Other,
    End,
}

impl Request {
    /// The first header of this name, which is in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads the next message.
pub(super) fn read(input: &mut impl BufRead) -> Result<Incoming> {
    match input.fill_buf()?.first() {
        None => return Ok(Incoming::End),
        Some(b'$') => {
            let mut header = [0; 4];
            input.read_exact(&mut header)?;
            let [_, _, high, low] = header;
            skip(input, u64::from(u16::from_be_bytes([high, low])))?;
            return Ok(Incoming::Other);
        }
        Some(_) => {}
    }
    let first = line(input)?;
    let mut headers = Vec::new();
    loop {
        let line = line(input)?;
        if line.is_empty() {
            break;
        }
        if let Some((key, value)) = line.split_once(':') {
            headers.push((key.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let body = headers
        .iter()
        .find(|(key, _)| key == "content-length")
        .and_then(|(_, value)| value.parse().ok());
    skip(input, body.unwrap_or(0))?;
    let mut words = first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    if method.starts_with("RTSP/") || method.is_empty() {
        return Ok(Incoming::Other);
    }
    let url = words.next().context("a request without a URL")?.to_owned();
    Ok(Incoming::Request(Request {
        method,
        url,
        headers,
    }))
}

fn line(input: &mut impl BufRead) -> Result<String> {
    let mut bytes = Vec::new();
    input.take(8_192).read_until(b'\n', &mut bytes)?;
    ensure!(bytes.ends_with(b"\n"), "the client's message ends early");
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn skip(input: &mut impl BufRead, count: u64) -> Result<()> {
    let skipped = std::io::copy(&mut input.take(count), &mut std::io::sink())?;
    ensure!(skipped == count, "the client's message ends early");
    Ok(())
}

/// An answer with this status; `headers` and `body` as they are.
pub(super) fn response(
    code: u16,
    request: &Request,
    headers: &[(&str, String)],
    body: &str,
) -> String {
    let reason = match code {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        401 => "Unauthorized",
        404 => "Not Found",
        453 => "Not Enough Bandwidth",
        454 => "Session Not Found",
        461 => "Unsupported Transport",
        503 => "Service Unavailable",
        _ => "Error",
    };
    let sequence = request.header("cseq").unwrap_or("0");
    let mut text = format!("RTSP/1.0 {code} {reason}\r\nCSeq: {sequence}\r\n");
    for (key, value) in headers {
        let _ = write!(text, "{key}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(
            text,
            "Content-Type: application/sdp\r\nContent-Length: {}\r\n",
            body.len()
        );
    }
    text + "\r\n" + body
}
