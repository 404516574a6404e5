//! What a bad camera does, as values and as one line of text.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};

/// All that a camera can be told to do. The default is a plain camera that does everything right.
///
/// As text: `key=value` pairs and words, separated by `;`. Counts are access units since PLAY.
///
/// | text | meaning |
/// |---|---|
/// | `clip=NAME` | what it sends, a path or a clip of `scripts/setup`; H.264, H.265 or JPEG, in a loop |
/// | `skip=N` | begins at access unit N of the clip |
/// | `next=NAME@N` | goes over to another clip after N, parameter sets in band |
/// | `fps=R` | sends at another rate than the clip's |
/// | `sdp-fps=R` | what the SDP claims |
/// | `tracks=audio,video,second` | what the SDP offers, in this order; `second` is another video of clip `second=NAME` |
/// | `rtp-start=N` | first RTP time |
/// | `reports=true\|none\|ahead:S\|behind:S\|jump\|ssrc0` | sender reports, once a second |
/// | `stall=N` | sends nothing more after N, but answers |
/// | `mute=N` | sends and answers nothing more after N |
/// | `hang-up=N`, `bye=N` | closes the connection, says BYE after N |
/// | `silent` | accepts connections and never says a word |
/// | `answer=METHOD:never\|garbage\|endless\|slow:S\|CODE` | how one method is answered |
/// | `auth=basic\|digest\|sha256`, `login=USER:PASSWORD` | asks for a password |
/// | `redirect=CODE:URL` | answers DESCRIBE so |
/// | `move=N:URL` | sends a REDIRECT request after N |
/// | `limit=N:CODE` | answers so when N sessions play already |
/// | `timeout=S` | ends a session after S seconds without a request or an RTCP packet |
/// | `deaf` | takes no RTCP packet for a sign of life |
/// | `transport=tcp\|udp` | refuses the other with 461 |
/// | `drop=P%`, `reorder=P%`, `seed=N` | loses packets, swaps them with the next, drawn from the seed |
/// | `drop-at=N` | loses one packet in the middle of access unit N |
/// | `cut=N` | cuts the last slice of every Nth access unit short |
/// | `truncate=N` | leaves the second half of every Nth JPEG out |
/// | `no-sei` | leaves supplemental enhancement information out |
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Name of a prepared clip, or a path.
    pub clip: String,
    /// First access unit of the clip.
    pub skip: usize,
    /// Another clip after so many access units.
    pub next: Option<(String, u64)>,
    /// Clip of [`Track::Second`].
    pub second: Option<String>,
    /// Frames a second, where it is not the clip's own rate.
    pub fps: Option<f64>,
    /// Frames a second as the SDP claims.
    pub sdp_fps: Option<f64>,
    /// Media of the SDP, in order.
    pub tracks: Vec<Track>,
    /// First RTP time.
    pub rtp_start: u32,
    /// Sender reports.
    pub reports: Reports,
    /// Sends nothing more after so many access units.
    pub stall: Option<u64>,
    /// Neither sends nor answers after so many access units.
    pub mute: Option<u64>,
    /// Closes the connection after so many access units.
    pub hang_up: Option<u64>,
    /// Says BYE after so many access units, and sends no more.
    pub bye: Option<u64>,
    /// Accepts connections and never says a word.
    pub silent: bool,
    /// How one method is answered.
    pub answers: Vec<(String, Answer)>,
    /// The password that it asks for, and how.
    pub auth: Option<Auth>,
    /// User and password.
    pub login: (String, String),
    /// Status code and location with which DESCRIBE is answered.
    pub redirect: Option<(u16, String)>,
    /// A REDIRECT request after so many access units.
    pub moved: Option<Moved>,
    /// With so many sessions playing, further ones get this status.
    pub limit: Option<(usize, u16)>,
    /// A session without a sign of life for so long ends.
    pub timeout: Option<Duration>,
    /// Only requests are signs of life, no RTCP packets.
    pub deaf: bool,
    /// The only transport that is not refused.
    pub transport: Option<String>,
    /// Packets that get lost.
    pub drops: Drops,
    /// Cuts the last slice of every so many access units short.
    pub cut: Option<u64>,
    /// Leaves half of every so many JPEGs out.
    pub truncate: Option<u64>,
    /// Leaves SEI out.
    pub no_sei: bool,
}

/// A medium of the SDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// PCMU sound; never sent.
    Audio,
    /// The clip.
    Video,
    /// Another clip.
    Second,
}

/// Sender reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reports {
    /// True to a few milliseconds.
    True,
    /// None at all.
    None,
    /// The camera's clock is so many seconds ahead (negative: behind).
    Off(f64),
    /// Every other report is ten minutes ahead.
    Jump,
    /// The first report comes from SSRC 0, with an NTP time near 1900.
    SsrcZero,
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// Not at all.
    Never,
    /// With what is no RTSP.
    Garbage,
    /// With a header that has no end.
    Endless,
    /// Rightly, after a while.
    Slow(Duration),
    /// With this status.
    Status(u16),
}

/// How a password is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// RFC 7617
    Basic,
    /// RFC 7616 with MD5
    Digest,
    /// RFC 7616 with SHA-256 only
    Sha256,
}

/// A REDIRECT request of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// After so many access units.
    pub after: u64,
    /// Where to.
    pub location: String,
}

/// What happens to packets on their way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drops {
    /// Share of packets lost.
    pub lost: f64,
    /// Share of packets that are overtaken by the next one.
    pub swapped: f64,
    /// One packet in the middle of this access unit is lost.
    pub at: Option<u64>,
    /// What chance is drawn from.
    pub seed: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            clip: "h264-720p25.mkv".to_owned(),
            skip: 0,
            next: None,
            second: None,
            fps: None,
            sdp_fps: None,
            tracks: vec![Track::Video],
            rtp_start: 1_000_000,
            reports: Reports::True,
            stall: None,
            mute: None,
            hang_up: None,
            bye: None,
            silent: false,
            answers: Vec::new(),
            auth: None,
            login: ("viewer".to_owned(), "secret".to_owned()),
            redirect: None,
            moved: None,
            limit: None,
            timeout: None,
            deaf: false,
            transport: None,
            drops: Drops {
                lost: 0.0,
                swapped: 0.0,
                at: None,
                seed: 1,
            },
            cut: None,
            truncate: None,
            no_sei: false,
        }
    }
}

impl FromStr for Scenario {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut scenario = Self::default();
        for part in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            scenario
                .put(key.trim(), value.trim())
                .with_context(|| format!("scenario: {part:?}"))?;
        }
        Ok(scenario)
    }
}

impl Scenario {
    fn put(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "clip" => value.clone_into(&mut self.clip),
            "skip" => self.skip = value.parse()?,
            "next" => self.next = Some(split(value, '@', "NAME@N")?),
            "second" => self.second = Some(value.to_owned()),
            "fps" => self.fps = Some(rate(value)?),
            "sdp-fps" => self.sdp_fps = Some(rate(value)?),
            "tracks" => self.tracks = value.split(',').map(track).collect::<Result<_>>()?,
            "rtp-start" => self.rtp_start = value.parse()?,
            "reports" => self.reports = reports(value)?,
            "stall" => self.stall = Some(value.parse()?),
            "mute" => self.mute = Some(value.parse()?),
            "hang-up" => self.hang_up = Some(value.parse()?),
            "bye" => self.bye = Some(value.parse()?),
            "silent" => self.silent = true,
            "deaf" => self.deaf = true,
            "answer" => {
                let (method, how) = value.split_once(':').context("METHOD:HOW")?;
                self.answers.push((method.to_owned(), answer(how)?));
            }
            "auth" => self.auth = Some(auth(value)?),
            "login" => self.login = split(value, ':', "USER:PASSWORD")?,
            "redirect" => {
                let (code, location) = value.split_once(':').context("CODE:URL")?;
                self.redirect = Some((code.parse()?, location.to_owned()));
            }
            "move" => {
                let (after, location) = value.split_once(':').context("N:URL")?;
                self.moved = Some(Moved {
                    after: after.parse()?,
                    location: location.to_owned(),
                });
            }
            "limit" => {
                let (count, code) = value.split_once(':').context("N:CODE")?;
                self.limit = Some((count.parse()?, code.parse()?));
            }
            "timeout" => self.timeout = Some(seconds(value)?),
            "transport" => self.transport = Some(value.to_owned()),
            "drop" => self.drops.lost = percent(value)?,
            "reorder" => self.drops.swapped = percent(value)?,
            "drop-at" => self.drops.at = Some(value.parse()?),
            "seed" => self.drops.seed = value.parse()?,
            "cut" => self.cut = Some(value.parse()?),
            "truncate" => self.truncate = Some(value.parse()?),
            "no-sei" => self.no_sei = true,
            other => bail!("{other:?} is not known"),
        }
        Ok(())
    }

    /// How this method is answered, where not rightly.
    pub(super) fn answer(&self, method: &str) -> Option<Answer> {
        let found = self.answers.iter().find(|(name, _)| name == method);
        found.map(|(_, answer)| *answer)
    }
}

/// Scenarios one after the other: `SCENARIO for 10s | SCENARIO`; the last one stays.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// Each with how long it holds, from the start of the camera on.
    pub parts: Vec<(Scenario, Duration)>,
}

impl FromStr for Script {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let part = |text: &str| {
            Ok(match text.rsplit_once(" for ") {
                Some((scenario, time)) => (
                    scenario.parse()?,
                    seconds(time.trim().trim_end_matches('s'))?,
                ),
                None => (text.parse()?, Duration::MAX),
            })
        };
        let parts = text.split('|').map(part).collect::<Result<_>>()?;
        Ok(Self { parts })
    }
}

fn split<T: FromStr, U: FromStr>(value: &str, at: char, form: &'static str) -> Result<(T, U)> {
    let (left, right) = value.split_once(at).context(form)?;
    Ok((
        left.parse().ok().context(form)?,
        right.parse().ok().context(form)?,
    ))
}

fn rate(value: &str) -> Result<f64> {
    let rate: f64 = value.parse()?;
    if rate > 0.0 && rate <= 1000.0 {
        Ok(rate)
    } else {
        bail!("a rate is above 0 and at most 1000")
    }
}

fn seconds(value: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(value.parse()?)?)
}

fn percent(value: &str) -> Result<f64> {
    let percent: f64 = value.strip_suffix('%').context("a percentage")?.parse()?;
    if (0.0..=100.0).contains(&percent) {
        Ok(percent / 100.0)
    } else {
        bail!("a percentage is 0 to 100")
    }
}

fn track(value: &str) -> Result<Track> {
    Ok(match value.trim() {
        "audio" => Track::Audio,
        "video" => Track::Video,
        "second" => Track::Second,
        other => bail!("{other:?} is none of audio, video, second"),
    })
}

fn reports(value: &str) -> Result<Reports> {
    Ok(match value.split_once(':') {
        Some(("ahead", by)) => Reports::Off(by.parse()?),
        Some(("behind", by)) => Reports::Off(-by.parse::<f64>()?),
        None if value == "true" => Reports::True,
        None if value == "none" => Reports::None,
        None if value == "jump" => Reports::Jump,
        None if value == "ssrc0" => Reports::SsrcZero,
        _ => bail!("none of true, none, ahead:S, behind:S, jump, ssrc0"),
    })
}

fn answer(value: &str) -> Result<Answer> {
    Ok(match value.split_once(':') {
        Some(("slow", time)) => Answer::Slow(seconds(time)?),
        None if value == "never" => Answer::Never,
        None if value == "garbage" => Answer::Garbage,
        None if value == "endless" => Answer::Endless,
        _ => Answer::Status(value.parse()?),
    })
}

fn auth(value: &str) -> Result<Auth> {
    Ok(match value {
        "basic" => Auth::Basic,
        "digest" => Auth::Digest,
        "sha256" => Auth::Sha256,
        other => bail!("{other:?} is none of basic, digest, sha256"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_text_is_a_scenario() {
        let line = "clip=a.mp4; tracks=audio,video; reports=behind:3600; drop=2.5%; seed=7; \
                    answer=DESCRIBE:slow:3; answer=PLAY:503; limit=1:453; redirect=302:rtsp://h:1/x; silent";
        let scenario: Scenario = line.parse().unwrap();
        assert_eq!(
            scenario,
            Scenario {
                clip: "a.mp4".to_owned(),
                tracks: vec![Track::Audio, Track::Video],
                reports: Reports::Off(-3600.0),
                drops: Drops {
                    lost: 0.025,
                    seed: 7,
                    ..Scenario::default().drops
                },
                answers: vec![
                    ("DESCRIBE".to_owned(), Answer::Slow(Duration::from_secs(3))),
                    ("PLAY".to_owned(), Answer::Status(503)),
                ],
                limit: Some((1, 453)),
                redirect: Some((302, "rtsp://h:1/x".to_owned())),
                silent: true,
                ..Scenario::default()
            }
        );
        let script: Script = "silent for 5s | clip=b.mp4".parse().unwrap();
        assert_eq!(script.parts.len(), 2);
        for wrong in ["klip=a", "drop=5", "fps=0", "answer=PLAY", "reports=ahead"] {
            let error = wrong.parse::<Scenario>().unwrap_err();
            assert!(format!("{error:#}").contains(wrong), "{error:#}");
        }
    }
}
