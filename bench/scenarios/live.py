"""One 1080p30 camera over RTSP, watched: CPU, memory, and how old frames are when a subscriber has them."""

from functools import partial

from bench.measure import HD, age_figures, alternating, camera, once, sent_by
from bench.peers import Source, ffmpeg, gst, scripts
from bench.peers.ours import ours
from bench.report import Bar, markdown, medians, mib, ms, ratio_bar
from bench.runner import BenchError

NAME = "live"
OURS = "streamhub-ingest"
# Frames that say nothing of the age: what a program has gathered while it was connecting.
WARM_UP = 100
PROGRAMS = [gst.PIPE, ffmpeg.PIPE, scripts.OPENCV, scripts.PYAV]


def run(bench):
    """Writes a line for each run of each program."""
    clip = bench.clip(HD)
    plan = [ours(bench.ingest, OURS), *bench.wanted(PROGRAMS)]
    with camera(bench, clip) as served:
        for number in range(bench.runs):
            for index, program in enumerate(alternating(plan, number)):
                path = f"/run-{number * len(plan) + index}"
                bench.attempt(NAME, program.name, number, partial(_watch, bench, clip, served, program, path))


def _watch(bench, clip, served, program, path):
    child, url, log = served
    source = Source(url + path, clip.fps, live=True)
    line = once(bench, program, source, bench.frames(1000), numbers=True)
    sent = sent_by(child, log)[path]
    got = line.pop("got")[0 if bench.quick else WARM_UP :]
    figures = age_figures(got, sent["frames"], clip.frames)
    if not figures:
        raise BenchError("no picture that arrived has a number that can be read")
    return line | figures | {"skipped_by_camera": sent["skipped"]}


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
    limit = 1000 / HD.fps + 10
    age = Bar("Last packet of the access unit to subscriber, p99, 1080p30", f"< {limit:.1f} ms", "", None)
    if OURS in found:
        age.seen, age.met = f"{found[OURS]['age_p99_ms']:.1f} ms", found[OURS]["age_p99_ms"] < limit
    work = "H.264 -> JPEG on NATS, a 1080p30 camera, CPU per frame beside"
    return [age] + [
        ratio_bar(f"{work} {peer.name}", limit, found, OURS, peer.name)
        for peer, limit in ((gst.PIPE, 1.0), (scripts.OPENCV, 0.75), (scripts.PYAV, 0.75))
    ]
