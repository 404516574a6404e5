"""A camera that sends JPEG: CPU per 1080p frame, and whether every byte is the camera's."""

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
            line = once(bench, program, Source(path, fps, live=False), frames, checksums=True)
            foreign = len(set(line.pop("checksums")) - known)
            bench.line(NAME, program.name, number, line | {"not_of_the_camera": foreign})


def table(lines):
    """Markdown."""
    rows = [
        [
            name, f"{each['cpu_ms_per_frame']:.3f}", each.spread("cpu_ms_per_frame", 3), each["frames"],
            "yes" if each["not_of_the_camera"] == 0 else "no", mib(each["peak_rss_kib"]),
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
    found = medians(lines)
    if OURS not in found:
        return []
    cost, foreign = found[OURS]["cpu_ms_per_frame"], found[OURS]["not_of_the_camera"]
    return [
        Bar("JPEG camera -> NATS, CPU per 1080p frame", "<= 0.30 ms", f"{cost:.3f} ms", cost <= 0.3),
        Bar("JPEG camera -> NATS, byte-identical", "all", f"{foreign} payloads differ", foreign == 0),
    ]
