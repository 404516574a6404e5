"""Where the memory of one 720p15 camera is: by kind of mapping, idle and watched."""

import collections
import pathlib
import time

from bench.fleet import one, until_active
from bench.measure import SMALL, Subscriber, camera
from bench.peers.ours import subject
from bench.report import Bar, markdown, mib
from bench.runner import memory_of, switches_of

NAME = "memory"
STATES = ("idle", "watched")
LIMIT, LIMIT_KIB = "< 60 MB", 60 * 1024
KINDS = {
    "libraries": "shared libraries and the program, shared by all processes on a node",
    "relocated": "pages of them that the loader or the program wrote to",
    "heap": "heap, frame buffers, stacks",
}


def run(bench):
    """Writes a line for each state."""
    clip = bench.clip(SMALL)
    with camera(bench, clip) as (_, url, _), one(bench, url, clip) as (child, metric):
        for state in STATES:
            subscriber = None
            if state == "watched":
                subscriber = Subscriber(bench, "nats", address=bench.nats[1], subjects=[subject()])
            try:
                until_active(metric, 1.0 if subscriber else 0.0)
                time.sleep(bench.seconds(10, 1))
                before = switches_of(child.pid)
                time.sleep(bench.seconds(10, 1))
                wakeups = (switches_of(child.pid) - before) / bench.seconds(10, 1)
                memory = {f"{key}_kib": value for key, value in memory_of(child.pid).items()}
                line = {**memory, **_kinds(child.pid), "threads": threads(child.pid), "wakeups_per_s": wakeups}
            finally:
                if subscriber:
                    subscriber.end()
            bench.line(NAME, state, 0, line | {"steady_rss_kib": line["rss_kib"]})


def threads(pid):
    """How many threads a process has."""
    return len(list(pathlib.Path(f"/proc/{pid}/task").iterdir()))


def _kinds(pid):
    total, file_backed = collections.Counter(), False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            file_backed = len(words) > 5 and words[5].startswith("/")
        elif words[0] == "Rss:":
            total["libraries" if file_backed else "heap"] += int(words[1])
        elif words[0] == "Private_Dirty:" and file_backed:
            total["libraries"] -= int(words[1])
            total["relocated"] += int(words[1])
    return {f"{kind}_kib": total[kind] for kind in KINDS}


def table(lines):
    """Markdown."""
    rows = [["resident, all of it", *(mib(line["rss_kib"]) for line in lines)]]
    rows += [[f"- {text}", *(mib(line[f"{kind}_kib"]) for line in lines)] for kind, text in KINDS.items()]
    rows += [
        ["proportional (PSS), this process alone on the machine", *(mib(line["pss_kib"]) for line in lines)],
        ["threads", *(line["threads"] for line in lines)],
        ["wake-ups a second", *(round(line["wakeups_per_s"]) for line in lines)],
    ]
    head = ["MB of one 720p15 H.264 camera over RTSP", *(line["program"] for line in lines)]
    note = "After 20 s in each state."
    return markdown("Memory of one process", note, head, rows)


def bars(lines):
    """What DESIGN says of it."""
    own = Bar("Memory per pod, 720p15, idle: pages of its own", LIMIT, "", None)
    all_ = Bar("the same, with every shared library page it touches (RSS)", LIMIT, "", None)
    for line in lines:
        if line["program"] == "idle":
            pages = line["heap_kib"] + line["relocated_kib"]
            own.seen, own.met = f"{mib(pages)} MB", pages < LIMIT_KIB
            all_.seen, all_.met = f"{mib(line['rss_kib'])} MB", line["rss_kib"] < LIMIT_KIB
    return [own, all_]
