"""`python -m bench`: runs the scenarios, keeps the raw lines, writes the report."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

from bench import machine, nats, report
from bench.runner import BenchError, say
from bench.scenarios import cpu, hundred, idle, live, memory, passthrough, ten

WHOLE = "the scenario"  # as a program's name: what failed is not a single run
SCENARIOS = {module.NAME: module for module in (cpu, live, idle, passthrough, ten, hundred, memory)}


class Bench:
    """What the scenarios share."""

    def __init__(self, arguments, folder, raw):
        self.root = machine.ROOT
        self.folder = folder
        self.raw = raw
        self.ingest = arguments.ingest
        self.quick = arguments.quick
        self.runs = arguments.runs
        self.peers = arguments.peers
        self.nats = None
        self.lines = []
        self.failed = []

    def frames(self, full):
        """How many frames a run lasts."""
        return 30 if self.quick else full

    def seconds(self, full, quick=2):
        """How long something is looked at."""
        return quick if self.quick else full

    def clip(self, clip):
        """The clip, or a short one of its kind."""
        return clip.short() if self.quick else clip

    def wanted(self, programs):
        """Those that --peers names."""
        return [p for p in programs if any(word in p.name.lower() for word in self.peers)]

    def attempt(self, scenario, program, number, measure):
        """Keeps the line that `measure` makes; where it fails, its last words, and goes on with the others."""
        try:
            self.line(scenario, program, number, measure())
        except BenchError as error:
            self.fail(scenario, program, number, error)

    def fail(self, scenario, program, number, error):
        """Keeps a failure. Unlike a median of fewer runs it is seen."""
        self.failed.append((scenario, program, number + 1, str(error)))
        self.raw.write(json.dumps({"scenario": scenario, "program": program, "run": number, "failed": str(error)}) + "\n")
        self.raw.flush()
        say(f"{scenario}, {program}, run {number + 1}: {error}")

    def good(self, scenario):
        """The lines of a scenario, without those of programs that failed in it."""
        failed = {(name, program) for name, program, *_ in self.failed}
        if (scenario, WHOLE) in failed:
            return []
        return [line for line in self.lines
                if line["scenario"] == scenario and (scenario, line["program"]) not in failed]  # fmt: skip

    def line(self, scenario, program, number, figures):
        """Keeps a raw line and shows the gist of it."""
        figures = {key: value for key, value in figures.items() if key not in {"got", "checksums"}}
        line = {"scenario": scenario, "program": program, "run": number, **figures,
                "load": round(os.getloadavg()[0], 2), "at": round(time.time(), 1)}  # fmt: skip
        self.lines.append(line)
        self.raw.write(json.dumps(line) + "\n")
        self.raw.flush()
        shown = ("cpu_ms_per_frame", "age_p50_ms", "age_p99_ms", "watched", "fresh", "steady_rss_kib", "pss_mean_kib")
        gist = ", ".join(f"{key} {figures[key]}" for key in shown if figures.get(key) is not None)
        say(f"{time.strftime('%H:%M:%S')} {scenario} {number + 1}/{self.runs} {program}: {gist}")


def arguments_of():
    names = " ".join(SCENARIOS)
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of: {names} [all]")
    parser.add_argument("--ingest", required=True, help="the release build of streamhub-ingest")
    parser.add_argument("--runs", type=int, help="of each program [5]")
    parser.add_argument("--quick", action="store_true", help="a few frames of each: shows that it works, no figures")
    parser.add_argument("--peers", default="gst-launch,ffmpeg,opencv,pyav", help="beside whom [all]")
    parser.add_argument("--results", default=machine.ROOT / "bench/results", type=pathlib.Path)
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))} (of: {names})")
    arguments.scenarios = arguments.scenarios or list(SCENARIOS)
    arguments.runs = arguments.runs or (1 if arguments.quick else 5)
    arguments.peers = [word.strip() for word in arguments.peers.lower().split(",") if word.strip()]
    return arguments


def check(arguments):
    """Says what is missing before anything has run."""
    if not pathlib.Path(arguments.ingest).is_file():
        raise BenchError(f"{arguments.ingest} is missing: cargo build --release -p streamhub-ingest")
    needed = {"gst-launch": "gst-launch-1.0", "ffmpeg": "ffmpeg"}
    for peer, program in needed.items():
        if peer in arguments.peers and not shutil.which(program):
            raise BenchError(f"{program} is missing: run scripts/setup bench, or leave it out with --peers")
    modules = {"opencv": ["cv2", "zmq"], "pyav": ["av", "zmq", "turbojpeg"]}
    for peer in set(modules) & set(arguments.peers):
        for module in modules[peer]:
            try:
                __import__(module)
            except ImportError as error:
                raise BenchError(
                    f"Python module {module} is missing: run scripts/setup bench, or leave {peer} out with --peers"
                ) from error
    if "pyav" in arguments.peers:
        import turbojpeg

        try:
            turbojpeg.TurboJPEG()
        except RuntimeError as error:
            raise BenchError(f"libturbojpeg0 is missing: run scripts/setup bench ({error})") from error
    if not nats.PROGRAM.exists():
        raise BenchError(f"{nats.PROGRAM} is missing: run scripts/setup bench")


def measure(arguments):
    check(arguments)
    # The words of one run are found together, and a later run never writes over them.
    stem = f"bench-{'quick-' if arguments.quick else ''}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    arguments.results.mkdir(parents=True, exist_ok=True)
    raw_path = arguments.results / f"{stem}.jsonl"
    about = machine.about() | {"runs": arguments.runs}
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamhub-bench-")))
        raw = stack.enter_context(open(raw_path, "w"))
        raw.write(json.dumps({"about": about}) + "\n")
        bench = Bench(arguments, folder, raw)
        for name in arguments.scenarios:
            begin = time.monotonic()
            with nats.server(folder) as bench.nats:
                try:
                    SCENARIOS[name].run(bench)
                except BenchError as error:
                    # What the others have measured is not lost.
                    bench.fail(name, WHOLE, 0, error)
            about[f"{name}_s"] = round(time.monotonic() - begin)
    about["took_s"] = round(time.monotonic() - began)
    lines = {name: bench.good(name) for name in SCENARIOS}
    sections = [SCENARIOS[name].table(found) for name, found in lines.items() if found]
    # Every bar is a row, also where nothing was measured; a few frames say nothing of any.
    bars = [bar for name, found in lines.items() for bar in SCENARIOS[name].bars([] if bench.quick else found)]
    text = report.whole(about, sections, bars, bench.failed, raw_path.name)
    raw_path.with_suffix(".md").write_text(text)
    print(text)
    say(f"{raw_path.with_suffix('.md')}")
    if bench.failed:
        raise BenchError(f"failed: {', '.join(dict.fromkeys(f'{name} ({program})' for name, program, *_ in bench.failed))}")


def main():
    # Ctrl-C, and a terminal that is closed, end the run: every block is left in order.
    def interrupt(*_):
        raise KeyboardInterrupt

    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, interrupt)
    try:
        measure(arguments_of())
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")


if __name__ == "__main__":
    main()
