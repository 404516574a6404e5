//! Fetches what goes into the demultiplexer: one long answer, or the segments of a playlist one after the other.

use bytes::Bytes;
use m3u8_rs::MediaPlaylist;
use reqwest::header::{HeaderMap, HeaderValue, RANGE};
use reqwest::{Response, StatusCode, Url};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

use super::client::Client;
use super::hls::{Follower, Wanted, best_variant, reload_after};
use super::{STALE_AFTER, next_bytes, read_all, resolved};
use crate::fault::Fault;

/// Pieces that wait for the demultiplexer; it decides how fast the server is read.
const AHEAD: usize = 4;
/// A live playlist without a new segment for so many of its target durations is stale.
const STALE_TARGETS: u32 = 4;
/// More than any playlist that is not an attack.
const MOST_MAP_BYTES: usize = 4 * 1024 * 1024;

/// What comes next.
pub enum Piece {
    /// Bytes that continue what came before.
    Bytes(Bytes),
    /// What follows begins anew.
    Seam,
    /// It is over.
    End,
}

/// Where pieces come out. Dropping it ends the fetching.
pub type Feed = mpsc::Receiver<Result<Piece, Fault>>;
type Sender = mpsc::Sender<Result<Piece, Fault>>;

/// Nobody reads any more.
struct Gone;

enum Ended {
    Gone,
    Fault(Fault),
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

async fn send(to: &Sender, piece: Piece) -> Result<(), Gone> {
    to.send(Ok(piece)).await.map_err(|_| Gone)
}

fn spawn(work: impl Future<Output = Result<(), Ended>> + Send + 'static, to: Sender) {
    tokio::spawn(async move {
        let last = match work.await {
            Ok(()) => Ok(Piece::End),
            Err(Ended::Fault(fault)) => Err(fault),
            Err(Ended::Gone) => return,
        };
        // Who no longer listens does not want to know.
        let _ = to.send(last).await;
    });
}

/// One answer, to its end.
pub fn container(client: Arc<Client>, response: Response, begin: Bytes) -> Feed {
    let (to, feed) = mpsc::channel(AHEAD);
    let sender = to.clone();
    let work = async move {
        send(&sender, Piece::Bytes(begin)).await?;
        forward(&client, response, &sender).await
    };
    spawn(work, to);
    feed
}

async fn forward(client: &Client, mut response: Response, to: &Sender) -> Result<(), Ended> {
    while let Some(bytes) = next_bytes(client, &mut response, STALE_AFTER).await? {
        send(to, Piece::Bytes(bytes)).await?;
    }
    Ok(())
}

/// The segments of a playlist; `text` is its first reading, from `url`.
pub fn playlist(client: Arc<Client>, url: Url, text: &Bytes) -> Result<Feed, Fault> {
    let text = utf8(&client, text)?;
    let variant = if text.contains("#EXT-X-STREAM-INF") {
        let master = m3u8_rs::parse_master_playlist_res(text.as_bytes())
            .map_err(|_| client.invalid("the playlist of variants cannot be read"))?;
        let best =
            best_variant(&master).ok_or_else(|| client.invalid("the playlist names no variant"))?;
        Some(resolved(&client, &url, best)?)
    } else {
        None
    };
    let (to, feed) = mpsc::channel(AHEAD);
    let sender = to.clone();
    let work = async move {
        match variant {
            Some(variant) => follow(&client, variant, None, &sender).await,
            None => follow(&client, url, Some(text), &sender).await,
        }
    };
    spawn(work, to);
    Ok(feed)
}

fn utf8(client: &Client, text: &Bytes) -> Result<String, Fault> {
    let text = std::str::from_utf8(text).map_err(|_| client.invalid("the playlist is no text"))?;
    Ok(text.trim_start_matches('\u{FEFF}').to_owned())
}

async fn follow(
    client: &Client,
    mut url: Url,
    mut text: Option<String>,
    to: &Sender,
) -> Result<(), Ended> {
    let mut follower = Follower::default();
    let mut map = None;
    let (mut begun, mut gone) = (false, false);
    let mut newest = Instant::now();
    loop {
        let read = Instant::now();
        let now = if let Some(text) = text.take() {
            text
        } else {
            let (mut response, from) = client.get(&url, &HeaderMap::new()).await?;
            url = from;
            utf8(
                client,
                &read_all(client, &mut response, Bytes::new()).await?,
            )?
        };
        let playlist: MediaPlaylist = m3u8_rs::parse_media_playlist_res(now.as_bytes())
            .map_err(|_| client.invalid("the playlist cannot be read"))?;
        let wanted = follower.update(&playlist);
        let changed = !wanted.is_empty();
        for segment in wanted {
            let seam = begun && (gone || segment.seam || segment.map != map);
            // Not sent before its segment is there: a section of nothing else cannot be played.
            let head = match segment.map.clone().filter(|_| seam || !begun) {
                Some((uri, range)) => Some(fetch_map(client, &url, &uri, range).await?),
                None => None,
            };
            let Some(response) = segment_at(client, &url, &segment, playlist.end_list).await?
            else {
                gone = true;
                continue;
            };
            (begun, gone, map) = (true, false, segment.map.clone());
            if seam {
                send(to, Piece::Seam).await?;
            }
            if let Some(bytes) = head {
                send(to, Piece::Bytes(bytes)).await?;
            }
            forward(client, response, to).await?;
            newest = Instant::now();
        }
        if playlist.end_list {
            return Ok(());
        }
        let pause = reload_after(&playlist, changed);
        let limit = Duration::from_secs(playlist.target_duration.clamp(2, 60)) * STALE_TARGETS;
        if newest.elapsed() > limit {
            return Err(super::silent(client, limit).into());
        }
        tokio::time::sleep(pause.saturating_sub(read.elapsed())).await;
    }
}

async fn fetch_map(
    client: &Client,
    base: &Url,
    uri: &str,
    range: Option<(u64, u64)>,
) -> Result<Bytes, Fault> {
    let url = resolved(client, base, uri)?;
    let mut response = get(client, &url, range).await?;
    let bytes = read_all(client, &mut response, Bytes::new()).await?;
    if bytes.len() > MOST_MAP_BYTES {
        return Err(client.invalid("what comes before the first segment is too long"));
    }
    Ok(bytes)
}

/// The answer with this segment; `None` when it is gone.
async fn segment_at(
    client: &Client,
    base: &Url,
    segment: &Wanted,
    film: bool,
) -> Result<Option<Response>, Fault> {
    if segment.encrypted {
        return Err(Fault::transient(
            "EncryptedStream",
            format!("{}: the segments are encrypted", client.shown()),
            "let the server send them without EXT-X-KEY; https protects them on the way",
        ));
    }
    let url = resolved(client, base, &segment.uri)?;
    match get(client, &url, segment.range).await {
        Ok(response) => Ok(Some(response)),
        // Who comes late finds a segment of a live stream gone; the next one is there.
        Err(fault) if fault.reason == "StreamNotFound" && !film => {
            tracing::debug!("a segment is gone");
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

/// A file, or the part of it that is meant.
async fn get(client: &Client, url: &Url, range: Option<(u64, u64)>) -> Result<Response, Fault> {
    let (response, _) = client.get(url, &ranged(range)).await?;
    if range.is_some() && response.status() != StatusCode::PARTIAL_CONTENT {
        return Err(
            client.invalid("the playlist names parts of files, but the server sends whole ones")
        );
    }
    Ok(response)
}

fn ranged(range: Option<(u64, u64)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = range
        .map(|(first, last)| format!("bytes={first}-{last}"))
        .and_then(|text| HeaderValue::try_from(text).ok());
    if let Some(value) = value {
        headers.insert(RANGE, value);
    }
    headers
}
