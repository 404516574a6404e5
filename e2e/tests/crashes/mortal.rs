//! The operator as a process of the test, which dies when it is told to and is there again at once.
//!
//! In its pod the kubelet would wait longer and longer before it started it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};
use streamhub_e2e::{Audit, Namespace, Operator, SYSTEM, StandIn, Write};
use streamhub_testkit::Proc;

/// Far more deaths than any life has writes.
pub const MOST: usize = 200;

/// What the audit log has of a request whose client left before the answer.
const LEFT: u64 = 504;

/// When it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deaths {
    Never,
    /// Once, after so many writes.
    After(usize),
    /// After each write. A life that begins with the write after which the one before ended lives on to the next: before it
    /// makes a pod it takes a number for it, and would take one number after the other.
    AfterEach,
}

/// What it did.
#[derive(Debug)]
pub struct Record {
    /// Its writes in the test's namespace that the API server took, in their order.
    pub writes: Vec<Write>,
    /// Those that it died after, or within: the API server may have done these or not.
    pub fatal: Vec<Write>,
    /// How often it died.
    pub deaths: usize,
}

impl Record {
    /// How many writes of this kind there were, such as `create` and `pods`.
    pub fn count(&self, verb: &str, resource: &str) -> usize {
        let same = |write: &&Write| write.verb == verb && write.resource == resource;
        self.writes.iter().filter(same).count()
    }

    /// How many writes of this kind it died within.
    pub fn unanswered(&self, verb: &str, resource: &str) -> usize {
        let same =
            |write: &&Write| write.code == LEFT && write.verb == verb && write.resource == resource;
        self.fatal.iter().filter(same).count()
    }

    /// An error if it did not do this just so often, as far as that can be told.
    pub fn did(&self, verb: &str, resource: &str, number: usize) -> Result<()> {
        let answered = self.count(verb, resource);
        let most = answered + self.unanswered(verb, resource);
        ensure!(
            (answered..=most).contains(&number),
            "{verb} {resource}: {answered} to {most} times instead of {number}: {:#?}",
            self.writes
        );
        Ok(())
    }

    /// Whether it died after a write of this kind, or within.
    pub fn died_of(&self, verb: &str, resource: &str) -> bool {
        let same = |write: &Write| write.verb == verb && write.resource == resource;
        self.fatal.iter().any(same)
    }
}

/// The operator of the chart in a process of its own, with the account and the settings of its pod.
pub struct Program {
    stand_in: StandIn,
    /// How its writes in the test's namespace begin. What an earlier test has left is none of this one's.
    here: String,
}

impl Program {
    /// The one of the chart must have been stopped.
    pub fn of(namespace: &Namespace) -> Result<Self> {
        let cluster = namespace.cluster();
        let account = ["create", "token", "streamhub-operator", "-n", SYSTEM];
        let token = cluster.kubectl(&account)?;
        let config = cluster.kubectl(&["config", "view", "--raw", "--flatten", "-o=json"])?;
        let mut config: Value = serde_json::from_str(&config)?;
        let user = config.pointer_mut("/users/0/user").context("no user")?;
        *user = json!({"token": token.trim()});
        Ok(Self {
            stand_in: StandIn::new(cluster, "mortal", &config.to_string())?,
            here: format!("{}/", namespace.name()),
        })
    }

    /// Starts it, and sees to it that it dies as it should.
    pub fn run(self: &Arc<Self>, deaths: Deaths) -> Result<Mortal> {
        let log = Audit::from_now()?.context("no audit log")?;
        let first = self.stand_in.start()?;
        let stop = Arc::new(AtomicBool::new(false));
        let keeper = thread::spawn({
            let (program, stop) = (Arc::clone(self), Arc::clone(&stop));
            move || keep(&program, first, log, deaths, &stop)
        });
        Ok(Mortal {
            stop,
            keeper: Some(keeper),
        })
    }
}

/// One that runs; ends when this is dropped.
pub struct Mortal {
    stop: Arc<AtomicBool>,
    keeper: Option<JoinHandle<Result<Record>>>,
}

impl Mortal {
    /// Ends it in order, so that it gives the Lease back.
    pub fn end(mut self) -> Result<Record> {
        self.stop.store(true, Ordering::Relaxed);
        let keeper = self.keeper.take().context("it has ended")?;
        keeper.join().map_err(|_| anyhow!("its keeper broke off"))?
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.keeper.take().map(JoinHandle::join) {
            eprintln!("{error:#}");
        }
    }
}

fn keep(
    program: &Program,
    mut process: Proc,
    mut log: Audit,
    deaths: Deaths,
    stop: &AtomicBool,
) -> Result<Record> {
    let mut record = Record {
        writes: Vec::new(),
        fatal: Vec::new(),
        deaths: 0,
    };
    let mut read = |record: &mut Record| -> Result<()> {
        for write in log.new_writes_by(Operator::USER)? {
            if !write.object.starts_with(&program.here) {
                continue;
            }
            match write.code {
                200..300 => record.writes.push(write),
                LEFT => record.fatal.push(write),
                _ => {}
            }
        }
        Ok(())
    };
    let mut at_death = 0;
    let mut last_words: Option<Write> = None;
    loop {
        read(&mut record)?;
        let written = record.writes.len();
        let dies = match deaths {
            Deaths::Never => false,
            Deaths::After(number) => record.deaths == 0 && written >= number,
            Deaths::AfterEach => {
                let last = record.writes.last();
                record.deaths < MOST && written > at_death && last != last_words.as_ref()
            }
        };
        if dies {
            let since = record.writes.iter().skip(at_death).cloned();
            record.fatal.extend(since);
            record.deaths += 1;
            process.kill()?;
            // What it did with its last breath.
            read(&mut record)?;
            at_death = record.writes.len();
            last_words = record.writes.last().cloned();
            process = program.stand_in.start()?;
        } else if stop.load(Ordering::Relaxed) {
            process.terminate(Duration::from_secs(10))?;
            return Ok(record);
        }
        sleep(Duration::from_millis(1));
    }
}
