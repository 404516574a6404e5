"""A hundred 720p15 cameras over RTSP, a process each: idle, then as many watched as the machine can bear."""

import collections
import contextlib
import os
import time

from bench.fleet import Statuses, cameras, memory
from bench.measure import SMALL, Subscriber, camera, sent_by
from bench.peers.ours import subject
from bench.report import Bar, markdown, medians, mib, ms
from bench.runner import BenchError, busy_s, cpu_of, eventually, percentile, say

NAME = "hundred"
IDLE, WATCHED = "idle", "watched: "
ROUNDS = 3
SETTLE, WINDOW = 13, 12  # a camera idles 10 s after its last reader has gone
STEPS = (10, 20, 30, 50, 100)
STEP_SETTLE, STEP_WINDOW = 4, 8  # more than 1,000 frames, also of ten cameras
FULL = 0.97  # of all cores: beyond that no figure of a step means anything but "too many"
LIMIT_KIB = 60 * 1024


def run(bench):
    """Writes a line for each state in each round."""
    clip, count = bench.clip(SMALL), (3 if bench.quick else 100)
    with contextlib.ExitStack() as stack:
        source, url, log = stack.enter_context(camera(bench, clip, "hundred"))
        statuses = stack.enter_context(contextlib.closing(Statuses(bench.nats[1])))
        children = stack.enter_context(cameras(bench, count, url, clip, pause=0.1 if bench.quick else 0.3))
        names = [name for name, _ in children]

        def fresh():
            return sum(statuses.healthy(name, clip.fps) for name in names)

        # A camera's rate is known after some seconds. Those that do not deliver are counted below.
        with contextlib.suppress(BenchError):
            eventually("all deliver", 60 + count, lambda: fresh() == count)
        steps = (2,) if bench.quick else STEPS
        for number in range(min(ROUNDS, bench.runs)):
            time.sleep(bench.seconds(SETTLE))
            line = _idle(bench, source, log, children, fresh)
            bench.line(NAME, IDLE, number, {"cameras": count, **line, **memory(children)})
            borne = []
            for watched in steps:
                line = _step(bench, names[:watched])
                line |= {"cameras": count, "fresh": fresh(), **memory(children)}
                bench.line(NAME, f"{WATCHED}{watched}", number, line)
                if line["cut"] or line["machine_share"] > FULL:
                    say(f"the machine is full at {watched} watched cameras")
                    break
                borne.append(watched)
            # The first round looks for the last step that fits; the others measure that one.
            steps = borne[-1:] or steps[:1]


def _idle(bench, source, log, children, fresh):
    before = sent_by(source, log)
    cpu, busy, begin = [cpu_of(child.pid) for _, child in children], busy_s(), time.monotonic()
    time.sleep(bench.seconds(WINDOW))
    spent = time.monotonic() - begin
    each = [cpu_of(child.pid) - old for (_, child), old in zip(children, cpu)]
    busy = busy_s() - busy
    # First of all: while the cameras write down what they have sent, which takes seconds, they send nothing.
    healthy = fresh()
    return {
        "fresh": healthy, "cores": round(sum(each) / spent, 3), "cores_most_of_one": round(max(each) / spent, 4),
        "machine_cores": round(busy / spent, 3), **_starved(before, sent_by(source, log)),
    }  # fmt: skip


def _starved(before, after):
    """What a camera could not get rid of in the window: its reader did not read."""
    skipped = [after[path]["skipped"] - before.get(path, {"skipped": 0})["skipped"] for path in after]
    return {"starved": sum(count > 0 for count in skipped), "units_skipped": sum(skipped)}


def _step(bench, names):
    subjects = [subject(name) for name in names]
    subscriber = Subscriber(bench, "nats", address=bench.nats[1], subjects=subjects, options=["--times"])
    try:
        time.sleep(bench.seconds(STEP_SETTLE))
        busy, begin, wall = busy_s(), time.monotonic(), time.time()
        time.sleep(bench.seconds(STEP_WINDOW))
        spent = time.monotonic() - begin
        busy = (busy_s() - busy) / spent
        seen = subscriber.report(ask=True)
    finally:
        subscriber.end()
    frames = collections.Counter()
    ages = []
    for name, _, at, taken in seen["got"]:
        if wall <= at <= wall + spent:
            frames[name] += 1
            ages.append(1000 * (at - taken))
    return {
        "watched": len(names), "cut": seen["cut"], "delivering": len(frames), "frames": sum(frames.values()),
        # Also who sends nothing at all.
        "fps_least": round(min(frames[subject] for subject in subjects) / spent, 2),
        "age_p50_ms": round(percentile(ages, 50) or 0, 2), "age_p99_ms": round(percentile(ages, 99) or 0, 2),
        "machine_cores": round(busy, 3), "machine_share": round(busy / os.cpu_count(), 3),
    }  # fmt: skip


def table(lines):
    """Markdown."""
    rows = [
        [
            name, len(each.lines), f"{min(line['fresh'] for line in each.lines)}/{each['cameras']}",
            f"{each['machine_cores']:.2f}", each.get("fps_least", ""),
            ms(each["age_p50_ms"]) if "age_p50_ms" in each else "",
            ms(each["age_p99_ms"]) if "age_p99_ms" in each else "",
            max(line["starved"] for line in each.lines) if "starved" in each else "",
            mib(each["rss_mean_kib"]), mib(each["rss_max_kib"]), mib(each["pss_mean_kib"]),
        ]
        for name, each in medians(lines).items()
    ]  # fmt: skip
    head = ["state", "windows", "fresh, at least", "busy cores of the machine", "fps, the slowest watched", "age p50 ms",
            "age p99 ms", "starved, at most", "RSS MB mean", "RSS MB most", "PSS MB mean"]  # fmt: skip
    note = (
        "Fresh: ready, and its measured source rate within a tenth of 15. Starved: cameras that had to leave frames out "
        "because their reader did not read. Age: from the frame's own timestamp (its first packet) to the subscriber. "
        "The machine runs the cameras, the server and the subscriber too."
    )
    return markdown("A hundred 720p15 cameras, a process each", note, head, rows)


def bars(lines):
    """What DESIGN says of it."""
    all_fresh = Bar("100 RTSP cameras 720p15, idle, on 2 cores", "all fresh, none starved", "", None)
    small = Bar("100 idle cameras: memory per process (PSS, the largest)", "< 60 MB", "", None)
    idle = medians(lines).get(IDLE)
    if idle:
        fresh = min(line["fresh"] for line in idle.lines)
        starved = max(line["starved"] for line in idle.lines)
        busy = f"{idle['machine_cores']:.2f} of {os.cpu_count()} cores busy"
        all_fresh.seen = f"{fresh} of {idle['cameras']} fresh, {starved} starved, {busy}"
        all_fresh.met = fresh == idle["cameras"] and starved == 0
        largest = max(line["pss_max_kib"] for line in idle.lines)
        small.seen, small.met = f"{mib(largest)} MB (RSS {mib(idle['rss_mean_kib'])})", largest < LIMIT_KIB
    return [all_fresh, small]
