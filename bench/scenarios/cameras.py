"""Ten cameras beside the scripts, and a hundred as far as the machine goes: RTSP, H.264, 720p15."""

import collections
import contextlib
import os
import time

from bench.fleet import Statuses, cameras, memory
from bench.measure import SMALL, Subscriber, age_figures, camera, sent_by
from bench.peers import Source, scripts
from bench.peers.ours import command, subject
from bench.report import Bar, markdown, mib, ms
from bench.runner import BenchError, Child, busy_s, cpu_of, eventually, percentile, say

NAME = "cameras"
TEN = "10 watched: "
IDLE, WATCHED = "100 idle", "100, watched: "
STEPS = (10, 15, 20, 25, 30, 50, 100)
FULL = 0.97  # of all cores: beyond that no figure of a step means anything but "too many"


def run(bench):
    """Writes a line for each program with ten cameras, and for each state of a hundred."""
    clip = bench.clip(SMALL)
    with camera(bench, clip) as (source, url, log):
        for program in (None, *bench.wanted([scripts.OPENCV, scripts.PYAV])):
            _ten(bench, clip, source, url, log, program)
    with camera(bench, clip, "hundred") as (source, url, log):
        _hundred(bench, clip, source, url, log)


def _ten(bench, clip, source, url, log, program):
    """Ten processes and one subscriber to all of them."""
    count, seconds = (2 if bench.quick else 10), bench.seconds(15)
    names = [f"cam-{number}" for number in range(1, count + 1)]
    options = ["--numbers"]
    began = time.time()
    with contextlib.ExitStack() as stack:
        if program is None:
            children = stack.enter_context(cameras(bench, count, url, clip))
            subscriber = Subscriber(bench, "nats", address=bench.nats[1], subjects=map(subject, names), options=options)
        else:
            subscriber = Subscriber(bench, program.transport, options=options)
            children = []
            for name in names:
                words = program.command(Source(f"{url}/{name}", clip.fps, True, name), subscriber.address, bench.folder)
                child = Child(words, bench.folder / f"peer-{name}.log", cwd=bench.root)
                stack.callback(child.end)
                children.append((name, child))
        stack.callback(subscriber.end)
        time.sleep(bench.seconds(10, 3))
        cpu, begin = sum(cpu_of(child.pid) for _, child in children), time.time()
        time.sleep(seconds)
        cpu, end = sum(cpu_of(child.pid) for _, child in children) - cpu, time.time()
        found = memory(children)
        seen = subscriber.result(0)
    sent = sent_by(source, log)
    line = _ages(seen["got"], sent, began, begin, end, clip)
    frames = max(1, line["frames"])
    line |= {"cameras": count, "cpu_s": round(cpu, 3), "cpu_ms_per_frame": round(1000 * cpu / frames, 4),
             "cores": round(cpu / (end - begin), 3), **found}  # fmt: skip
    bench.line(NAME, TEN + ("streamhub-ingest" if program is None else program.name), 0, line)


def _ages(got, sent, began, begin, end, clip):
    """The ages of all cameras' frames within a window, each found by its own camera's log."""
    by_name = collections.defaultdict(list)
    for name, number, at in got:
        if begin <= at <= end:
            by_name[name.removeprefix("streamhub.default.default.frames.").removesuffix(".main")].append((name, number, at))
    ages = []
    for name, frames in by_name.items():
        # The same path served another program before.
        log = [(number, at) for number, at in sent[f"/{name}"]["frames"] if at >= began]
        figures = age_figures(frames, log, clip.frames)
        if figures:
            ages.append(figures)
    counts = [len(frames) for frames in by_name.values()]
    return {
        "frames": sum(counts), "delivering": len(by_name), "frames_least": min(counts, default=0),
        "age_p50_ms": round(percentile([each["age_p50_ms"] for each in ages], 50) or 0, 2),
        "age_p99_ms": max((each["age_p99_ms"] for each in ages), default=0),
    }  # fmt: skip


def _hundred(bench, clip, source, url, log):
    count, seconds = (3 if bench.quick else 100), bench.seconds(30)
    statuses = Statuses(bench.nats[1])
    with contextlib.closing(statuses), cameras(bench, count, url, clip, pause=0.1 if bench.quick else 0.4) as children:
        names = [name for name, _ in children]
        # A camera's rate is known after some seconds, and it idles 10 s after it has connected to NATS.
        with contextlib.suppress(BenchError):
            # Those that do not are counted below.
            eventually("all deliver", 60 + count, lambda: all(statuses.healthy(name, clip.fps) for name in names))
        time.sleep(bench.seconds(15))
        before = sent_by(source, log)
        cpu, busy, begin = {name: cpu_of(child.pid) for name, child in children}, busy_s(), time.monotonic()
        time.sleep(seconds)
        spent = time.monotonic() - begin
        each = [cpu_of(child.pid) - cpu[name] for name, child in children]
        line = {
            "cameras": count, "fresh": sum(statuses.healthy(name, clip.fps) for name in names),
            "cores": round(sum(each) / spent, 3), "cores_most_of_one": round(max(each) / spent, 4),
            "machine_cores": round((busy_s() - busy) / spent, 3), **memory(children), **_starved(before, sent_by(source, log)),
        }  # fmt: skip
        bench.line(NAME, IDLE, 0, line)
        for watched in (2,) if bench.quick else STEPS:
            line = _step(bench, clip, names[:watched])
            line["fresh"] = sum(statuses.healthy(name, clip.fps) for name in names)
            bench.line(NAME, f"{WATCHED}{watched}", 0, line | {"cameras": count, **memory(children)})
            if line["machine_share"] > FULL:
                say(f"the machine is full at {watched} watched cameras")
                break


def _starved(before, after):
    """What a camera could not get rid of in the window: its reader did not read."""
    skipped = [after[path]["skipped"] - before.get(path, {"skipped": 0})["skipped"] for path in after]
    return {"starved": sum(count > 0 for count in skipped), "units_skipped": sum(skipped)}


def _step(bench, clip, names):
    subscriber = Subscriber(
        bench, "nats", address=bench.nats[1], subjects=map(subject, names), options=["--times"]
    )
    try:
        time.sleep(bench.seconds(5, 2))
        busy, begin, wall = busy_s(), time.monotonic(), time.time()
        time.sleep(bench.seconds(10, 2))
        spent = time.monotonic() - begin
        busy = (busy_s() - busy) / spent
        seen = subscriber.result(0)
    finally:
        subscriber.end()
    frames = collections.Counter()
    ages = []
    for name, _, at, taken in seen["got"]:
        if wall <= at <= wall + spent:
            frames[name] += 1
            ages.append(1000 * (at - taken))
    return {
        "watched": len(names), "delivering": len(frames), "frames": sum(frames.values()),
        "fps_least": round(min(frames.values(), default=0) / spent, 2),
        "age_p50_ms": round(percentile(ages, 50) or 0, 2), "age_p99_ms": round(percentile(ages, 99) or 0, 2),
        "machine_cores": round(busy, 3), "machine_share": round(busy / os.cpu_count(), 3),
    }  # fmt: skip


def table(lines):
    """Markdown."""
    ten = [
        [
            line["program"].removeprefix(TEN), line["delivering"], ms(line["cpu_ms_per_frame"]), f"{line['cores']:.2f}",
            ms(line["age_p50_ms"]), ms(line["age_p99_ms"]), mib(line["rss_mean_kib"]), mib(line["pss_mean_kib"]),
        ]
        for line in lines
        if line["program"].startswith(TEN)
    ]  # fmt: skip
    head = ["program", "cameras that deliver", "CPU ms per frame", "cores, all together", "age p50 ms",
            "age p99 ms, the worst camera", "RSS MB each", "PSS MB each"]  # fmt: skip
    first = markdown("Ten 720p15 cameras, a process each, all watched", "One window of 15 s, after 10 s.", head, ten)
    hundred = [
        [
            line["program"], f"{line['fresh']}/{line['cameras']}", f"{line['machine_cores']:.2f}",
            line.get("fps_least", ""), ms(line["age_p50_ms"]) if "age_p50_ms" in line else "",
            ms(line["age_p99_ms"]) if "age_p99_ms" in line else "", line.get("starved", ""),
            mib(line["rss_mean_kib"]), mib(line["rss_max_kib"]), mib(line["pss_mean_kib"]),
        ]
        for line in lines
        if not line["program"].startswith(TEN)
    ]  # fmt: skip
    head = ["state", "fresh", "busy cores of the machine", "fps, the slowest watched", "age p50 ms", "age p99 ms",
            "starved", "RSS MB mean", "RSS MB most", "PSS MB mean"]  # fmt: skip
    note = (
        "Fresh: ready, and its measured source rate within a tenth of 15. Starved: cameras that had to leave frames out "
        "because their reader did not read. Age: from the frame's own timestamp (its first packet) to the subscriber. "
        "The machine runs the cameras, the server and the subscriber too."
    )
    return first + "\n" + markdown("A hundred 720p15 cameras, a process each", note, head, hundred)


def bars(lines):
    """What DESIGN says of it."""
    idle = next((line for line in lines if line["program"] == IDLE), None)
    if idle is None:
        return []
    well = idle["fresh"] == idle["cameras"] and idle["starved"] == 0
    seen = f"{idle['fresh']} fresh, {idle['starved']} starved, {idle['machine_cores']:.2f} cores busy"
    memory_bar = Bar(f"{idle['cameras']} idle cameras: memory per process (PSS, mean)", "< 60 MB",
                     f"{mib(idle['pss_mean_kib'])} MB (RSS {mib(idle['rss_mean_kib'])})",
                     idle["pss_max_kib"] < 60 * 1024)  # fmt: skip
    return [Bar(f"{idle['cameras']} RTSP cameras 720p15, idle, on 2 cores", "all fresh, none starved", seen, well), memory_bar]
