#!/usr/bin/env python3
"""Watches the memory of one camera's process for an hour, once watched and once idle.

Starts a NATS server, one RTSP camera (testcam, 720p15 H.264) and two ingest processes on it, of which one has
a subscriber. Samples every --every seconds: memory (RSS, PSS, its peak), CPU, threads, file descriptors and frames.
Raw lines go to OUT/hour.jsonl as they come, a Markdown table to OUT/hour.md at the end.

    python3 -m bench.hour --ingest target/release/streamhub-ingest --testcam target/release/testcam --out /tmp/hour
"""

import argparse
import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time

from bench import machine, nats
from bench.clips import SMALL
from bench.fleet import read_metric
from bench.peers import Source
from bench.peers.ours import command, subject
from bench.report import markdown, mib
from bench.runner import BenchError, cpu_of, eventually, free_port, memory_of, running, say, switches_of

WATCHED, IDLE = "watched", "idle"


class Reader(threading.Thread):
    """Reads all frames of a camera, and forgets them."""

    def __init__(self, port, name):
        super().__init__(daemon=True)
        self.subscription = nats.Subscription(port, subject(name))
        self.frames = 0
        self.start()

    def run(self):
        for _ in self.subscription:
            self.frames += 1


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ingest", required=True)
    parser.add_argument("--testcam", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--every", type=float, default=30)
    return parser.parse_args()


def url_of(out):
    """The camera's URL, once it has said so."""
    for line in (out / "testcam.log").read_text().splitlines():
        if line.startswith("serving "):
            return line.split(" ", 1)[1]
    return None


def sample(name, child, http, reader, began):
    """One raw line."""
    return {
        "name": name, "at_s": round(time.monotonic() - began, 1), **memory_of(child.pid),
        "cpu_s": round(cpu_of(child.pid), 3), "switches": switches_of(child.pid),
        "threads": len(list(pathlib.Path(f"/proc/{child.pid}/task").iterdir())),
        "fds": len(list(pathlib.Path(f"/proc/{child.pid}/fd").iterdir())),
        "active": read_metric(http, "streamhub_rendition_active"),
        "fresh": read_metric(http, "streamhub_fresh"),
        "access_units": read_metric(http, "streamhub_access_units_total"),
        "published": read_metric(http, "streamhub_frames_published_total"),
        "frames_read": reader.frames if name == WATCHED else 0,
    }  # fmt: skip


def summary(lines):
    """Markdown: how each began (after a minute) and ended."""
    rows = []
    for name in (WATCHED, IDLE):
        mine = [line for line in lines if line["name"] == name]
        first = next((line for line in mine if line["at_s"] >= 60), mine[0])
        last = mine[-1]
        seconds = max(1.0, last["at_s"] - first["at_s"])
        rows.append([
            name, f"{seconds / 60:.0f}", f"{mib(first['rss'])} -> {mib(last['rss'])}",
            f"{mib(first['pss'])} -> {mib(last['pss'])}", mib(last["hwm"]),
            f"{100 * (last['cpu_s'] - first['cpu_s']) / seconds:.2f}",
            f"{first['threads']} -> {last['threads']}", f"{first['fds']} -> {last['fds']}",
            f"{(last['switches'] - first['switches']) / seconds:.0f}",
            f"{((last['access_units'] or 0) - (first['access_units'] or 0)) / seconds:.2f}",
            f"{((last['published'] or 0) - (first['published'] or 0)) / seconds:.2f}",
            f"{(last['frames_read'] - first['frames_read']) / seconds:.2f}",
        ])  # fmt: skip
    head = ["process", "minutes", "RSS MB", "PSS MB", "peak MB", "% of a core", "threads", "file descriptors",
            "wake-ups a second", "access units a second", "published a second", "read a second"]  # fmt: skip
    note = "One 720p15 H.264 camera over RTSP, from the first minute to the last sample."
    return markdown("An hour", note, head, rows)


def watch(arguments):
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    for old in ("testcam.log", "hub.yaml"):
        (out / old).unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(open(out / "hour.jsonl", "w"))
        raw.write(json.dumps({"about": machine.about()}) + "\n")
        _, port = stack.enter_context(nats.server(out))
        words = [arguments.testcam, "--mount", f"/cam={SMALL.ready()}"]
        stack.enter_context(running(words, out / "testcam.log"))
        url = eventually("the camera", 30, lambda: url_of(out))
        children, https = {}, {}
        for number, name in enumerate((WATCHED, IDLE), 1):
            https[name] = free_port()
            source = Source(url, SMALL.fps, live=True)
            words = command(arguments.ingest, source, port, out, name, number, f"127.0.0.1:{https[name]}")
            children[name] = stack.enter_context(running(words, out / f"ingest-{name}.log"))
        reader = Reader(port, WATCHED)
        began, lines = time.monotonic(), []
        while time.monotonic() - began < arguments.seconds:
            due = began + (len(lines) // 2 + 1) * arguments.every
            time.sleep(max(0.0, due - time.monotonic()))
            for name, child in children.items():
                if not child.alive():
                    raise child.fail(f"{name}: ended with {child.usage.status}")
                lines.append(sample(name, child, https[name], reader, began))
                raw.write(json.dumps(lines[-1]) + "\n")
            raw.flush()
            (out / "hour.md").write_text(summary(lines))
    print((out / "hour.md").read_text())


def main():
    def interrupt(*_):
        raise KeyboardInterrupt

    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, interrupt)
    try:
        watch(arguments_of())
    except (BenchError, subprocess.CalledProcessError) as error:
        sys.exit(f"hour: {error}")
    except KeyboardInterrupt:
        say("hour: interrupted")
        sys.exit(130)


if __name__ == "__main__":
    main()
