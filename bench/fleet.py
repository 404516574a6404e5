"""Many cameras at once: their processes, and what each says of itself."""

import contextlib
import json
import threading
import time
import urllib.request

from bench.nats import Subscription
from bench.peers import Source
from bench.peers.ours import command
from bench.runner import Child, eventually, free_port, memory_of

PREFIX = "streamhub.default.default"


class Statuses(threading.Thread):
    """The newest status of each camera, as published on NATS."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.subscription = Subscription(port, f"{PREFIX}.status.*")
        self.newest = {}
        self.start()

    def run(self):
        with contextlib.suppress(OSError, ValueError):
            for name, _, payload in self.subscription:
                self.newest[name.rpartition(".")[2]] = (time.monotonic(), json.loads(payload))

    def healthy(self, name, fps):
        """Whether a camera has said in the last 8 s that it gets its frames; a status comes every 5 s."""
        heard, status = self.newest.get(name, (0.0, {}))
        measured = status.get("source", {}).get("fps") or 0.0
        return time.monotonic() - heard < 8 and bool(status.get("ready")) and abs(measured - fps) < 0.1 * fps

    def close(self):
        """Ends the thread."""
        self.subscription.close()
        self.join(5)


@contextlib.contextmanager
def cameras(bench, count, url, clip, pause=0.1):
    """`count` ingest processes, [(name, child)]; started one after the other, ended all at once."""
    _, port = bench.nats
    children = []
    try:
        for number in range(1, count + 1):
            name = f"cam-{number}"
            source = Source(f"{url}/{name}", clip.fps, live=True, name=name)
            words = command(bench.ingest, source, port, bench.folder, name=name, number=number)
            children.append((name, Child(words, bench.folder / f"ingest-{name}.log")))
            time.sleep(pause)
        yield children
    finally:
        # All are asked before the first is waited for.
        for _, child in children:
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
        for _, child in children:
            child.end(patience=10)


@contextlib.contextmanager
def one(bench, url, clip, name="bench", number=1):
    """One ingest process with an HTTP port that is known: (child, function that reads a metric)."""
    http = free_port()
    source = Source(f"{url}/cam-{number}", clip.fps, live=True)
    words = command(bench.ingest, source, bench.nats[1], bench.folder, name, number, f"127.0.0.1:{http}")
    child = Child(words, bench.folder / f"ingest-{name}.log")
    try:
        yield child, lambda metric: read_metric(http, metric)
    finally:
        child.end()


def read_metric(http, metric):
    """The value of the first series of a metric; None where there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=5) as page:
            for line in page.read().decode().splitlines():
                if line.split("{")[0] == metric:
                    return float(line.rsplit(" ", 1)[1])
    except OSError:
        return None
    return None


def until_active(metric, wanted, seconds=60):
    """Waits until the rendition idles (0) or does not (1)."""
    state = "is watched" if wanted else "idles"
    eventually(f"the camera {state}", seconds, lambda: metric("streamhub_rendition_active") == wanted)


def memory(children):
    """Of a fleet, in KiB: means and the greatest."""
    found = [each for each in (memory_of(child.pid) for _, child in children) if each.get("pss")]
    if not found:
        return {}
    return {
        "rss_mean_kib": sum(each["rss"] for each in found) // len(found),
        "rss_max_kib": max(each["rss"] for each in found),
        "hwm_max_kib": max(each["hwm"] for each in found),
        "pss_mean_kib": sum(each["pss"] for each in found) // len(found),
        "pss_max_kib": max(each["pss"] for each in found),
    }


