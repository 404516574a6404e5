//! `http`: multipart MJPEG, a container that arrives bit by bit, HLS, or a picture that is asked for again and again.
//! What the server sends tells them apart, not the end of the URL.

pub mod challenge;
pub mod client;
pub mod hls;
pub mod multipart;
mod pacer;
mod pump;
mod stream;

use bytes::Bytes;
use gstreamer as gst;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use reqwest::{Response, Url};
use std::sync::Arc;
use std::time::{Duration, Instant};
use streamhub_wire::metadata::CaptureSource;

use super::{Attempt, Described, End};
use crate::captured::{CameraJpeg, Captured, Content};
use crate::fault::Fault;
use crate::router::Want;
use client::{Client, HttpSpec};
use multipart::Parser;

/// The beginning by which a stream is known.
const TELLING: usize = 16;
/// From the answer's headers to the first frame.
const FIRST_FRAME_WITHIN: Duration = Duration::from_secs(15);
/// A stream is stale after this, or after three of its frame intervals, whichever is longer (DESIGN §4).
const STALE_AFTER: Duration = Duration::from_secs(5);
/// More than any picture of a camera.
const MOST_PICTURE_BYTES: usize = 32 * 1024 * 1024;
/// How often a single picture is asked for while nobody looks.
const IDLE_PAUSE: Duration = Duration::from_secs(1);
/// How often a sign of life is due, and the wish to stop is looked for.
const BEAT: Duration = Duration::from_millis(100);

/// Reads the server until it ends, fails or is stopped.
pub fn run(spec: &HttpSpec, attempt: &Attempt) -> End {
    let reading = async { read(Arc::new(Client::new(spec)?), attempt).await };
    match block_on(attempt, reading) {
        Some(Ok(end)) => end,
        Some(Err(fault)) => End::Failed(fault),
        None => End::Stopped,
    }
}

/// Does something that waits for the network, with signs of life; `None` when it was stopped before its end.
pub fn block_on<T>(
    attempt: &Attempt,
    work: impl Future<Output = Result<T, Fault>>,
) -> Option<Result<T, Fault>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return Some(Err(Fault::transient(
                "Internal",
                format!("no asynchronous runtime: {error}"),
                "report this",
            )));
        }
    };
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => Some(done),
            () = stopped(attempt) => None,
        }
    });
    // A name that is being resolved is not waited for.
    runtime.shutdown_background();
    done
}

/// Resolves when the attempt is to end; gives signs of life until then.
async fn stopped(attempt: &Attempt) {
    while !attempt.stop.is_stopped() {
        attempt.outlet.alive(None);
        tokio::time::sleep(BEAT).await;
    }
}

/// What the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Multipart,
    Playlist,
    Picture,
    Container,
    Page,
}

/// By the content's type where that says something, by its first bytes where not.
fn form_of(content_type: &str, begin: &[u8]) -> Form {
    let media = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let begin = begin.trim_ascii_start();
    let text = begin.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(begin);
    if media.starts_with("multipart/") {
        Form::Multipart
    } else if text.starts_with(b"#EXTM3U") {
        Form::Playlist
    } else if begin.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Form::Picture
    } else if begin.starts_with(b"--") {
        Form::Multipart
    } else if media == "text/html" || begin.starts_with(b"<") || media.ends_with("json") {
        Form::Page
    } else {
        Form::Container
    }
}

async fn read(client: Arc<Client>, attempt: &Attempt) -> Result<End, Fault> {
    let asked = Instant::now();
    let (mut response, url) = client.get(client.url(), &HeaderMap::new()).await?;
    let content_type = header(&response, &CONTENT_TYPE);
    let mut begin = bytes::BytesMut::new();
    while begin.len() < TELLING {
        let Some(bytes) = next_bytes(&client, &mut response, FIRST_FRAME_WITHIN).await? else {
            break;
        };
        begin.extend_from_slice(&bytes);
    }
    if begin.is_empty() {
        return Err(client.invalid("the answer is empty"));
    }
    let form = form_of(&content_type, &begin);
    tracing::debug!(?form, content_type, "the server answers");
    let begin = begin.freeze();
    match form {
        Form::Multipart => {
            let parser = Parser::new(multipart::boundary(&content_type));
            read_parts(&client, response, parser, begin, attempt).await
        }
        Form::Picture => {
            let rest = read_all(&client, &mut response, begin).await?;
            poll_pictures(&client, (asked, rest), attempt).await
        }
        Form::Playlist => {
            let text = read_all(&client, &mut response, begin).await?;
            let feed = pump::playlist(Arc::clone(&client), url, &text)?;
            stream::read(&client, feed, true, attempt).await
        }
        Form::Container => {
            // A length means a film, which may come faster than it is to be shown.
            let film = response.headers().contains_key(CONTENT_LENGTH);
            let feed = pump::container(Arc::clone(&client), response, begin);
            stream::read(&client, feed, film, attempt).await
        }
        Form::Page => Err(client.invalid(&format!(
            "the server sends {}, which is no stream",
            if content_type.is_empty() {
                "a page"
            } else {
                &content_type
            }
        ))),
    }
}

fn header(response: &Response, name: &reqwest::header::HeaderName) -> String {
    let value = response.headers().get(name);
    let text = value.and_then(|value| value.to_str().ok());
    text.unwrap_or_default().to_owned()
}

/// The next bytes of an answer; `None` at its end.
async fn next_bytes(
    client: &Client,
    response: &mut Response,
    within: Duration,
) -> Result<Option<Bytes>, Fault> {
    match tokio::time::timeout(within, response.chunk()).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(client.failed(error)),
        Err(_) => Err(silent(client, within)),
    }
}

fn silent(client: &Client, within: Duration) -> Fault {
    Fault::transient(
        "NoFrames",
        format!(
            "{}: no frame came for {:.0} s, though the connection is open",
            client.shown(),
            within.as_secs_f64()
        ),
        "check the server and the network to it; it is reconnected by itself",
    )
}

fn ended(client: &Client) -> Fault {
    Fault::transient(
        "StreamEnded",
        format!("{}: the server ended the stream", client.shown()),
        "nothing to do if it is restarting; a film is better played as spec.source.file",
    )
}

/// A picture or a playlist. A server that sends it byte by byte is not waited for either.
async fn read_all(client: &Client, response: &mut Response, begin: Bytes) -> Result<Bytes, Fault> {
    let mut all = bytes::BytesMut::from(begin);
    let until = Instant::now() + FIRST_FRAME_WITHIN;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match next_bytes(client, response, STALE_AFTER.min(left)).await? {
            Some(bytes) => all.extend_from_slice(&bytes),
            None => return Ok(all.freeze()),
        }
        if all.len() > MOST_PICTURE_BYTES {
            return Err(client.invalid("the answer does not end"));
        }
    }
}

/// Hands JPEGs on as they came, and says once what they are.
struct Pictures<'a> {
    attempt: &'a Attempt,
    described: Option<crate::picture::Size>,
}

impl Pictures<'_> {
    /// `false` for what is no whole picture.
    fn show(&mut self, bytes: Bytes, at: Instant) -> bool {
        let outlet = &self.attempt.outlet;
        match CameraJpeg::new(gst::Buffer::from_slice(bytes)) {
            Ok(jpeg) => {
                if self.described != Some(jpeg.size) {
                    self.described = Some(jpeg.size);
                    outlet.described(Described {
                        codec: "jpeg".to_owned(),
                        decoder: None,
                        width: jpeg.size.width,
                        height: jpeg.size.height,
                    });
                }
                outlet.stage("receive", at.elapsed());
                outlet.alive(Some(Instant::now()));
                outlet.frame(Captured {
                    content: Arc::new(Content::Jpeg(jpeg)),
                    at,
                    capture: CaptureSource::Arrival,
                    error: None,
                    repeated: false,
                });
                true
            }
            Err(error) => {
                tracing::debug!(%error, "broken JPEG from the camera");
                outlet.held_back("broken_jpeg", 1);
                false
            }
        }
    }
}

/// Multipart MJPEG: each part goes out as it came.
async fn read_parts(
    client: &Client,
    mut response: Response,
    mut parser: Parser,
    begin: Bytes,
    attempt: &Attempt,
) -> Result<End, Fault> {
    let mut pictures = Pictures {
        attempt,
        described: None,
    };
    let (mut last, mut interval) = (Instant::now(), None);
    let mut bytes = begin;
    loop {
        let now = Instant::now();
        parser.feed(&bytes, now);
        while let Some(part) = parser
            .next(now)
            .map_err(|error| client.invalid(&format!("no multipart stream: {error}")))?
        {
            if part.body.starts_with(&[0xFF, 0xD8]) && pictures.show(part.body, part.first) {
                let gap = now.saturating_duration_since(last);
                interval = Some(interval.map_or(gap, |mean: Duration| (mean * 7 + gap) / 8));
                last = now;
            }
        }
        let limit = match interval {
            Some(mean) => STALE_AFTER.max(mean * 3),
            None => FIRST_FRAME_WITHIN,
        };
        let left = limit.saturating_sub(last.elapsed());
        if left.is_zero() {
            return Err(silent(client, limit));
        }
        bytes = match next_bytes(client, &mut response, left).await? {
            Some(bytes) => bytes,
            None => return Err(ended(client)),
        };
    }
}

/// A URL that answers with one picture: asked again at the fastest rendition's rate.
async fn poll_pictures(
    client: &Client,
    first: (Instant, Bytes),
    attempt: &Attempt,
) -> Result<End, Fault> {
    tracing::info!(
        "the URL answers with a single picture; it is asked for again at the rate of the fastest rendition"
    );
    let mut pictures = Pictures {
        attempt,
        described: None,
    };
    let (mut at, mut picture) = first;
    let mut due = tokio::time::Instant::now();
    let mut good = Instant::now();
    loop {
        let limit = STALE_AFTER.max(attempt.outlet.fastest_interval() * 3);
        if pictures.show(picture, at) {
            good = Instant::now();
        } else if pictures.described.is_none() {
            return Err(client.invalid("the picture is no JPEG that can be used"));
        } else if good.elapsed() > limit {
            return Err(client.invalid("it answers, but not with a picture any more"));
        }
        // While nobody looks, once a second is enough to know that the server answers.
        let pause = match attempt.outlet.want(Instant::now()) {
            Want::Nothing => IDLE_PAUSE.max(attempt.outlet.fastest_interval()),
            _ => attempt.outlet.fastest_interval(),
        };
        due = (due + pause).max(tokio::time::Instant::now());
        tokio::time::sleep_until(due).await;
        let asked = Instant::now();
        let (mut response, _) = client.get(client.url(), &HeaderMap::new()).await?;
        picture = read_all(client, &mut response, Bytes::new()).await?;
        // The picture was taken between the question and the answer; the answer is nearer.
        at = asked + asked.elapsed() / 2;
    }
}

/// What a name in a playlist means.
fn resolved(client: &Client, base: &Url, uri: &str) -> Result<Url, Fault> {
    let mut url = base
        .join(uri)
        .map_err(|error| client.invalid(&format!("the playlist names no address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(client.invalid("the playlist names what is no http:// or https:// URL"));
    }
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_counts_not_what_the_url_ends_with() {
        let jpeg = [0xFF, 0xD8, 0xFF, 0xE0];
        for (content_type, begin, form) in [
            (
                "multipart/x-mixed-replace; boundary=b",
                &b"--b\r\n"[..],
                Form::Multipart,
            ),
            ("Multipart/Mixed", b"garbage", Form::Multipart),
            ("text/plain", b"\r\n--b\r\nContent-Type", Form::Multipart),
            (
                "application/vnd.apple.mpegurl",
                b"#EXTM3U\n",
                Form::Playlist,
            ),
            ("text/plain", b"\xEF\xBB\xBF#EXTM3U\n", Form::Playlist),
            ("image/jpeg", &jpeg, Form::Picture),
            ("application/octet-stream", &jpeg, Form::Picture),
            ("video/mp4", b"\0\0\0\x20ftypisom", Form::Container),
            ("", b"\x47\x40\0\x10", Form::Container),
            ("text/html; charset=utf-8", b"<!DOCTYPE html>", Form::Page),
            ("", b"<html>", Form::Page),
            ("application/json", b"{}", Form::Page),
        ] {
            assert_eq!(form_of(content_type, begin), form, "{content_type}");
        }
    }
}
