//! A reader behind a link of 4 Mbit/s, which is a third of what the camera sends.
//!
//! Two network namespaces, joined by a cable of that speed: the site with server and camera, and the far end with
//! the reader. They have no names: each lives as long as the processes in it, and the machine's own network is never
//! touched.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use streamhub_testkit::paths::{nats_server_bin, python};
use streamhub_testkit::{Folder, Proc, clip, repository};
use streamhub_wire::connect::NatsSettings;
use streamhub_wire::hub_time_us;
use streamhub_wire::server::LocalServer;
use streamhub_wire::subscribe::{Consumer, Mode, Way};

use crate::support::{PATIENCE, prefix, token};

const SITE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const PORT: u16 = 4222;

/// A process that keeps a new namespace alive; it ends by itself should the test be killed.
fn hold(name: &str, unshare: &mut Command) -> Proc {
    let script = "ip link set lo up && echo ready && exec sleep 300";
    let mut process = Proc::spawn(name, unshare.args(["sh", "-c", script])).unwrap();
    process.wait_for_line("ready", PATIENCE).unwrap();
    process
}

/// The two namespaces and their cable.
struct Link {
    site: Proc,
    far: Proc,
}

impl Link {
    fn new(rate: &str) -> Self {
        let mut unshare = Command::new("unshare");
        if !rustix::process::getuid().is_root() {
            // Root of a namespace of users around both.
            unshare.args(["--user", "--map-root-user"]);
        }
        let site = hold("site", unshare.arg("--net"));
        let far = hold("far-end", &mut command_in(&site, &["unshare", "--net"]));
        let peer = far.id();
        for command in [
            format!("ip link add cable type veth peer name cable netns {peer}"),
            format!("ip address add {SITE}/24 dev cable"),
            "ip link set cable up".to_owned(),
            format!("tc qdisc add dev cable root tbf rate {rate} burst 16kb latency 200ms"),
        ] {
            run_in(&site, &command);
        }
        run_in(&far, "ip address add 10.77.0.2/24 dev cable");
        run_in(&far, "ip link set cable up");
        Self { site, far }
    }
}

/// A command that runs in the namespace of `at`.
fn command_in(at: &Proc, words: &[&str]) -> Command {
    let [program, arguments @ ..] = &*enter(at) else {
        unreachable!("never empty");
    };
    let mut command = Command::new(program);
    command.args(arguments).args(words);
    command
}

fn run_in(at: &Proc, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    let output = command_in(at, &words).output().unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn start_in(at: &Proc, name: &str, words: &[&str]) -> Proc {
    Proc::spawn(name, &mut command_in(at, words)).unwrap()
}

/// The words before a command that make it run where `holder` is.
fn enter(holder: &Proc) -> Vec<String> {
    let target = holder.id().to_string();
    let mut words = vec!["nsenter", "--target", &target, "--net"];
    if !rustix::process::getuid().is_root() {
        words.extend(["--user", "--preserve-credentials"]);
    }
    words.into_iter().map(str::to_owned).collect()
}

/// What a reader saw: ages in seconds, and bytes of all frames.
fn read(reader: &mut Proc) -> (Vec<f64>, f64) {
    let status = reader.wait(PATIENCE).unwrap();
    assert!(status.success(), "{}", reader.last_words());
    let text = reader.stdout();
    let lines = text.lines().map(|line| {
        let (age, bytes) = line.split_once(' ').expect("two numbers");
        (age.parse::<f64>().unwrap(), bytes.parse::<f64>().unwrap())
    });
    let (ages, sizes): (Vec<f64>, Vec<f64>) = lines.unzip();
    (ages, sizes.iter().sum())
}

/// Set for the process at the far end: where the server is, and where to write what was seen.
const FAR_URL: &str = "STREAMHUB_TEST_FAR_URL";
const FAR_FILE: &str = "STREAMHUB_TEST_FAR_FILE";

/// What the test below runs at the far end, since a process has one network only. Without its variables it does nothing.
#[tokio::test]
async fn a_reader_at_the_far_end() {
    let (Ok(url), Ok(file)) = (std::env::var(FAR_URL), std::env::var(FAR_FILE)) else {
        return;
    };
    let settings = NatsSettings {
        url,
        secrets: None,
        name: "far".to_owned(),
        inbox_prefix: "_INBOX.far".to_owned(),
    };
    let reader = Consumer::connect(&settings, prefix()).await.unwrap();
    let (camera, main) = (token("distant"), token("main"));
    let begin = Instant::now();
    let mut frames = reader
        .follow(&camera, &main, Duration::MAX, Mode::Auto)
        .await
        .unwrap();
    let mut seen = String::new();
    while begin.elapsed() < Duration::from_secs(14) {
        let frame = frames.next().await.unwrap().unwrap();
        let age = (hub_time_us() - frame.metadata.published) as f64 / 1e6;
        let way = frames.way();
        writeln!(
            seen,
            "{:.3} {age:.3} {way:?}",
            begin.elapsed().as_secs_f64()
        )
        .unwrap();
    }
    assert_eq!(frames.way(), Way::Pull, "{seen}");
    std::fs::write(file, seen).unwrap();
}

/// Ages in seconds of the frames that came to a reader that chooses by itself, after the first seven seconds.
fn choose(link: &Link, url: &str) -> Vec<f64> {
    let folder = Folder::new().unwrap();
    let file = folder.path().join("seen");
    let test = std::env::current_exe().unwrap();
    let words = [
        test.to_str().unwrap(),
        "slow_link::a_reader_at_the_far_end",
        "--exact",
        "--nocapture",
    ];
    let mut command = command_in(&link.far, &words);
    command.env(FAR_URL, url).env(FAR_FILE, &file);
    let mut reader = Proc::spawn("chooser", &mut command).unwrap();
    let status = reader.wait(PATIENCE).unwrap();
    assert!(status.success(), "{}", reader.last_words());
    let seen = std::fs::read_to_string(&file).unwrap();
    println!("second, age, way from then on:\n{seen}");
    let ages = seen.lines().filter_map(|line| {
        let mut words = line.split(' ').map(str::parse::<f64>);
        let (at, age) = (words.next()?.ok()?, words.next()?.ok()?);
        (at > 7.0).then_some(age)
    });
    ages.collect()
}

#[test]
fn a_reader_on_a_slow_link_stays_fresh_by_next_and_only_by_next() {
    let link = Link::new("4mbit");
    let folder = Folder::new().unwrap();
    let local = LocalServer {
        host: SITE.into(),
        port: PORT,
    };
    let config = folder.write("nats.conf", &local.config()).unwrap();
    let film = clip("mjpeg-720p25.avi").unwrap();
    let camera = format!(
        "apiVersion: streamhub.dev/v1alpha1\nkind: Camera\nmetadata: {{name: distant}}\n\
         spec: {{source: {{file: {{uri: {}}}}}, frames: [{{name: main, fps: 15}}]}}\n",
        film.display()
    );
    let camera = folder.write("camera.yaml", &camera).unwrap();
    let nats_server = nats_server_bin().unwrap();
    let words = [
        nats_server.to_str().unwrap(),
        "-c",
        config.to_str().unwrap(),
    ];
    let mut server = start_in(&link.site, "nats-server", &words);
    server.wait_for_line("Server is ready", PATIENCE).unwrap();
    let url = format!("nats://{SITE}:{PORT}");
    let program = env!("CARGO_BIN_EXE_streamhub-ingest");
    let words = [
        program,
        "--camera",
        camera.to_str().unwrap(),
        "--nats-url",
        &url,
    ];
    let mut ingest = start_in(&link.site, "distant", &words);
    ingest.wait_for_line("connected to NATS", PATIENCE).unwrap();

    let script = repository().join("ingest-pod/tests/process/slow_reader.py");
    let (python, script) = (python().unwrap(), script.to_str().unwrap().to_owned());
    let reader = |way: &str| {
        let words = [
            python.to_str().unwrap(),
            &script,
            &url,
            "distant.main",
            way,
            "6",
        ];
        read(&mut start_in(&link.far, way, &words))
    };
    let (mut ages, bytes) = reader("pull");
    ages.sort_unstable_by(f64::total_cmp);
    let (median, oldest) = (ages[ages.len() / 2], ages[ages.len() - 1]);
    assert!(
        median < 1.25 && oldest < 3.0,
        "median {median} s, oldest {oldest} s"
    );
    // The link was the limit, and it was used.
    let megabits = bytes * 8.0 / 6e6;
    assert!((1.5..4.8).contains(&megabits), "{megabits} Mbit/s");

    // One that begins by push finds that out by itself.
    let mut chosen = choose(&link, &url);
    chosen.sort_unstable_by(f64::total_cmp);
    assert!(chosen.len() > 10, "{chosen:?}");
    let (middle, worst) = (chosen[chosen.len() / 2], chosen[chosen.len() - 1]);
    println!("its own choice: median {middle} s, oldest {worst} s");
    assert!(
        middle < 1.25 && worst < 3.0,
        "median {middle} s, oldest {worst} s"
    );

    // Pushed frames wait in the server until it gives such a reader up.
    let (ages, _) = reader("push");
    let pushed = ages.into_iter().max_by(f64::total_cmp).expect("frames");
    println!(
        "pull: median {median} s, oldest {oldest} s, {megabits:.1} Mbit/s; push: oldest {pushed} s"
    );
    assert!(
        pushed > 1.0,
        "pushed frames are at most {pushed} s old: is the link slow at all?"
    );
    assert!(ingest.is_running());
}
