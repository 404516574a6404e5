//! Feedback: what modules say about frames, kept until its time is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::metadata::{Events, push_string, push_value};
use crate::subjects::Token;

/// The largest payload of one event, bytes.
pub const MAX_PAYLOAD: usize = 8 * 1024;

/// The largest `events` object in the metadata, bytes of escaped JSON.
pub const MAX_EVENTS: usize = 24 * 1024;

/// Which modules may say what, and for how long it holds: module -> event -> time to live.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedbackRules(pub BTreeMap<Token, BTreeMap<Token, Duration>>);

impl FeedbackRules {
    fn ttl(&self, module: &str, event: &str) -> Result<Duration, RejectReason> {
        let events = self.0.get(module).ok_or(RejectReason::UnknownModule)?;
        events.get(event).copied().ok_or(RejectReason::UnknownEvent)
    }
}

/// Why a payload was counted and otherwise ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// The hub configures no such module.
    UnknownModule,
    /// The module is not configured to have such an event.
    UnknownEvent,
    /// The payload is no JSON object.
    NotAnObject,
    /// The payload is larger than [`MAX_PAYLOAD`].
    TooLarge,
    /// The subject is not `<module>.<event>` or `<module>.<event>.<camera>`.
    BadSubject,
}

impl RejectReason {
    /// The value of the metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownModule => "unknown_module",
            Self::UnknownEvent => "unknown_event",
            Self::NotAnObject => "not_an_object",
            Self::TooLarge => "too_large",
            Self::BadSubject => "bad_subject",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Camera,
    Hub,
}

type Key = (Token, Token);

#[derive(Debug)]
struct Slot {
    json: String,
    received: Instant,
    /// Two payloads can come in the same instant of a coarse clock; the counter tells them apart.
    order: u64,
}

/// The events of one camera: the latest payload per event, hub-wide and its own, until its ttl has passed.
#[derive(Debug)]
pub struct FeedbackStore {
    camera: Token,
    rules: FeedbackRules,
    slots: BTreeMap<(Key, Scope), Slot>,
    received: u64,
    cache: Option<Cache>,
}

#[derive(Debug)]
struct Cache {
    events: Events,
    omitted: Vec<String>,
    until: Option<Instant>,
}

impl FeedbackStore {
    /// An empty store.
    pub fn new(camera: Token, rules: FeedbackRules) -> Self {
        Self {
            camera,
            rules,
            slots: BTreeMap::new(),
            received: 0,
            cache: None,
        }
    }

    /// Takes new rules over; payloads that are no longer allowed go, the rest stays with its new time to live.
    pub fn set_rules(&mut self, rules: FeedbackRules) {
        self.slots
            .retain(|((module, event), _), _| rules.ttl(module.as_str(), event.as_str()).is_ok());
        self.rules = rules;
        self.cache = None;
    }

    /// Takes a message: `tail` is what follows `<prefix>.feedback.` in its subject. An empty payload clears the
    /// event; messages for other cameras are ignored.
    pub fn accept(&mut self, tail: &str, payload: &[u8], now: Instant) -> Result<(), RejectReason> {
        let mut tokens = tail.split('.');
        let (Some(module), Some(event), camera, None) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return Err(RejectReason::BadSubject);
        };
        let scope = match camera {
            None => Scope::Hub,
            Some(camera) if camera == self.camera.as_str() => Scope::Camera,
            Some(_) => return Ok(()),
        };
        self.rules.ttl(module, event)?;
        let (Ok(module), Ok(event)) = (Token::new(module), Token::new(event)) else {
            return Err(RejectReason::BadSubject);
        };
        let key = ((module, event), scope);
        if payload.is_empty() {
            self.slots.remove(&key);
        } else {
            let json = object_text(payload)?;
            self.received += 1;
            let slot = Slot {
                json,
                received: now,
                order: self.received,
            };
            self.slots.insert(key, slot);
        }
        self.cache = None;
        Ok(())
    }

    /// The metadata's `events` and `events_omitted` (as `module.event`) at this moment; made anew only when
    /// something came, was cleared or ran out.
    pub fn events(&mut self, now: Instant) -> (Events, &[String]) {
        if self
            .cache
            .as_ref()
            .is_some_and(|cache| cache.until.is_some_and(|until| now >= until))
        {
            self.cache = None;
        }
        let cache = match self.cache.take() {
            Some(cache) => cache,
            None => self.compose(now),
        };
        let cache = self.cache.insert(cache);
        (cache.events.clone(), &cache.omitted)
    }

    fn compose(&mut self, now: Instant) -> Cache {
        let rules = &self.rules;
        let expiry = |key: &Key, slot: &Slot| {
            let ttl = rules
                .ttl(key.0.as_str(), key.1.as_str())
                .unwrap_or_default();
            slot.received + ttl
        };
        self.slots.retain(|(key, _), slot| expiry(key, slot) > now);
        let until = self
            .slots
            .iter()
            .map(|((key, _), slot)| expiry(key, slot))
            .min();

        // The camera's own slot sorts first, so the hub-wide one of the same event is passed over.
        let mut live: Vec<(&Key, &Slot)> = Vec::new();
        for ((key, _), slot) in &self.slots {
            if live.last().is_none_or(|(last, _)| *last != key) {
                live.push((key, slot));
            }
        }
        live.sort_by_key(|(_, slot)| std::cmp::Reverse(slot.order));

        let mut room = MAX_EVENTS.saturating_sub(frame_bytes(rules));
        let mut kept: BTreeMap<&Key, &Slot> = BTreeMap::new();
        let mut omitted = Vec::new();
        for (key, slot) in live {
            // `"event":payload,`
            let bytes = key.1.as_str().len() + slot.json.len() + 4;
            // Once one does not fit, all older ones are left out: the newest are what a reader can rely on.
            if omitted.is_empty() && bytes <= room {
                room -= bytes;
                kept.insert(key, slot);
            } else {
                omitted.push(format!("{}.{}", key.0, key.1));
            }
        }
        Cache {
            events: Events::from_text(write_events(rules, &kept)),
            omitted,
            until,
        }
    }
}

/// Bytes of the object when no module has anything to say.
fn frame_bytes(rules: &FeedbackRules) -> usize {
    // `"module":{},`
    2 + rules
        .0
        .keys()
        .map(|module| module.as_str().len() + 6)
        .sum::<usize>()
}

fn write_events(rules: &FeedbackRules, kept: &BTreeMap<&Key, &Slot>) -> String {
    let mut text = String::from("{");
    for (i, module) in rules.0.keys().enumerate() {
        if i > 0 {
            text.push(',');
        }
        push_string(&mut text, module.as_str());
        text.push_str(":{");
        let events = kept.iter().filter(|((owner, _), _)| owner == module);
        for (j, ((_, event), slot)) in events.enumerate() {
            if j > 0 {
                text.push(',');
            }
            push_string(&mut text, event.as_str());
            text.push(':');
            text.push_str(&slot.json);
        }
        text.push('}');
    }
    text.push('}');
    text
}

fn object_text(payload: &[u8]) -> Result<String, RejectReason> {
    if payload.len() > MAX_PAYLOAD {
        return Err(RejectReason::TooLarge);
    }
    match serde_json::from_slice(payload) {
        Ok(value @ Value::Object(_)) => {
            let mut text = String::new();
            push_value(&mut text, &value);
            Ok(text)
        }
        _ => Err(RejectReason::NotAnObject),
    }
}

#[cfg(test)]
mod tests;
