//! Readers that are many, slow or stopped.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use streamhub_testkit::{NatsServer, eventually};
use streamhub_wire::hub_time_us;
use streamhub_wire::server::LocalServer;
use streamhub_wire::status::CameraStatus;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use crate::recorder::{Recorder, Seen};
use crate::support::{Ingest, PATIENCE, consumer, frames, next, prefix};

const FPS: u64 = 15;

/// The server that `streamhub up` runs.
fn server() -> NatsServer {
    let local = LocalServer {
        host: Ipv4Addr::LOCALHOST.into(),
        port: 0,
    };
    NatsServer::options()
        .config(&local.config())
        .start()
        .unwrap()
}

fn camera(nats: &NatsServer) -> Ingest {
    let picture = "{width: 640, height: 360}";
    let spec = format!(
        "{{source: {{test: {picture}}}, frames: [{{name: main, fps: {FPS}, quality: 90}}]}}"
    );
    let ingest = Ingest::start("popular", &spec, nats);
    ingest.wait_ready();
    ingest
}

/// Subscribes to the frames and never reads. A small window, so that the server notices at once and not after what
/// two kernels hold.
async fn stopped_reader(port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut reader = socket
        .connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await
        .unwrap();
    let hello = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB {}.frames.> 1\r\nPING\r\n",
        prefix()
    );
    reader.write_all(hello.as_bytes()).await.unwrap();
    reader
}

/// Published frames, and those that were due and not published.
fn counts(status: &CameraStatus) -> (u64, u64) {
    let main = &status.renditions["main"];
    (main.published, main.drops.values().sum())
}

fn percentile(ages: &mut [Duration], percent: usize) -> Duration {
    ages.sort_unstable();
    ages[(ages.len() - 1) * percent / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_readers_and_one_that_stands_still_do_not_slow_a_camera() {
    let mut nats = server();
    let ingest = camera(&nats);
    let stopped = stopped_reader(nats.port()).await;
    let mut readers = Vec::new();
    for _ in 0..50 {
        readers.push(Recorder::start(&nats.url(), "popular", "main").await);
    }
    let (before, begin) = (counts(&ingest.status().unwrap()), hub_time_us());
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (after, end) = (counts(&ingest.status().unwrap()), hub_time_us());

    let expected = ((end - begin).cast_unsigned() * FPS) / 1_000_000;
    let published = after.0 - before.0;
    assert!(
        published.abs_diff(expected) <= 6,
        "{published} of {expected}"
    );
    assert!(after.1 - before.1 <= 3, "{} dropped", after.1 - before.1);
    for reader in &readers {
        let during = |seen: &Seen| (begin..end).contains(&seen.at);
        let mut ages: Vec<Duration> = reader
            .seen()
            .iter()
            .filter(|seen| during(seen))
            .map(Seen::age)
            .collect();
        assert!(
            (ages.len() as u64).abs_diff(expected) <= 6,
            "{} of {expected}",
            ages.len()
        );
        assert!(percentile(&mut ages, 50) < Duration::from_millis(100));
        assert!(percentile(&mut ages, 95) < Duration::from_millis(500));
    }
    nats.process()
        .wait_for_line("Slow Consumer Detected: WriteDeadline of 2s", PATIENCE)
        .unwrap();
    // It stood still all the time, and the server has given it up.
    let gone = eventually(PATIENCE, "the end of the stopped reader", || {
        let mut rest = [0; 4096];
        match stopped.try_read(&mut rest) {
            Ok(0) => Some(()),
            Ok(_) => None,
            Err(error) => (error.kind() != ErrorKind::WouldBlock).then_some(()),
        }
    });
    gone.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_processes_five_of_fifteen_frames_a_second_stays_fresh_by_push() {
    let nats = server();
    let _ingest = camera(&nats);
    let mut stream = frames(&consumer(&nats).await, "popular", "main").await;
    next(&mut stream).await;
    let (mut ages, begin) = (Vec::new(), Instant::now());
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let frame = next(&mut stream).await;
        let age = hub_time_us() - frame.metadata.published;
        ages.push(Duration::from_micros(age.max(0).cast_unsigned()));
    }
    // In a queue the last one would be four seconds old.
    assert!(
        percentile(&mut ages, 50) < Duration::from_millis(175),
        "{ages:?}"
    );
    assert!(
        percentile(&mut ages, 95) < Duration::from_millis(500),
        "{ages:?}"
    );
    // An idle machine is through after six seconds.
    let most = (begin.elapsed().as_secs_f64() * FPS as f64) as u64 - 10;
    assert!(
        (40..=most).contains(&stream.skipped()),
        "{} of {most}",
        stream.skipped()
    );
}
