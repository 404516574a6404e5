#!/usr/bin/env python3
"""CPU per 1080p frame: streamhub-ingest with one subscriber, beside gst-launch on the same clip.

Each program runs as often as --runs says, in alternating order. CPU is user + system time of the whole
process from start to end (getrusage by way of wait4), divided by the frames that came out: for ingest the
frames that a subscriber received, for gst-launch the frames of the clip. Frames that a program decoded
and lost count against it. Raw lines go to bench/results/*.jsonl, a table to stdout.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("STREAMHUB_CACHE", pathlib.Path.home() / ".cache/streamhub"))
CLIP = CACHE / "clips/h264-1080p30-long.mp4"
CLIP_FRAMES = 1050
FPS = 30
QUALITY = 85

CAMERA = """\
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {{name: bench, namespace: default, uid: 00000000-0000-0000-0000-000000000001}}
spec:
  source: {{file: {{uri: "{clip}", fps: {fps}, onEnd: Loop}}}}
  frames: [{{name: main, fps: {fps}, quality: {quality}}}]
"""

HUB = """\
apiVersion: streamhub.dev/v1alpha1
kind: StreamHub
metadata: {{name: default, namespace: default}}
spec: {{nats: {{url: "nats://127.0.0.1:{port}"}}}}
"""


def gst(decoder, sync="false"):
    return [
        "gst-launch-1.0", "-q", "filesrc", f"location={CLIP}", "!", "qtdemux", "!", "h264parse", "!",
        *decoder.split(), "!", "jpegenc", f"quality={QUALITY}", "!", "fakesink", f"sync={sync}",
    ]


PEERS = {
    "gst-launch avdec_h264 ! jpegenc": gst("avdec_h264"),
    "the same, avdec_h264 max-threads=1": gst("avdec_h264 max-threads=1"),
    # A camera has a pace; a program that rests between frames finds its caches cold.
    "gst-launch avdec_h264 ! jpegenc, at the clip's 30 fps": gst("avdec_h264", sync="true"),
}
# The clip's own pace, and one that leaves no time to rest, as gst-launch has none.
OURS = {
    "streamhub-ingest, one subscriber, 30 fps": FPS,
    "streamhub-ingest, one subscriber, 100 fps": 100,
}


class Subscriber(threading.Thread):
    """Counts the frames of one subject over a plain socket."""

    def __init__(self, port, subject):
        super().__init__(daemon=True)
        self.frames = 0
        self.bytes = 0
        self.changed = threading.Condition()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.stream = self.socket.makefile("rb", buffering=1 << 20)
        self.stream.readline()  # INFO
        hello = '{"verbose":false,"pedantic":false,"headers":true,"lang":"bench","version":"1","protocol":1}'
        self.socket.sendall(f"CONNECT {hello}\r\nSUB {subject} 1\r\nPING\r\n".encode())
        while self.stream.readline().strip() != b"PONG":
            pass

    def run(self):
        while line := self.stream.readline():
            words = line.split()
            if words[:1] == [b"PING"]:
                self.socket.sendall(b"PONG\r\n")
            elif words[:1] in ([b"MSG"], [b"HMSG"]):
                size = int(words[-1])
                self.stream.read(size + 2)
                with self.changed:
                    self.frames += 1
                    self.bytes += size
                    self.changed.notify()

    def wait_for(self, frames, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: self.frames >= frames, seconds)


def cpu_seconds(process):
    """Waits for the end of a child; returns its user + system time, its largest memory and its exit status."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss, process.returncode


def run_gst(command):
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    cpu, rss, status = cpu_seconds(process)
    if status != 0:
        sys.exit(f"{' '.join(command)} ended with {status}")
    return {"frames": CLIP_FRAMES, "cpu_s": cpu, "max_rss_kib": rss, "wall_s": time.monotonic() - begin}


def run_ingest(program, port, fps, frames, folder):
    camera, hub = folder / "camera.yaml", folder / "hub.yaml"
    camera.write_text(CAMERA.format(clip=CLIP, fps=fps, quality=QUALITY))
    hub.write_text(HUB.format(port=port))
    subscriber = Subscriber(port, "streamhub.default.default.frames.bench.main")
    subscriber.start()
    begin = time.monotonic()
    with open(folder / "ingest.log", "ab") as log:
        process = subprocess.Popen(
            [program, "--camera", camera, "--hub", hub, "--http", "127.0.0.1:0"], stdout=log, stderr=log
        )
        complete = subscriber.wait_for(frames, seconds=3 * frames / FPS)
        os.kill(process.pid, signal.SIGTERM)
        cpu, rss, status = cpu_seconds(process)
    wall = time.monotonic() - begin
    if not complete or status != 0:
        sys.stderr.write((folder / "ingest.log").read_text(errors="replace")[-4000:])
        sys.exit(f"{program}: {subscriber.frames} of {frames} frames, exit status {status}")
    subscriber.socket.close()
    mean = subscriber.bytes / subscriber.frames
    return {"frames": subscriber.frames, "cpu_s": cpu, "max_rss_kib": rss, "wall_s": wall, "mean_bytes": mean}


def nats_server(folder):
    """Starts a server on a port that it chooses; returns the process and the port."""
    config = folder / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\nmax_payload: 8MB\n'
        'max_pending: 8MB\nwrite_deadline: "2s"\n'
    )
    with open(folder / "nats.log", "wb") as log:
        process = subprocess.Popen([CACHE / "bin/nats-server", "-c", config], stdout=log, stderr=log)
    ports = folder / f"nats-server_{process.pid}.ports"
    for _ in range(200):
        if ports.exists() and (text := ports.read_text()):
            return process, int(json.loads(text)["nats"][0].rsplit(":", 1)[1])
        time.sleep(0.05)
    sys.exit("nats-server did not start")


def output_of(*command):
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return result.stdout.strip() or result.stderr.strip()


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "system": system[1] if system else platform.platform(),
        "kernel": platform.release(),
        "gstreamer": output_of("gst-launch-1.0", "--gst-version").split()[-1],
        "nats_server": output_of(str(CACHE / "bin/nats-server"), "--version").split()[-1],
        "commit": output_of("git", "describe", "--always", "--dirty"),
        "clip": f"{CLIP.name}: H.264 1920x1080, {CLIP_FRAMES} frames",
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--frames", type=int, default=1000, help="frames that a run of ingest lasts")
    arguments.add_argument("--ingest", help="the program; else it is built")
    arguments = arguments.parse_args()

    program = arguments.ingest
    if program is None:
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", CACHE / "target"))
        build = ["cargo", "build", "--release", "-p", "streamhub-ingest", "--target-dir", str(target)]
        subprocess.run(build, cwd=ROOT, check=True)
        program = str(ROOT / target / "release/streamhub-ingest")

    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    about = machine()
    path = results / f"cpu-per-frame-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.jsonl"
    runs = []
    with tempfile.TemporaryDirectory(prefix="streamhub-bench-") as folder, open(path, "w") as raw:
        folder = pathlib.Path(folder)
        server, port = nats_server(folder)
        try:
            raw.write(json.dumps({"about": about}) + "\n")
            order = [*OURS, *PEERS]
            for run in range(arguments.runs):
                for name in order if run % 2 == 0 else reversed(order):
                    if name in OURS:
                        line = run_ingest(program, port, OURS[name], arguments.frames, folder)
                    else:
                        line = run_gst(PEERS[name])
                    line = {"run": run, "program": name, **line, "load": round(os.getloadavg()[0], 2)}
                    line["cpu_ms_per_frame"] = round(1000 * line["cpu_s"] / line["frames"], 3)
                    runs.append(line)
                    raw.write(json.dumps(line) + "\n")
                    raw.flush()
                    print(f"{line['program']}: {line['cpu_ms_per_frame']} ms", file=sys.stderr)
        finally:
            server.terminate()
            server.wait()

    medians = {
        name: statistics.median(line["cpu_ms_per_frame"] for line in runs if line["program"] == name)
        for name in [*OURS, *PEERS]
    }
    first_peer = medians[next(iter(PEERS))]
    print("\n| " + " | ".join(["program", "CPU ms per frame, each run", "median", "of gst-launch"]) + " |")
    print("|---|---|---|---|")
    for name, median in medians.items():
        each = ", ".join(f"{line['cpu_ms_per_frame']:.2f}" for line in runs if line["program"] == name)
        print(f"| {name} | {each} | {median:.2f} | {median / first_peer:.2f} |")
    print("\n" + "; ".join(f"{key} {value}" for key, value in about.items()))
    print(f"raw lines: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
