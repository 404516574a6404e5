//! What a subscriber sees of one rendition's ids, whatever becomes of its publishers.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use streamhub_wire::fencing::{Claim, Fence, FenceAction, FenceState, Identity};
use streamhub_wire::ids::FrameIds;
use streamhub_wire::tick::{Offer, RateGate, TickGrid};

/// How long a message takes through NATS, milliseconds.
const TRAVEL_MS: i64 = 20;
/// A server round trip.
const ROUND_TRIP_MS: i64 = 5;

/// What happens next.
#[derive(Debug, Clone)]
enum Act {
    /// Frames flow for so many milliseconds.
    Run(i64),
    /// The source is connected anew.
    Reconnect,
    /// The node's clock is set by so many milliseconds, and the process notices.
    SetClock(i64),
    /// The process dies; its successor begins on another node, whose clock is so many milliseconds beside the first
    /// one's, after so long.
    Crash { pause: i64, beside: i64 },
    /// A second instance begins while the first one still runs, on such a node.
    Replace { beside: i64 },
    /// The connection to NATS breaks and is made again.
    Nats,
}

/// One process.
struct Pod {
    identity: Identity,
    fence: Fence,
    ids: FrameIds,
    gate: RateGate,
    /// Its node's clock minus true time, milliseconds.
    off: i64,
    used: Option<u64>,
}

/// A status on its way.
struct Status {
    arrives: i64,
    from: String,
    identity: Identity,
    claim: Claim,
    last: Option<u64>,
}

struct World {
    begin: Instant,
    now: i64,
    grid: TickGrid,
    pods: Vec<Pod>,
    air: Vec<Status>,
    incarnation: u64,
    count: u32,
    next_frame: i64,
    interval: i64,
    /// What the subscriber has seen.
    last_seen: Option<(u64, String)>,
    frames: u64,
}

/// True time at the beginning, UNIX milliseconds.
const BEGIN_MS: i64 = 1_795_000_000_000;

impl World {
    fn new(fps: u32) -> Self {
        let mut world = Self {
            begin: Instant::now(),
            now: 0,
            grid: TickGrid::new(fps, 1).unwrap(),
            pods: Vec::new(),
            air: Vec::new(),
            incarnation: 0,
            count: 0,
            next_frame: 0,
            interval: 1_000 / i64::from(fps),
            last_seen: None,
            frames: 0,
        };
        world.start(0);
        world
    }

    fn at(&self) -> Instant {
        self.begin + Duration::from_millis(self.now as u64)
    }

    /// A new process, with an incarnation above the last one's, which is all that its starter knows.
    fn start(&mut self, off: i64) {
        self.incarnation += 1;
        self.count += 1;
        let started = (BEGIN_MS + self.now + off) as u64;
        let identity = Identity {
            uid: "door".into(),
            incarnation: self.incarnation,
            started,
            instance: format!("pod-{:03}", self.count),
        };
        let mut pod = Pod {
            fence: Fence::new(identity.clone()),
            identity,
            ids: FrameIds::new(self.incarnation, started),
            gate: RateGate::new(self.grid),
            off,
            used: None,
        };
        let action = pod.fence.connected();
        self.pods.push(pod);
        let newest = self.pods.len() - 1;
        self.act(newest, Some(action));
    }

    fn act(&mut self, pod: usize, action: Option<FenceAction>) {
        let at = self.at() + Duration::from_millis(ROUND_TRIP_MS as u64);
        let Some(action) = action else { return };
        let pod = &mut self.pods[pod];
        self.air.push(Status {
            arrives: self.now + TRAVEL_MS,
            from: pod.identity.instance.clone(),
            identity: pod.identity.clone(),
            claim: pod.fence.claim(),
            last: pod.used,
        });
        if action == FenceAction::Announce {
            pod.fence.round_trip(at);
        }
    }

    fn run(&mut self, ms: i64) -> Result<(), TestCaseError> {
        for _ in 0..ms {
            self.now += 1;
            let (due, later): (Vec<Status>, _) = std::mem::take(&mut self.air)
                .into_iter()
                .partition(|status| status.arrives <= self.now);
            self.air = later;
            for status in due {
                self.deliver(&status);
            }
            for pod in 0..self.pods.len() {
                let now = self.at();
                let action = self.pods[pod].fence.poll(now);
                self.act(pod, action);
            }
            if self.now >= self.next_frame {
                self.next_frame += self.interval;
                self.frame()?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, status: &Status) {
        let now = self.at();
        for index in 0..self.pods.len() {
            let pod = &mut self.pods[index];
            if pod.identity.instance == status.from {
                continue;
            }
            if let Some(last) = status.last
                && pod.ids.heard(last)
            {
                pod.epoch(self.now);
            }
            let action = pod.fence.heard(&status.identity, status.claim, now);
            self.act(index, action);
        }
    }

    fn frame(&mut self) -> Result<(), TestCaseError> {
        for pod in &mut self.pods {
            let timestamp = (BEGIN_MS + self.now + pod.off) * 1_000;
            if pod.gate.offer(timestamp) == Offer::Surplus {
                continue;
            }
            let id = pod.ids.take();
            pod.used = Some(id);
            if *pod.fence.state() != FenceState::Held {
                continue;
            }
            let seen = (id, pod.identity.instance.clone());
            let rises = self.last_seen.as_ref().is_none_or(|(last, _)| id > *last);
            prop_assert!(
                rises,
                "{seen:?} after {:?} at {} ms",
                self.last_seen,
                self.now
            );
            self.last_seen = Some(seen);
            self.frames += 1;
        }
        Ok(())
    }

    fn apply(&mut self, act: &Act) -> Result<(), TestCaseError> {
        let now = self.now;
        let newest = self.pods.last_mut().unwrap();
        match *act {
            Act::Run(ms) => self.run(ms)?,
            Act::Reconnect => newest.epoch(now),
            Act::SetClock(by) => {
                newest.off += by;
                newest.epoch(now);
            }
            Act::Crash { pause, beside } => {
                let off = newest.off + beside;
                let last = newest.ids.clone().take() as i64;
                self.pods.clear();
                self.air.clear();
                // A clock that stands behind the ids of a process that can't be asked any more is what `ClockBehind` and
                // the incarnation are for; with a counted incarnation no id above them can be promised before it has
                // caught up (CONTRACT §4: "all that it can know").
                self.now += pause.max(last - BEGIN_MS - now - off + 1);
                self.next_frame = self.next_frame.max(self.now);
                self.start(off);
            }
            Act::Replace { beside } => {
                let off = newest.off + beside;
                // One that has not numbered a frame yet has nothing to tell its successor.
                self.run(2 * self.interval)?;
                self.start(off);
                self.run(2_000)?;
                let held = |pod: &Pod| *pod.fence.state() == FenceState::Held;
                prop_assert!(held(self.pods.last().unwrap()));
                prop_assert_eq!(self.pods.iter().filter(|pod| held(pod)).count(), 1);
                self.pods.retain(held);
            }
            Act::Nats => {
                newest.fence.disconnected();
                self.run(300)?;
                let action = self.pods.last_mut().unwrap().fence.connected();
                let index = self.pods.len() - 1;
                self.act(index, Some(action));
            }
        }
        Ok(())
    }
}

impl Pod {
    fn epoch(&mut self, now: i64) {
        let hub_ms = BEGIN_MS + now + self.off;
        self.ids.new_epoch(hub_ms as u64);
        self.gate.new_epoch();
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1i64..5_000).prop_map(Act::Run),
        1 => Just(Act::Reconnect),
        2 => (-7_200_000i64..7_200_000).prop_map(Act::SetClock),
        2 => (0i64..3_000, -500i64..500).prop_map(|(pause, beside)| Act::Crash { pause, beside }),
        2 => (-3_600_000i64..3_600_000).prop_map(|beside| Act::Replace { beside }),
        1 => Just(Act::Nats),
    ];
    prop::collection::vec(act, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Node clocks set by hours while a process lives, successors on nodes whose clocks are hours beside, processes that
    /// crash again and again, reconnections of camera and NATS, at any rate.
    #[test]
    fn a_subscriber_never_sees_an_id_go_back(fps in prop_oneof![Just(1u32), Just(30), Just(240)], acts in acts()) {
        let mut world = World::new(fps);
        for act in &acts {
            world.apply(act)?;
        }
        world.run(5_000)?;
        prop_assert!(world.frames > 0);
    }
}
