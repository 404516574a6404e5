//! The fields of a hub.

use super::Taken::{self, ByNewProcess, InPlace};

/// Field, specification after; before it is empty.
pub const HUB: [(&str, &str, Taken); 16] = [
    ("nats.url", "nats: {url: 'nats://other:1'}", ByNewProcess),
    (
        "nats.credentialsSecretRef.name",
        "nats: {credentialsSecretRef: {name: x}}",
        ByNewProcess,
    ),
    (
        "nats.subjectPrefix",
        "nats: {subjectPrefix: a.b}",
        ByNewProcess,
    ),
    (
        "feedback{}.events[]",
        "feedback: {ui: {events: [click]}}",
        InPlace,
    ),
    (
        "feedback{}.ttl",
        "feedback: {ui: {events: [click], ttl: 1s}}",
        InPlace,
    ),
    (
        "feedback{}.eventTtl{}",
        "feedback: {ui: {events: [click], eventTtl: {click: 1s}}}",
        InPlace,
    ),
    (
        "defaults.frames[].name",
        "defaults: {frames: [{name: low}]}",
        InPlace,
    ),
    (
        "defaults.frames[].fps",
        "defaults: {frames: [{name: main, fps: 5}]}",
        InPlace,
    ),
    (
        "defaults.frames[].quality",
        "defaults: {frames: [{name: main, quality: 50}]}",
        InPlace,
    ),
    (
        "defaults.frames[].width",
        "defaults: {frames: [{name: main, width: 640}]}",
        InPlace,
    ),
    (
        "defaults.frames[].height",
        "defaults: {frames: [{name: main, height: 480}]}",
        InPlace,
    ),
    (
        "defaults.frames[].meta",
        "defaults: {frames: [{name: main, meta: true}]}",
        InPlace,
    ),
    (
        "defaults.frames[].publish",
        "defaults: {frames: [{name: main, publish: Always}]}",
        InPlace,
    ),
    (
        "defaults.frames[].floor.quality",
        "defaults: {frames: [{name: main, floor: {quality: 50}}]}",
        InPlace,
    ),
    (
        "defaults.frames[].floor.fps",
        "defaults: {frames: [{name: main, floor: {fps: 5}}]}",
        InPlace,
    ),
    (
        "defaults.frames[].floor.width",
        "defaults: {frames: [{name: main, floor: {width: 320}}]}",
        InPlace,
    ),
];
