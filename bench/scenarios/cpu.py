"""CPU per 1080p frame: H.264 from a file to JPEG at a subscriber, as fast as each goes."""

from functools import partial

from bench import marks
from bench.measure import HD, alternating, once
from bench.peers import Source, ffmpeg, gst, scripts
from bench.peers.ours import ours
from bench.report import Bar, markdown, medians, mib, ms, ratio_bar, unmeasured

NAME = "cpu"
FAST = "streamhub-ingest, 100 fps"
COLOURS_OFF = 3
PROGRAMS = [gst.DEFAULT, gst.ONE_THREAD, ffmpeg.PIPE, scripts.OPENCV, scripts.PYAV]


def run(bench):
    """Writes a line for each run of each program."""
    clip = bench.clip(HD)
    path = str(clip.ready())
    # 100 fps leaves no time to rest, as the others have none.
    plan = [(ours(bench.ingest, FAST), 100), *((program, clip.fps) for program in bench.wanted(PROGRAMS))]
    for number in range(bench.runs):
        for program, fps in alternating(plan, number):
            # The peers read the whole clip; ours is asked for as many frames as are required.
            frames = bench.frames(1000) if program.ours else clip.frames
            source = Source(path, fps, live=False)
            bench.attempt(NAME, program.name, number, partial(once, bench, program, source, frames))


def table(lines):
    """Markdown."""
    rows = []
    found = medians(lines)
    base = found.get(gst.DEFAULT.name)
    for name, figures in found.items():
        seen = [line["colours"] for line in lines if line["program"] == name and line["colours"]]
        colours = marks.verdict(seen[-1]) if seen else "range and matrix wrong (limited-range samples kept)"
        rows.append([
            name, ms(figures["cpu_ms_per_frame"]), figures.spread("cpu_ms_per_frame"),
            f"{figures['cpu_ms_per_frame'] / base['cpu_ms_per_frame']:.2f}" if base else "",
            mib(figures["peak_rss_kib"]), mib(figures["steady_rss_kib"]), mib(figures["steady_pss_kib"]),
            f"{figures['mean_bytes'] / 1000:.0f}" if figures["mean_bytes"] else "", colours,
        ])  # fmt: skip
    head = ["program", "CPU ms per frame", "least to most", "of gst-launch", "RSS peak MB", "RSS steady MB",
            "PSS steady MB", "KB per JPEG", "colours"]  # fmt: skip
    title = "CPU per 1080p frame, from a file"
    note = (
        "User and system time of the whole process, from start to end, over the frames that a subscriber received "
        "(gst-launch: that it decoded)."
    )
    return markdown(title, note, head, rows)


def bars(lines):
    """What DESIGN says of it."""
    found = medians(lines)
    work = "H.264 -> JPEG on NATS, CPU per 1080p frame beside"
    result = [
        ratio_bar(f"{work} {peer.name}", limit, found, FAST, peer.name)
        for peer, limit in ((gst.DEFAULT, 1.0), (scripts.OPENCV, 0.75), (scripts.PYAV, 0.75))
    ]
    return [*result, _colours([line["colours"] for line in lines if line["program"] == FAST])]


def _colours(seen):
    work, bar = "Colour: limited-range BT.709 H.264, white, black and primaries", f"within {COLOURS_OFF} of 255"
    if not seen:
        return unmeasured(work, bar)
    if not all(seen):
        return Bar(work, bar, "a run without a picture of patches", False)
    off = max(marks.off(colours) for colours in seen)
    white = seen[-1]["white"][1]
    return Bar(work, bar, f"at most {off} off, white is {white}", off <= COLOURS_OFF)
