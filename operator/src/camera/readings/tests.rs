use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::camera::faults::operator;
use crate::fake_api::FakeApi;
use crate::metrics::QueueMetrics;
use crate::pulse::Pulse;
use crate::queue::Queue;
use crate::samples::{camera, key, pod_of, reading, running, with_status};
use crate::world::{Told, World};

use super::*;

fn pod(ready: bool) -> PodFacts {
    let mut world = World::default();
    world.set_camera(camera("door", "source: {test: {}}"), Told::Watch);
    let pod = running(pod_of(&world, "door", "1"), ready);
    world.set_pod(pod, Told::Watch);
    world.pod(&key("door")).unwrap().clone()
}

fn keep(memory: &mut Memory, pod: &PodFacts, said: Result<CameraStatus, String>) -> bool {
    super::keep(memory, pod, said, Duration::ZERO)
}

/// The hash of what all of these pods were given.
fn given() -> String {
    pod(true).annotation(names::CONFIG_HASH).unwrap().to_owned()
}

fn said(hash: &str) -> CameraStatus {
    let mut said = CameraStatus::default();
    hash.clone_into(&mut said.config.hash);
    said
}

fn wait(pod: &PodFacts, memory: &Memory) -> Option<u64> {
    let wait = due(pod, memory)?.saturating_duration_since(Instant::now());
    Some(wait.as_millis().div_ceil(1000) as u64)
}

#[test]
fn a_pod_is_asked_when_its_readiness_flips_and_every_ten_seconds_while_it_is_not_ready() {
    let mut memory = Memory::default();
    assert_eq!(wait(&pod(false), &memory), Some(0));
    assert!(keep(&mut memory, &pod(false), Ok(said(&given()))));
    assert_eq!(wait(&pod(false), &memory), Some(10));
    assert_eq!(wait(&pod(true), &memory), Some(0), "it flipped");
    keep(&mut memory, &pod(true), Ok(said(&given())));
    assert_eq!(
        wait(&pod(true), &memory),
        Some(10),
        "once more when it has settled"
    );
    assert!(
        !keep(&mut memory, &pod(true), Ok(said(&given()))),
        "nothing new"
    );
    assert_eq!(wait(&pod(true), &memory), None);
}

#[test]
fn after_a_patch_it_is_asked_every_second_for_a_while() {
    let pod = pod(true);
    let mut memory = Memory::default();
    for _ in 0..3 {
        keep(&mut memory, &pod, Ok(said("old")));
    }
    memory.patched = Some(Instant::now());
    assert_eq!(wait(&pod, &memory), Some(1));
    // Its source may still be the one before.
    let hash = pod.annotation(names::CONFIG_HASH).unwrap();
    assert!(keep(&mut memory, &pod, Ok(said(hash))));
    assert_eq!(wait(&pod, &memory), Some(1));
    memory.patched = Instant::now().checked_sub(Duration::from_secs(31));
    assert_eq!(wait(&pod, &memory), None);
}

#[test]
fn a_pod_that_complains_is_asked_again_until_it_does_not() {
    let mut memory = Memory::default();
    for _ in 0..3 {
        let reason = "Overloaded".to_owned();
        keep(
            &mut memory,
            &pod(true),
            Ok(CameraStatus {
                reason,
                ..said(&given())
            }),
        );
    }
    assert_eq!(wait(&pod(true), &memory), Some(60));
    assert!(keep(&mut memory, &pod(true), Ok(said(&given()))));
    assert_eq!(wait(&pod(true), &memory), None);
}

#[test]
fn one_that_does_not_answer_is_asked_less_and_less() {
    let (not_ready, ready) = (pod(false), pod(true));
    let waits = |pod: &PodFacts| -> Vec<u64> {
        let mut memory = Memory::default();
        let waits = (0..9).map(|_| {
            keep(&mut memory, pod, Err("no answer".to_owned()));
            wait(pod, &memory).unwrap()
        });
        waits.collect()
    };
    // Never so seldom that what has healed is seen late, and each pod at its own pace.
    let near = |waits: Vec<u64>, most: [u64; 9]| {
        for (wait, most) in waits.into_iter().zip(most) {
            assert!(wait <= most && wait * 5 >= most * 4, "{wait} s of {most} s");
        }
    };
    near(waits(&not_ready), [2, 2, 2, 2, 2, 10, 20, 30, 30]);
    near(waits(&ready), [20, 40, 60, 60, 60, 60, 60, 60, 60]);
}

#[test]
fn a_process_that_takes_long_to_listen_is_asked_afresh_once_it_is_ready() {
    let mut memory = Memory::default();
    let failed = |memory: &mut Memory, pod: &PodFacts| {
        keep(memory, pod, Err("refused".to_owned()));
        memory.reading.as_ref().unwrap().failed
    };
    let counts = [false, false, false, true, true].map(|ready| failed(&mut memory, &pod(ready)));
    assert_eq!(counts, [1, 2, 3, 1, 2]);
}

#[test]
fn many_that_fell_silent_at_once_are_not_all_asked_at_once_for_ever() {
    let waits: std::collections::BTreeSet<Duration> = (0..50)
        .map(|n| {
            let mut pod = pod(false);
            pod.uid = format!("uid-{n}");
            spread(&pod, Duration::from_secs(30))
        })
        .collect();
    assert!(waits.len() > 30, "{waits:?}");
    assert!(
        waits.iter().all(|wait| (24..=30).contains(&wait.as_secs())),
        "{waits:?}"
    );
}

#[test]
fn a_pod_that_was_given_something_new_is_asked_soon_even_when_it_misses_an_answer() {
    let pod = pod(true);
    let mut memory = Memory::default();
    keep(&mut memory, &pod, Err("no answer".to_owned()));
    assert_eq!(wait(&pod, &memory).map(|wait| wait > 10), Some(true));
    memory.patched = Some(Instant::now());
    assert_eq!(wait(&pod, &memory), Some(2));
}

#[test]
fn a_pod_that_runs_something_else_is_asked_until_it_does_not() {
    let pod = pod(true);
    let mut memory = Memory::default();
    for _ in 0..3 {
        keep(&mut memory, &pod, Ok(said("old")));
    }
    assert_eq!(wait(&pod, &memory), Some(10));
    let hash = pod.annotation(names::CONFIG_HASH).unwrap();
    assert!(keep(&mut memory, &pod, Ok(said(hash))));
    assert_eq!(wait(&pod, &memory), None);
}

#[test]
fn only_a_silence_that_had_to_be_waited_for_is_held_apart() {
    let mut memory = Memory::default();
    let mut slow = |said, took| {
        super::keep(&mut memory, &pod(false), said, took);
        super::slow(&memory, &pod(false))
    };
    assert!(!slow(Err("refused".to_owned()), Duration::from_millis(1)));
    assert!(slow(Err("no answer".to_owned()), CONNECT));
    assert!(!slow(Ok(said(&given())), ANSWER / 2));
}

#[test]
fn a_pod_without_a_running_process_is_not_asked() {
    let mut world = World::default();
    world.set_camera(camera("door", "source: {test: {}}"), Told::Watch);
    let pending = with_status(pod_of(&world, "door", "1"), json!({"phase": "Pending"}));
    world.set_pod(pending, Told::Watch);
    assert_eq!(
        due(world.pod(&key("door")).unwrap(), &Memory::default()),
        None
    );
}

#[tokio::test]
async fn one_that_is_known_to_be_silent_holds_up_no_other() {
    // The port is always the same, so each run of the tests has addresses of its own.
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let addresses = ["66", "67"].map(|part| format!("127.{part}.{high}.{low}"));
    // It connects, and answers nothing.
    let silent = TcpListener::bind((addresses[0].as_str(), names::HTTP_PORT)).await;
    let silent = silent.unwrap();
    let queue = || Queue::new(1, QueueMetrics::default());
    let (first, further) = (queue(), queue());
    let mut context = operator(&FakeApi::default());
    let shared = Arc::get_mut(&mut context).unwrap();
    (shared.readings, shared.retries) = (first.asker(), further.asker());
    let world = shared.world.get_mut().unwrap();
    for (name, address) in ["door", "gate"].into_iter().zip(&addresses) {
        world.set_camera(camera(name, "source: {test: {}}"), Told::Watch);
        let mut pod = running(pod_of(world, name, "1"), false);
        pod.status.as_mut().unwrap().pod_ip = Some(address.clone());
        world.set_pod(pod, Told::Watch);
    }
    let memory = |name| context.memories.of(&key(name));
    let (door, gate) = (memory("door"), memory("gate"));
    lock(&door).reading = Some(Reading {
        asked: Instant::now().checked_sub(SOON * 2).unwrap(),
        slow: true,
        ..reading("uid-cam-door", Err(1))
    });
    let (_stop, stopped) = watch::channel(false);
    for (queue, retries) in [(first, false), (further, true)] {
        let readings = Readings::new(Arc::clone(&context), retries);
        tokio::spawn(queue.run(readings, Pulse::default(), stopped.clone()));
    }

    context.readings.ask(key("door"));
    let _connection = silent.accept().await.unwrap();
    context.readings.ask(key("gate"));
    let asked = async {
        loop {
            if let Some(reading) = &lock(&gate).reading {
                return reading.asked;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_mins(1), asked).await;
    let door = lock(&door).reading.clone().unwrap();
    assert!(
        door.failed == 1 || asked.unwrap() < door.asked,
        "it was waited for"
    );
}
