"""One run of one program with one subscriber, and what it cost."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

from bench import clips
from bench.peers.ours import subject
from bench.runner import Child, cpu_of, eventually, percentile, running

START = 30  # seconds within which everything must have begun
ENDING = 15  # seconds that a program may take to end after its last frame


class Subscriber:
    """The process of `subscriber.py`; `result` waits for what it has seen."""

    def __init__(self, bench, transport, *, frames=0, quiet=20.0, address="", subjects=(), options=(), stdin=None):
        words = [sys.executable, "-m", "bench.subscriber", transport, "--frames", str(frames), "--quiet", str(quiet)]
        if transport == "nats":
            words += ["--address", str(address)]
        for wanted in subjects:
            words += ["--subject", wanted]
        self.child = Child(
            [*words, *options], bench.folder / f"subscriber-{transport}.log", cwd=bench.root,
            stdin=stdin if stdin is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.output = self.child.process.stdout
        # Its first line says that it listens, and where.
        self.address = self.output.readline().decode().strip()
        if not self.address:
            self.child.end()
            raise self.child.fail("did not start")

    def seen(self, ask):
        """What it has seen, once it says so, or at once when it is asked to. Who was cut off has seen too little."""
        seen = self.report(ask)
        if seen["cut"]:
            raise self.child.fail("the NATS server has cut it off, as it did not keep up: is the machine busy?")
        return seen

    def report(self, ask):
        """The same, and `cut` says whether the server has cut it off."""
        if ask:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child.pid, signal.SIGTERM)
        text = self.output.readline()
        if not text:
            raise self.child.fail(f"ended with {self.child.wait(10, insist=True).status}")
        return json.loads(text)

    def cpu_s(self):
        """What it has cost, once it has ended."""
        return self.child.wait(10, insist=True).cpu_s

    def end(self):
        """Ends it without listening."""
        self.child.end()
        self.output.close()


@contextlib.contextmanager
def camera(bench, clip, name="camera"):
    """(child, URL without a path, log file) of a camera process that serves `clip`."""
    log = bench.folder / f"{name}.json"
    log.unlink(missing_ok=True)
    words = [sys.executable, "-m", "bench.camera", "--clip", clip.ready(), "--fps", str(clip.fps), "--log", log]
    with running(words, bench.folder / f"{name}.log", cwd=bench.root, stdout=subprocess.PIPE) as child:
        port = child.process.stdout.readline().decode().strip()
        if not port:
            raise child.fail("did not start")
        yield child, f"rtsp://127.0.0.1:{port}", log


def sent_by(child, log):
    """What a camera process has sent so far, by path."""
    log.unlink(missing_ok=True)
    os.kill(child.pid, signal.SIGUSR1)
    eventually("the camera's log", 15, log.exists)
    return json.loads(log.read_text())


def once(bench, program, source, frames, *, numbers=False, checksums=False, quiet=None):
    """Runs `program` until `frames` frames have come out; a dictionary for the raw lines."""
    options = ["--numbers"] * numbers + ["--checksums"] * checksums
    quiet = quiet or (5.0 if program.ends and not source.live else 20.0)
    server, port = bench.nats
    before = cpu_of(server.pid)
    log = bench.folder / f"{program.transport}-{abs(hash(program.name)) % 10000}.log"
    # Its last words are those of this run.
    log.unlink(missing_ok=True)
    subscriber, child = None, None
    try:
        if program.transport == "none":
            child = Child(program.command(source, "", bench.folder), log, stdout=subprocess.DEVNULL)
        elif program.transport == "pipe":
            read, write = os.pipe()
            child = Child(program.command(source, "", bench.folder), log, stdout=write)
            os.close(write)
            subscriber = Subscriber(bench, "pipe", frames=frames, quiet=quiet, options=options, stdin=read)
            os.close(read)
        else:
            subscriber = Subscriber(
                bench, program.transport, frames=frames, quiet=quiet, address=port,
                subjects=[subject()], options=options,
            )  # fmt: skip
            address = subscriber.address if program.transport == "zmq" else port
            child = Child(program.command(source, address, bench.folder), log, cwd=bench.root)
        line = _finish(program, source, child, subscriber, frames)
    finally:
        if child:
            child.end(patience=5)
        if subscriber:
            subscriber.end()
    line["nats_cpu_s"] = round(cpu_of(server.pid) - before, 4) if program.transport == "nats" else None
    return line


def _finish(program, source, child, subscriber, frames):
    seen = {"frames": frames, "bytes": 0, "cpu_s": 0.0, "colours": {}}
    limit = START + 6 * frames / source.fps
    if subscriber is None:
        usage = child.wait(limit)
        if usage is None:
            raise child.fail(f"not done within {limit:.0f} s")
        if usage.status != 0:
            raise child.fail(f"ended with {usage.status}")
    else:
        until = time.monotonic() + limit
        # Memory is sampled while the subscriber counts.
        while time.monotonic() < until and not _readable(subscriber.output, 0.25):
            if not child.alive() and child.usage.status != 0:
                raise child.fail(f"ended with {child.usage.status}")
            child.sample()
        seen = subscriber.seen(ask=time.monotonic() >= until)
        if seen["frames"] < 0.98 * frames:
            usage = child.wait(1)
            ending = f", and it ended with {usage.status}" if usage else ""
            raise child.fail(f"{seen['frames']} of {frames} frames arrived{ending}")
        usage = _ended(program, source, child)
        seen["cpu_s"] = subscriber.cpu_s()
    counted = seen["frames"]
    return {
        "frames": counted, "cpu_s": round(usage.cpu_s, 4), "cpu_ms_per_frame": round(1000 * usage.cpu_s / counted, 4),
        "peak_rss_kib": usage.peak_rss_kib, "steady_rss_kib": usage.steady_rss_kib,
        "steady_pss_kib": usage.steady_pss_kib, "wall_s": round(usage.wall_s, 3),
        "mean_bytes": round(seen["bytes"] / counted), "subscriber_cpu_s": round(seen["cpu_s"], 4),
        "colours": seen["colours"], "got": seen.get("got", []), "checksums": seen.get("checksums", []),
        "first": seen.get("first"), "last": seen.get("last"),
    }  # fmt: skip


def _ended(program, source, child):
    """The usage of a program whose frames have all come. One that failed counts for nothing, whatever came of it."""
    by_itself = program.ends and not source.live
    usage = child.wait(ENDING) if by_itself else None
    sign, fine = signal.SIGINT if program.transport == "pipe" else signal.SIGTERM, {0}
    if usage is None and by_itself:
        raise child.fail(f"has sent all frames and did not end within {ENDING} s")
    if usage is None:
        if child.alive():
            fine |= {-sign, *program.interrupted}
        usage = child.end(sign)
    if usage.status not in fine:
        raise child.fail(f"ended with {usage.status}")
    return usage


def _readable(stream, seconds):
    import select

    return bool(select.select([stream], [], [], seconds)[0])


def ages(got, frames, cycle):
    """Seconds from the last packet of each frame to its arrival at the subscriber.

    `got` are (name, number, time) of the subscriber, `frames` are (number, time) of the camera, whose
    numbers begin anew after `cycle`: the newest that was sent before counts.
    """
    sent = {}
    for number, at in frames:
        sent.setdefault(number, []).append(at)
    found = []
    for _, number, at in got:
        before = [moment for moment in sent.get(number, []) if moment <= at]
        if before:
            found.append(at - before[-1])
    return found


def age_figures(got, frames, cycle):
    """p50, p99 and the greatest age in ms, and how many frames were never got between the first and the last."""
    found = [1000 * age for age in ages(got, frames, cycle)]
    if not found:
        return {}
    span = [number for number, at in frames if got[0][2] - 1 <= at <= got[-1][2]]
    return {
        "aged": len(found), "sent_meanwhile": len(span),
        "age_p50_ms": round(percentile(found, 50), 2), "age_p99_ms": round(percentile(found, 99), 2),
        "age_max_ms": round(max(found), 2),
    }  # fmt: skip


def alternating(things, run):
    """The order of a run: forwards, then backwards, so that no one always goes first."""
    return things if run % 2 == 0 else list(reversed(things))


HD, SMALL, MJPEG = clips.HD, clips.SMALL, clips.MJPEG
