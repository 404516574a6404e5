"""One 1080p30 camera over RTSP, watched: CPU, memory, and how old frames are when a subscriber has them."""

from bench.measure import HD, age_figures, alternating, camera, once, sent_by
from bench.peers import Source, gst, scripts
from bench.peers.ours import ours
from bench.report import Bar, markdown, medians, ms, mib

NAME = "live"
OURS = "streamhub-ingest"
# Frames that say nothing of the age: what a program has gathered while it was connecting.
WARM_UP = 100
PROGRAMS = [gst.PIPE, scripts.OPENCV, scripts.PYAV]


def run(bench):
    """Writes a line for each run of each program."""
    clip = bench.clip(HD)
    plan = [ours(bench.ingest, OURS), *bench.wanted(PROGRAMS)]
    with camera(bench, clip) as (child, url, log):
        for number in range(bench.runs):
            for index, program in enumerate(alternating(plan, number)):
                path = f"/run-{number * len(plan) + index}"
                source = Source(url + path, clip.fps, live=True)
                line = once(bench, program, source, bench.frames(1000), numbers=True)
                sent = sent_by(child, log)[path]
                got = line.pop("got")[0 if bench.quick else WARM_UP :]
                line |= age_figures(got, sent["frames"], clip.frames)
                bench.line(NAME, program.name, number, line | {"skipped_by_camera": sent["skipped"]})


def table(lines):
    """Markdown."""
    rows = [
        [
            name, ms(each["age_p50_ms"]), ms(each["age_p99_ms"]), each.spread("age_p99_ms", 1),
            f"{each['aged']}/{each['sent_meanwhile']}", ms(each["cpu_ms_per_frame"]),
            each.spread("cpu_ms_per_frame"), mib(each["peak_rss_kib"]), mib(each["steady_rss_kib"]),
            mib(each["steady_pss_kib"]),
            ms(1000 * each["nats_cpu_s"] / each["frames"]) if "nats_cpu_s" in each else "",
        ]
        for name, each in medians(lines).items()
    ]  # fmt: skip
    head = ["program", "age p50 ms", "age p99 ms", "p99, least to most", "frames got/sent", "CPU ms per frame",
            "least to most", "RSS peak MB", "RSS steady MB", "PSS steady MB", "broker CPU ms per frame"]  # fmt: skip
    note = (
        "Age: from the last packet of a frame, by the camera's own log, to the subscriber's process; the subscriber "
        "reads the frame's number from the picture; the first 100 frames do not count for it."
    )
    return markdown("One 1080p30 camera over RTSP, watched", note, head, rows)


def bars(lines):
    """What DESIGN says of it."""
    found = medians(lines)
    if OURS not in found:
        return []
    age = found[OURS]["age_p99_ms"]
    limit = 1000 / HD.fps + 10
    result = [Bar("Last packet of the access unit to subscriber, p99, 1080p30", f"< {limit:.1f} ms", f"{age:.1f} ms",
                  age < limit)]  # fmt: skip
    for peer, limit in ((gst.PIPE, 1.0), (scripts.OPENCV, 0.75), (scripts.PYAV, 0.75)):
        if peer.name in found:
            ratio = found[OURS]["cpu_ms_per_frame"] / found[peer.name]["cpu_ms_per_frame"]
            result.append(Bar(f"H.264 -> JPEG, a 1080p30 camera, CPU per frame beside {peer.name}", f"<= {limit:.2f}x",
                              f"{ratio:.2f}x", ratio <= limit))  # fmt: skip
    return result
