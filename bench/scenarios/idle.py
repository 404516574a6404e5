"""A 1080p30 camera that nobody watches beside the same process watched, in alternating windows."""

import time

from bench.fleet import one, until_active
from bench.measure import HD, Subscriber, camera, sent_by
from bench.peers.ours import subject
from bench.report import Bar, markdown, medians
from bench.runner import cpu_of, switches_of

NAME = "idle"
IDLE, WATCHED = "nobody listens", "one subscriber"


def run(bench):
    """Writes a line for each window."""
    clip = bench.clip(HD)
    with camera(bench, clip) as (source, url, log), one(bench, url, clip) as (child, metric):
        for number in range(bench.runs):
            # The first window watched, then idle, then the other way round.
            for state in (WATCHED, IDLE) if number % 2 == 0 else (IDLE, WATCHED):
                subscriber = None
                if state == WATCHED:
                    subscriber = Subscriber(bench, "nats", address=bench.nats[1], subjects=[subject()])
                try:
                    until_active(metric, 1.0 if subscriber else 0.0)
                    # What the change itself costs belongs to neither state.
                    time.sleep(bench.seconds(2, 1))
                    line = _window(bench, child, source, log, bench.seconds(12 if subscriber else 18))
                finally:
                    if subscriber:
                        subscriber.end()
                bench.line(NAME, state, number, line)


def _window(bench, child, source, log, seconds):
    begin, cpu, switches = time.time(), cpu_of(child.pid), switches_of(child.pid)
    time.sleep(seconds)
    end, cpu, switches = time.time(), cpu_of(child.pid) - cpu, switches_of(child.pid) - switches
    sent = sent_by(source, log)["/cam-1"]
    units = sum(begin <= at < end for _, at in sent["frames"])
    return {
        "access_units": units, "cpu_s": round(cpu, 4), "cpu_ms_per_frame": round(1000 * cpu / max(1, units), 4),
        "core_percent": round(100 * cpu / (end - begin), 3), "wakeups_per_s": round(switches / (end - begin), 1),
        "skipped_by_camera": sent["skipped"],
    }  # fmt: skip


def _ratio(found):
    return found[IDLE]["cpu_ms_per_frame"] / found[WATCHED]["cpu_ms_per_frame"]


def table(lines):
    """Markdown."""
    found = medians(lines)
    rows = [
        [
            name, f"{each['cpu_ms_per_frame']:.3f}", each.spread("cpu_ms_per_frame", 3), f"{each['core_percent']:.2f}",
            f"{each['wakeups_per_s']:.0f}", each["access_units"],
        ]
        for name, each in found.items()
    ]  # fmt: skip
    head = ["state", "CPU ms per access unit", "least to most", "% of a core", "wake-ups a second", "access units a window"]
    note = (
        f"One process, windows in alternating order. Idle costs {_ratio(found):.3f} of watched. "
        "Start-up and the change from one state to the other are in no window."
    )
    return markdown("One 1080p30 camera over RTSP, with and without a listener", note, head, rows)


def bars(lines):
    """What DESIGN says of it."""
    found = medians(lines)
    ratio = _ratio(found)
    return [Bar("Nobody listening, 1080p30 H.264, CPU beside watched", "about 0.10x",
                f"{ratio:.3f}x ({found[IDLE]['cpu_ms_per_frame']:.2f} ms per access unit)", ratio <= 0.1)]  # fmt: skip


