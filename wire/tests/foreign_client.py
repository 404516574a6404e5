#!/usr/bin/env python3
"""A consumer written from docs/reference/nats.md and metadata.schema.json alone.

Needs nats-py and jsonschema and none of Stream Hub's code. Reads frames by push and by `next`, checks every field it
can, sends feedback and looks for it in the frames that follow. Exits 1 when anything is not as documented.
"""

import argparse
import asyncio
import json
import pathlib
import sys
import time
from fractions import Fraction

import jsonschema
import nats

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "docs/reference/metadata.schema.json"


class Report:
    """Counts checks and prints the ones that fail."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    def check(self, ok, what):
        if ok:
            self.passed += 1
        else:
            self.failures.append(what)
            print(f"FAILED {what}")


class Client:
    def __init__(self, args, connection, report):
        self.args = args
        self.nc = connection
        self.report = report
        self.check = report.check
        self.validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
        self.last = {}

    def subject(self, kind):
        return f"{self.args.prefix}.{kind}.{self.args.camera}.{self.args.rendition}"

    def read(self, msg, way):
        """Checks one frame, pushed or pulled, and returns its metadata."""
        header = (msg.headers or {}).get("Streamhub-Metadata", "")
        self.check(header.isascii() and header.isprintable(), f"{way}: header is one line of ASCII")
        meta = json.loads(header)
        for error in self.validator.iter_errors(meta):
            self.check(False, f"{way}: {error.json_path}: {error.message}")
        self.check(meta["stream_id"] == self.args.camera, f"{way}: stream_id is the camera")
        self.check(meta["rendition"] == self.args.rendition, f"{way}: rendition")
        self.check(meta["frame_size"] == len(msg.data), f"{way}: frame_size is the payload's length")
        self.check(msg.data[:2] == b"\xff\xd8" and msg.data[-2:] == b"\xff\xd9", f"{way}: the payload is a JPEG")
        message_id = f"{self.subject('frames')}/{meta['frame_id']}"
        self.check(msg.headers.get("Nats-Msg-Id") == message_id, f"{way}: Nats-Msg-Id is {message_id}")
        self.check("@" not in meta["source"] and "?" not in meta["source"], f"{way}: source is redacted")
        self.check(meta["published"] - meta["timestamp"] < 60, f"{way}: published about when it was made")
        self.check(meta["published"] - time.time() < 1, f"{way}: not published in the future")
        last = self.last.get(way)
        if last:
            self.check(meta["frame_id"] > last["frame_id"], f"{way}: frame_id rises")
            self.check(meta["epoch"] >= last["epoch"], f"{way}: epoch does not go back")
        self.last[way] = meta
        return meta

    def check_tick(self, meta):
        """The tick lies on the rate's grid: round_half_up(k * 1e6 / fps) for a whole k."""
        interval = 1_000_000 / Fraction(meta["fps"]).limit_denominator(1001)
        k = round(meta["tick"] / interval)
        instant = (2 * k * interval + 1) // 2
        self.check(abs(instant - meta["tick"]) <= 1, f"tick {meta['tick']} lies on the grid of {meta['fps']} fps")
        self.check(abs(meta["tick"] / 1e6 - meta["timestamp"]) <= 2 * float(interval) / 1e6, "tick lies near timestamp")

    async def push(self):
        frames = await self.nc.subscribe(self.subject("frames"))
        # Hello: a camera that idles begins at once.
        await self.nc.publish(self.subject("next"), b"")
        replies = set()
        for _ in range(self.args.frames):
            msg = await frames.next_msg(timeout=20)
            meta = self.read(msg, "push")
            if self.args.ticks:
                self.check_tick(meta)
            self.check(msg.reply and msg.reply not in replies, "push: each frame has a reply inbox of its own")
            replies.add(msg.reply)
        await frames.unsubscribe()

    async def ask(self, **body):
        payload = json.dumps(body).encode() if body else b""
        return await self.nc.request(self.subject("next"), payload, timeout=40)

    async def pull(self):
        first = await self.ask()
        # A request that does not say how long waits a second, which a busy machine may need.
        while first.headers.get("Streamhub-Error") == "timeout":
            first = await self.ask()
        meta = self.read(first, "next")
        for _ in range(self.args.frames):
            meta = self.read(await self.ask(after=meta["frame_id"], wait="20s"), "next")
        never = await self.ask(after=2**53 - 2, wait="200ms")
        self.check(never.headers.get("Streamhub-Error") == "timeout", "next: a frame that never comes is a timeout")
        self.check(not never.data, "next: a refusal has no payload")
        wrong = await self.nc.request(self.subject("next"), b'{"wait": "soon"}', timeout=10)
        self.check(wrong.headers.get("Streamhub-Error") == "bad-request", "next: a wait that is none is a bad-request")

    async def wait_for_event(self, module, event, wanted, limit=15):
        """Pulls frames until the event is what is wanted; returns whether it came."""
        end = time.monotonic() + limit
        after = {}
        while time.monotonic() < end:
            reply = await self.ask(**after, wait="10s")
            meta = json.loads(reply.headers["Streamhub-Metadata"])
            after = {"after": meta["frame_id"]}
            self.check(module in meta["events"], "feedback: a configured module is always there")
            if meta["events"].get(module, {}).get(event) == wanted:
                return True
        return False

    async def feedback(self):
        module, event = self.args.feedback.split(".")
        own = f"{self.args.prefix}.feedback.{module}.{event}.{self.args.camera}"
        payload = {"who": "Zoë 🚲", "boxes": [[1, 2.5, 3, 4]], "at": time.time_ns()}
        await self.nc.publish(own, json.dumps(payload, ensure_ascii=False).encode())
        self.check(await self.wait_for_event(module, event, payload), "feedback: it is in the frames that follow")
        await self.nc.publish(own, b"[1]")
        await self.nc.publish(own, b"")
        self.check(await self.wait_for_event(module, event, None), "feedback: an empty payload clears it")
        hub_wide = own.rsplit(".", 1)[0]
        await self.nc.publish(hub_wide, b'{"all": true}')
        self.check(await self.wait_for_event(module, event, {"all": True}), "feedback: without a camera, for every one")
        self.check(await self.wait_for_event(module, event, None, 60), "feedback: it goes when its ttl is over")


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="nats://127.0.0.1:4222")
    parser.add_argument("--prefix", default="streamhub.default.default")
    parser.add_argument("--camera", required=True)
    parser.add_argument("--rendition", default="main")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--feedback", metavar="MODULE.EVENT", help="an event that the hub is configured for")
    parser.add_argument("--ticks", action="store_true", help="check that ticks lie on the rate's grid")
    args = parser.parse_args()

    report = Report()
    connection = await nats.connect(args.url, name="foreign-client", max_reconnect_attempts=3)
    client = Client(args, connection, report)
    steps = [client.push, client.pull] + ([client.feedback] if args.feedback else [])
    for step in steps:
        try:
            await step()
        except Exception as error:  # whatever it is, it is a failure to report, and the next step still runs
            report.check(False, f"{step.__name__}: {type(error).__name__}: {error}")
    await connection.close()
    print(f"{report.passed} passed, {len(report.failures)} failed")
    sys.exit(1 if report.failures or not report.passed else 0)


if __name__ == "__main__":
    asyncio.run(main())
