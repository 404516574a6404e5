//! The camera itself: connections, requests, answers.

use std::collections::HashMap;
use std::io::BufReader;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::clip::Clip;
use super::rtsp::{Incoming, Request, read, response};
use super::scenario::{Answer, Scenario, Script, Track};
use super::sender::{Line, Output, Sender, Session, write};
use super::{digest, sdp};

/// A client that does not read for so long is given up.
const WRITING: Duration = Duration::from_secs(10);
/// What an endless answer sends at most: more than any client should keep.
const ENDLESS: usize = 256 << 20;
const SESSION: &str = "4711";

/// A running camera; it ends with this value.
#[derive(Debug)]
pub struct Badcam {
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

/// What the camera has seen of its clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Connections accepted.
    pub connections: usize,
    /// PLAY requests answered with 200.
    pub plays: usize,
    /// Requests that keep a session alive: OPTIONS and `GET_PARAMETER` after PLAY.
    pub kept_alive: usize,
    /// Requests with an `Authorization` header.
    pub with_credentials: usize,
    /// Packets lost on purpose.
    pub lost: usize,
    /// Sessions ended for want of requests.
    pub timed_out: usize,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub port: u16,
    pub playing: AtomicUsize,
    script: Mutex<(Vec<Arc<Scenario>>, Vec<Duration>, Instant)>,
    clips: Mutex<HashMap<String, Arc<Clip>>>,
    connections: Mutex<Vec<TcpStream>>,
    seen: Mutex<Seen>,
    over: AtomicBool,
    talkative: bool,
}

impl Badcam {
    /// Starts a camera on a free port; `script` is a [`Scenario`] as text, or several.
    pub fn start(script: &str) -> Result<Self> {
        Self::on(0, script.parse()?, false)
    }

    /// The same with a value.
    pub fn of(scenario: Scenario) -> Result<Self> {
        let parts = vec![(scenario, Duration::MAX)];
        Self::on(0, Script { parts }, false)
    }

    /// The same on a port; a talkative camera tells on standard error what happens.
    pub fn on(port: u16, script: Script, talkative: bool) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let shared = Arc::new(Shared {
            port: listener.local_addr()?.port(),
            playing: AtomicUsize::new(0),
            script: Mutex::new((Vec::new(), Vec::new(), Instant::now())),
            clips: Mutex::default(),
            connections: Mutex::default(),
            seen: Mutex::default(),
            over: AtomicBool::new(false),
            talkative,
        });
        for (scenario, _) in &script.parts {
            shared.load(scenario)?;
        }
        shared.put(script);
        let accepting = Arc::clone(&shared);
        let listener = thread::spawn(move || accept(&listener, &accepting));
        Ok(Self {
            shared,
            listener: Some(listener),
        })
    }

    /// `rtsp://127.0.0.1:PORT/cam`.
    pub fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/cam", self.shared.port)
    }

    /// Goes over to another scenario. Clip and offers hold from the next session on, all else at once.
    pub fn set(&self, script: &str) -> Result<()> {
        let script: Script = script.parse()?;
        for (scenario, _) in &script.parts {
            self.shared.load(scenario)?;
        }
        self.shared.put(script);
        Ok(())
    }

    /// Closes every connection.
    pub fn hang_up(&self) {
        self.shared.hang_up();
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        *lock(&self.shared.seen)
    }

    /// How many sessions are playing.
    pub fn playing(&self) -> usize {
        self.shared.playing.load(Ordering::SeqCst)
    }
}

impl Drop for Badcam {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.hang_up();
        // Wakes the listener.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.shared.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl Shared {
    pub fn scenario(&self) -> Arc<Scenario> {
        let script = lock(&self.script);
        let mut left = script.2.elapsed();
        for (scenario, time) in script.0.iter().zip(&script.1) {
            if left < *time {
                return Arc::clone(scenario);
            }
            left = left.saturating_sub(*time);
        }
        script.0.last().cloned().unwrap_or_default()
    }

    fn put(&self, script: Script) {
        let (scenarios, times) = script
            .parts
            .into_iter()
            .map(|(scenario, time)| (Arc::new(scenario), time))
            .unzip();
        *lock(&self.script) = (scenarios, times, Instant::now());
    }

    /// Reads the clips of a scenario, so that a missing one is told at once.
    fn load(&self, scenario: &Scenario) -> Result<()> {
        self.clip(&scenario.clip)?;
        for name in scenario.next.iter().map(|(name, _)| name) {
            self.clip(name)?;
        }
        if let Some(name) = &scenario.second {
            self.clip(name)?;
        }
        Ok(())
    }

    pub fn clip(&self, name: &str) -> Result<Arc<Clip>> {
        let mut clips = lock(&self.clips);
        if let Some(known) = clips.get(name) {
            return Ok(Arc::clone(known));
        }
        let clip = Arc::new(Clip::load(name)?);
        clips.insert(name.to_owned(), Arc::clone(&clip));
        Ok(clip)
    }

    pub fn hang_up(&self) {
        for connection in lock(&self.connections).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub fn count(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut lock(&self.seen));
    }

    pub fn note(&self, text: &str) {
        if self.talkative {
            eprintln!("badcam: {text}");
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming().flatten() {
        if shared.is_over() {
            return;
        }
        shared.count(|seen| seen.connections += 1);
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            if let Err(error) = serve(connection, &shared) {
                shared.note(&format!("connection ended: {error:#}"));
            }
        });
    }
}

/// One connection and the sessions that were set up on it.
struct Connection {
    shared: Arc<Shared>,
    line: Line,
    peer: SocketAddr,
    session: Arc<Session>,
    outputs: Vec<(Track, Output)>,
}

fn serve(stream: TcpStream, shared: &Arc<Shared>) -> Result<()> {
    stream.set_write_timeout(Some(WRITING))?;
    stream.set_nodelay(true)?;
    lock(&shared.connections).push(stream.try_clone()?);
    let mut input = BufReader::new(stream.try_clone()?);
    let mut connection = Connection {
        shared: Arc::clone(shared),
        peer: stream.peer_addr()?,
        line: Arc::new(Mutex::new(stream)),
        session: Arc::default(),
        outputs: Vec::new(),
    };
    let served = connection.talk(&mut input);
    connection.session.over.store(true, Ordering::SeqCst);
    let _ = lock(&connection.line).shutdown(Shutdown::Both);
    served
}

impl Connection {
    fn talk(&mut self, input: &mut BufReader<TcpStream>) -> Result<()> {
        loop {
            let request = match read(input)? {
                Incoming::End => return Ok(()),
                Incoming::Other if self.shared.scenario().deaf => continue,
                Incoming::Other => {
                    *lock(&self.session.heard) = Some(Instant::now());
                    continue;
                }
                Incoming::Request(request) => request,
            };
            *lock(&self.session.heard) = Some(Instant::now());
            let scenario = self.shared.scenario();
            self.shared
                .note(&format!("{} {}", request.method, request.url));
            let sent = self.session.sent.load(Ordering::SeqCst);
            if scenario.silent || scenario.mute.is_some_and(|after| sent >= after) {
                continue;
            }
            if request.header("authorization").is_some() {
                self.shared.count(|seen| seen.with_credentials += 1);
            }
            let answer = match scenario.answer(&request.method) {
                Some(Answer::Never) => continue,
                Some(Answer::Garbage) => {
                    write(
                        &self.line,
                        &[0x8f, 0x00, 0x13, 0x37, b'\r', b'\n'].repeat(2_048),
                    )?;
                    continue;
                }
                Some(Answer::Endless) => {
                    self.endless(&request)?;
                    continue;
                }
                Some(Answer::Status(code)) => response(code, &request, &[], ""),
                Some(Answer::Slow(time)) => {
                    thread::sleep(time);
                    self.answer(&scenario, &request)?
                }
                None => self.answer(&scenario, &request)?,
            };
            write(&self.line, answer.as_bytes())?;
            match request.method.as_str() {
                "PLAY" if answer.starts_with("RTSP/1.0 200") => self.play(),
                "TEARDOWN" => return Ok(()),
                _ => {}
            }
        }
    }

    /// A header without an end, until the client hangs up.
    fn endless(&self, request: &Request) -> Result<()> {
        write(
            &self.line,
            response(200, request, &[], "").trim_end().as_bytes(),
        )?;
        let line = format!("\r\nX-Filler: {}", "x".repeat(1_000));
        for _ in 0..ENDLESS / line.len() {
            write(&self.line, line.as_bytes())?;
        }
        Ok(())
    }

    fn answer(&mut self, scenario: &Scenario, request: &Request) -> Result<String> {
        let ok = |headers: &[(&str, String)], body: &str| response(200, request, headers, body);
        let refused = |code| response(code, request, &[], "");
        if request.method != "OPTIONS"
            && let Some(auth) = scenario.auth
            && !digest::admits(auth, scenario, request)
        {
            let challenge = ("WWW-Authenticate", digest::challenge(auth));
            return Ok(response(401, request, &[challenge], ""));
        }
        let timeout = scenario.timeout.map_or(60, |limit| limit.as_secs().max(1));
        let session = ("Session", format!("{SESSION};timeout={timeout}"));
        let sent = self.session.sent.load(Ordering::SeqCst);
        Ok(match request.method.as_str() {
            "OPTIONS" | "GET_PARAMETER" | "SET_PARAMETER" => {
                if sent > 0 {
                    self.shared.count(|seen| seen.kept_alive += 1);
                }
                let methods = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN";
                ok(&[("Public", methods.to_owned())], "")
            }
            "DESCRIBE" => {
                if let Some((code, location)) = &scenario.redirect {
                    let location = ("Location", location.clone());
                    return Ok(response(*code, request, &[location], ""));
                }
                let clip = self.shared.clip(&scenario.clip)?;
                let second = scenario
                    .second
                    .as_ref()
                    .map(|name| self.shared.clip(name))
                    .transpose()?;
                let base = ("Content-Base", format!("{}/", request.url));
                ok(&[base], &sdp::describe(scenario, &clip, second.as_deref()))
            }
            "SETUP" => {
                if let Some((count, code)) = scenario.limit
                    && self.shared.playing.load(Ordering::SeqCst) >= count
                {
                    return Ok(refused(code));
                }
                match self.set_up(scenario, request)? {
                    Some(transport) => ok(&[session, ("Transport", transport)], ""),
                    None => refused(461),
                }
            }
            "PLAY" if self.outputs.is_empty() => refused(454),
            "PLAY" => {
                self.shared.count(|seen| seen.plays += 1);
                ok(&[session, ("Range", "npt=now-".to_owned())], "")
            }
            "TEARDOWN" => ok(&[session], ""),
            _ => refused(501),
        })
    }

    /// The transport of a track; none when it is refused.
    fn set_up(&mut self, scenario: &Scenario, request: &Request) -> Result<Option<String>> {
        let number = request.url.rsplit_once("track=");
        let number = number.and_then(|(_, number)| number.parse::<usize>().ok());
        let track = scenario.tracks.get(number.unwrap_or(0)).copied();
        let track = track.unwrap_or(Track::Video);
        let asked = request.header("transport").unwrap_or_default();
        let tcp = asked.contains("/TCP");
        let wanted = if tcp { "tcp" } else { "udp" };
        if scenario
            .transport
            .as_ref()
            .is_some_and(|only| only != wanted)
        {
            return Ok(None);
        }
        let pair = |name: &str| {
            let (_, rest) = asked.split_once(name)?;
            let digits = rest.split(|c: char| !c.is_ascii_digit());
            let mut numbers = digits.filter_map(|d| d.parse::<u16>().ok());
            Some((numbers.next()?, numbers.next()?))
        };
        if tcp {
            let (channel, _) = pair("interleaved=").unwrap_or((0, 1));
            let output = Output::Tcp {
                line: Arc::clone(&self.line),
                channel: channel as u8,
            };
            self.outputs.push((track, output));
            let next = channel + 1;
            return Ok(Some(format!(
                "RTP/AVP/TCP;unicast;interleaved={channel}-{next}"
            )));
        }
        let (media, control) = pair("client_port=").context("a SETUP without client_port")?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let own = socket.local_addr()?.port();
        let at = |port| SocketAddr::new(self.peer.ip(), port);
        let output = Output::Udp {
            socket,
            media: at(media),
            control: at(control),
        };
        self.outputs.push((track, output));
        let shown = format!("client_port={media}-{control};server_port={own}-{own}");
        Ok(Some(format!("RTP/AVP;unicast;{shown}")))
    }

    fn play(&mut self) {
        for (track, output) in self.outputs.drain(..) {
            let sender = Sender {
                shared: Arc::clone(&self.shared),
                session: Arc::clone(&self.session),
                line: Arc::clone(&self.line),
                output,
                track,
            };
            thread::spawn(move || sender.run());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
