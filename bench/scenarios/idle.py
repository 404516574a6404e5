"""Two processes on one 1080p30 camera each: one watched, the other not, at the same time; then the other way round."""

import contextlib
import time

from bench.fleet import one, until_active
from bench.measure import HD, Subscriber, camera, sent_by
from bench.peers.ours import subject
from bench.report import Bar, markdown, medians
from bench.runner import BenchError, cpu_of, switches_of

NAME = "idle"
IDLE, WATCHED = "nobody listens", "one subscriber"
WINDOW = 34  # seconds: more than 1,000 access units


def run(bench):
    """Writes two lines for each window."""
    clip = bench.clip(HD)
    with contextlib.ExitStack() as stack:
        source, url, log = stack.enter_context(camera(bench, clip))
        processes = [
            (f"cam-{number}", *stack.enter_context(one(bench, url, clip, f"cam-{number}", number))) for number in (1, 2)
        ]
        _begin(bench, processes)
        for number in range(bench.runs):
            watched, idle = processes if number % 2 == 0 else reversed(processes)
            try:
                lines = _change(bench, watched, idle, source, log)
            except BenchError as error:
                for state in (WATCHED, IDLE):
                    bench.fail(NAME, state, number, error)
                continue
            for (name, _, _), state in ((watched, WATCHED), (idle, IDLE)):
                bench.line(NAME, state, number, {"process": name, **lines[name]})


def _change(bench, watched, idle, source, log):
    """Lets somebody watch the one and nobody the other; what each costs then."""
    subscriber = Subscriber(bench, "nats", address=bench.nats[1], subjects=[subject(watched[0])])
    try:
        for (_, _, metric), active in ((watched, 1.0), (idle, 0.0)):
            until_active(metric, active)
        # What the change itself costs belongs to neither state.
        time.sleep(bench.seconds(2, 1))
        lines = _window((watched, idle), source, log, bench.seconds(WINDOW))
        frames = subscriber.seen(ask=True)["frames"]
    finally:
        subscriber.end()
    units = lines[watched[0]]["access_units"]
    if frames < 0.95 * units:
        raise BenchError(f"{frames} frames of {units} access units arrived: this is not what watched costs")
    return lines


def _begin(bench, processes):
    """What has just started may seem idle while it connects: each is watched once."""
    for name, child, _ in processes:
        subscriber = Subscriber(bench, "nats", frames=30, address=bench.nats[1], subjects=[subject(name)])
        try:
            if subscriber.seen(ask=False)["frames"] < 30:
                raise child.fail("sends nothing")
        finally:
            subscriber.end()


def _window(processes, source, log, seconds):
    """What each process costs meanwhile, by its name."""
    before = {name: (cpu_of(child.pid), switches_of(child.pid)) for name, child, _ in processes}
    begin = time.time()
    time.sleep(seconds)
    after = {name: (cpu_of(child.pid), switches_of(child.pid)) for name, child, _ in processes}
    spent, sent = time.time() - begin, sent_by(source, log)
    lines = {}
    for name, child, _ in processes:
        if not child.alive():
            raise child.fail(f"ended with {child.usage.status}")
        cpu, switches = (new - old for new, old in zip(after[name], before[name]))
        units = sum(begin <= at < begin + spent for _, at in sent[f"/{name}"]["frames"])
        lines[name] = {
            "access_units": units, "cpu_s": round(cpu, 4), "cpu_ms_per_frame": round(1000 * cpu / max(1, units), 4),
            "core_percent": round(100 * cpu / spent, 3), "wakeups_per_s": round(switches / spent, 1),
            "skipped_by_camera": sent[f"/{name}"]["skipped"],
        }  # fmt: skip
    return lines


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
        f"Two processes in the same windows, which change parts each time. Idle costs {_ratio(found):.3f} of watched. "
        "Start-up and the change from one state to the other are in no window."
    )
    return markdown("One 1080p30 camera over RTSP, with and without a listener", note, head, rows)


def bars(lines):
    """What DESIGN says of it."""
    found = medians(lines)
    bar = Bar("Nobody listening, 1080p30 H.264, CPU beside watched", "about 0.10x", "", None)
    if IDLE in found and WATCHED in found:
        ratio = _ratio(found)
        bar.seen, bar.met = f"{ratio:.3f}x ({found[IDLE]['cpu_ms_per_frame']:.2f} ms per access unit)", ratio <= 0.1
    return [bar]
