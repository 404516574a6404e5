"""Ten 720p15 cameras over RTSP, a process each, all of them watched: ours beside everybody's."""

import collections
import contextlib
import os
import time
from functools import partial

from bench.fleet import cameras, memory
from bench.measure import SMALL, Subscriber, age_figures, alternating, camera, sent_by
from bench.peers import Source, ffmpeg, gst, scripts
from bench.peers.ours import subject
from bench.report import markdown, medians, mib, ms
from bench.runner import BenchError, Child, cpu_of, eventually, percentile

NAME = "ten"
OURS = "streamhub-ingest"
PEERS = [gst.PIPE, ffmpeg.PIPE, scripts.OPENCV, scripts.PYAV]
ROUNDS = 3
SETTLE, WINDOW = 5, 7  # seconds: more than 1,000 frames of all ten together
NUMBERS = ["--numbers"]


def run(bench):
    """Writes a line for each program in each round."""
    clip = bench.clip(SMALL)
    for number in range(min(ROUNDS, bench.runs)):
        for program in alternating([None, *bench.wanted(PEERS)], number):
            name = program.name if program else OURS
            bench.attempt(NAME, name, number, partial(_watch, bench, clip, program))


def _watch(bench, clip, program):
    """Ten processes, and somebody who looks at all that they send."""
    names = [f"cam-{number}" for number in range(1, (2 if bench.quick else 10) + 1)]
    with camera(bench, clip, "ten") as (source, url, log), contextlib.ExitStack() as stack:
        start = _ours if program is None else _pipes if program.transport == "pipe" else _scripts
        children, readers = start(bench, stack, clip, url, names, program)
        paths = {f"/{name}" for name in names}
        eventually("all cameras are read", 60, lambda: paths <= sent_by(source, log).keys())
        time.sleep(bench.seconds(SETTLE, 3))
        cpu, begin = sum(cpu_of(child.pid) for child in children), time.time()
        time.sleep(bench.seconds(WINDOW))
        cpu, end = sum(cpu_of(child.pid) for child in children) - cpu, time.time()
        for child in children:
            if not child.alive():
                raise child.fail(f"ended with {child.usage.status}")
        found = memory([(child.name, child) for child in children])
        got = [frame for reader in readers for frame in reader()]
        line = _ages(got, sent_by(source, log), begin, end, clip)
    if not line["frames"]:
        raise BenchError(f"no frame of {len(names)} cameras arrived")
    return line | {
        "cameras": len(names), "cpu_s": round(cpu, 3), "cpu_ms_per_frame": round(1000 * cpu / line["frames"], 4),
        "cores": round(cpu / (end - begin), 3), **found,
    }  # fmt: skip


def _ours(bench, stack, clip, url, names, _program):
    children = stack.enter_context(cameras(bench, len(names), url, clip))
    subjects = {subject(name): name for name in names}
    reader = Subscriber(bench, "nats", address=bench.nats[1], subjects=subjects, options=NUMBERS)
    stack.callback(reader.end)
    return [child for _, child in children], [
        lambda: [(subjects[name], *rest) for name, *rest in reader.seen(ask=True)["got"]]
    ]


def _scripts(bench, stack, clip, url, names, program):
    reader = Subscriber(bench, program.transport, options=NUMBERS)
    stack.callback(reader.end)
    children = []
    for name in names:
        words = program.command(Source(f"{url}/{name}", clip.fps, True, name), reader.address, bench.folder)
        children.append(Child(words, _log(bench, name), cwd=bench.root))
        stack.callback(children[-1].end)
    return children, [lambda: reader.seen(ask=True)["got"]]


def _pipes(bench, stack, clip, url, names, program):
    children, readers = [], []
    for name in names:
        read, write = os.pipe()
        words = program.command(Source(f"{url}/{name}", clip.fps, True, name), "", bench.folder)
        children.append(Child(words, _log(bench, name), stdout=write))
        os.close(write)
        reader = Subscriber(bench, "pipe", options=NUMBERS, stdin=read)
        os.close(read)
        # The program first: its reader goes on reading until then.
        stack.callback(reader.end)
        stack.callback(children[-1].end)
        # What comes through a pipe has no name.
        readers.append(lambda reader=reader, name=name: [(name, *rest) for _, *rest in reader.seen(ask=True)["got"]])
    return children, readers


def _log(bench, name):
    log = bench.folder / f"peer-{name}.log"
    log.unlink(missing_ok=True)
    return log


def _ages(got, sent, begin, end, clip):
    """The ages of all cameras' frames within a window, each found by its own camera's log."""
    by_name = collections.defaultdict(list)
    for name, number, at in got:
        if begin <= at <= end:
            by_name[name].append((name, number, at))
    each = [age_figures(frames, sent[f"/{name}"]["frames"], clip.frames) for name, frames in by_name.items()]
    ages = [figures for figures in each if figures]
    counts = [len(frames) for frames in by_name.values()]
    return {
        "frames": sum(counts), "delivering": len(by_name), "frames_least": min(counts, default=0),
        "age_p50_ms": round(percentile([figures["age_p50_ms"] for figures in ages], 50) or 0, 2),
        "age_p99_ms": max((figures["age_p99_ms"] for figures in ages), default=0),
    }  # fmt: skip


def table(lines):
    """Markdown."""
    rows = [
        [
            name, min(line["delivering"] for line in each.lines), ms(each["cpu_ms_per_frame"]),
            each.spread("cpu_ms_per_frame"), f"{each['cores']:.2f}", ms(each["age_p50_ms"]), ms(each["age_p99_ms"]),
            mib(each["rss_mean_kib"]), mib(each["pss_mean_kib"]),
        ]
        for name, each in medians(lines).items()
    ]  # fmt: skip
    head = ["program", "cameras that deliver", "CPU ms per frame", "least to most", "cores, all together", "age p50 ms",
            "age p99 ms, the worst camera", "RSS MB each", "PSS MB each"]  # fmt: skip
    note = f"Windows of {WINDOW} s, {SETTLE} s after all cameras were read; the median of {ROUNDS} rounds in alternating order."
    return markdown("Ten 720p15 cameras, a process each, all watched", note, head, rows)


def bars(_lines):
    """DESIGN says nothing of ten."""
    return []
