"""A camera that sends JPEG: CPU per 1080p frame, and whether every byte is the camera's."""

from functools import partial

from bench.clips import checksums
from bench.measure import MJPEG, alternating, once
from bench.peers import Source, ffmpeg, gst, scripts
from bench.peers.ours import ours
from bench.report import Bar, markdown, medians, mib

NAME = "passthrough"
OURS = "streamhub-ingest, 100 fps"
PROGRAMS = [gst.PASSTHROUGH, ffmpeg.PASSTHROUGH, scripts.OPENCV_PASSTHROUGH, scripts.PYAV_PASSTHROUGH]


def run(bench):
    """Writes a line for each run of each program."""
    clip = bench.clip(MJPEG)
    path, known = str(clip.ready()), set(checksums(clip.ready()))
    plan = [(ours(bench.ingest, OURS), 100), *((program, clip.fps) for program in bench.wanted(PROGRAMS))]
    for number in range(bench.runs):
        for program, fps in alternating(plan, number):
            frames = bench.frames(1000) if program.ours else clip.frames
            source = Source(path, fps, live=False)
            bench.attempt(NAME, program.name, number, partial(_pass_on, bench, program, source, frames, known))


def _pass_on(bench, program, source, frames, known):
    line = once(bench, program, source, frames, checksums=True)
    return line | {"not_of_the_camera": len(set(line.pop("checksums")) - known)}


def table(lines):
    """Markdown."""
    rows = [
        [
            name, f"{each['cpu_ms_per_frame']:.3f}", each.spread("cpu_ms_per_frame", 3), each["frames"],
            "no" if any(line["not_of_the_camera"] for line in each.lines) else "yes", mib(each["peak_rss_kib"]),
        ]
        for name, each in medians(lines).items()
    ]  # fmt: skip
    head = ["program", "CPU ms per frame", "least to most", "frames a run", "byte for byte", "RSS peak MB"]
    note = (
        "Start-up counts: an interpreter's is spread over the clip's 1,000 frames. Byte for byte: the Adler-32 of "
        "each payload that arrived is one of the clip's."
    )
    return markdown("JPEG camera, passed through", note, head, rows)


def bars(lines):
    """What DESIGN says of it."""
    ours = medians(lines).get(OURS)
    cost = Bar("JPEG camera -> NATS, CPU per 1080p frame", "<= 0.30 ms", "", None)
    same = Bar("JPEG camera -> NATS, byte-identical", "all", "", None)
    if ours:
        cost.seen, cost.met = f"{ours['cpu_ms_per_frame']:.3f} ms", ours["cpu_ms_per_frame"] <= 0.3
        foreign = max(line["not_of_the_camera"] for line in ours.lines)
        same.seen, same.met = f"{foreign} payloads differ", foreign == 0
    return [cost, same]
