"""CPU per 1080p frame: H.264 from a file to JPEG at a subscriber, as fast as each goes."""

from bench import marks
from bench.measure import HD, alternating, once
from bench.peers import Source, ffmpeg, gst, scripts
from bench.peers.ours import ours
from bench.report import Bar, markdown, medians, ms, mib

NAME = "cpu"
FAST = "streamhub-ingest, 100 fps"
PROGRAMS = [gst.DEFAULT, gst.ONE_THREAD, ffmpeg.PIPE, scripts.OPENCV, scripts.PYAV, scripts.PYAV_PLANES]


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
            bench.line(NAME, program.name, number, once(bench, program, Source(path, fps, live=False), frames))


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
    if FAST not in found:
        return []
    fast = found[FAST]["cpu_ms_per_frame"]
    result = []
    for peer, limit in ((gst.DEFAULT, 1.0), (scripts.OPENCV, 0.75), (scripts.PYAV, 0.75)):
        if peer.name in found:
            ratio = fast / found[peer.name]["cpu_ms_per_frame"]
            result.append(Bar(f"H.264 -> JPEG on NATS, CPU per 1080p frame beside {peer.name}", f"<= {limit:.2f}x",
                              f"{ratio:.2f}x", ratio <= limit))  # fmt: skip
    return result
