"""Child processes that never outlive the run, and what the kernel says of them."""

import contextlib
import ctypes
import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class BenchError(Exception):
    """Ends the run; the text tells a person what to do."""


def _die_with_parent():
    # A harness that is killed leaves nothing behind.
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclasses.dataclass
class Usage:
    """What a process has used from its start to its end, its own children included."""

    cpu_s: float
    peak_rss_kib: int
    steady_rss_kib: int
    steady_pss_kib: int
    wall_s: float
    status: int


class Child:
    """One running program. Its output goes to `log`, unless a pipe is asked for."""

    def __init__(self, argv, log, *, env=None, stdin=subprocess.DEVNULL, stdout=None, cwd=None):
        self.name = pathlib.Path(str(argv[0])).name
        self.log = pathlib.Path(log)
        self.began = time.monotonic()
        self.usage = None
        self.samples = []
        with open(self.log, "ab") as out:
            try:
                self.process = subprocess.Popen(
                    [str(word) for word in argv],
                    stdin=stdin,
                    stdout=out if stdout is None else stdout,
                    stderr=out,
                    env={**os.environ, **(env or {})},
                    cwd=cwd,
                    # Ctrl-C goes to the harness, which ends its children in order.
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            except FileNotFoundError as error:
                raise BenchError(f"{argv[0]} is missing: run scripts/setup bench") from error
        self.pid = self.process.pid
        self._reaped = threading.Lock()

    def alive(self):
        """Whether it runs; takes notice of its end."""
        return self._reap(os.WNOHANG) is None

    def sample(self):
        """Notes resident and, now and then, proportional memory, in KiB."""
        # The kernel walks all pages of the process for the latter.
        memory = memory_of(self.pid, proportional=len(self.samples) % 8 == 0)
        if memory:
            self.samples.append(memory)

    def end(self, sign=signal.SIGTERM, patience=10):
        """Asks it to end, insists after `patience` seconds, returns its usage."""
        if self.alive():
            self.sample()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sign)
        return self.wait(patience, insist=True)

    def wait(self, seconds, insist=False):
        """Waits for its end, sampling memory meanwhile; None when it still runs after so long."""
        until = time.monotonic() + seconds
        pause = 0.002
        while time.monotonic() < until:
            if usage := self._reap(os.WNOHANG):
                return usage
            self.sample()
            time.sleep(pause)
            pause = min(2 * pause, 0.25)
        if not insist:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return self._reap(0)

    def _reap(self, flags):
        with self._reaped:
            if self.usage is None:
                pid, status, usage = os.wait4(self.pid, flags)
                if pid == 0:
                    return None
                self.process.returncode = os.waitstatus_to_exitcode(status)
                half = self.samples[len(self.samples) // 2 :]
                self.usage = Usage(
                    cpu_s=usage.ru_utime + usage.ru_stime,
                    # Not ru_maxrss: that begins with the size of the Python that forked.
                    peak_rss_kib=max((sample["hwm"] for sample in self.samples), default=0),
                    steady_rss_kib=median([sample["rss"] for sample in half]),
                    steady_pss_kib=median([sample["pss"] for sample in half if "pss" in sample]),
                    wall_s=time.monotonic() - self.began,
                    status=self.process.returncode,
                )
            return self.usage

    def tail(self, size=3000):
        """The end of its log."""
        return self.log.read_text(errors="replace")[-size:]

    def fail(self, why):
        """An error that shows what the program said."""
        return BenchError(f"{self.name}: {why}\n{self.tail()}")


@contextlib.contextmanager
def running(argv, log, *, sign=signal.SIGTERM, **options):
    """A child that is ended with the block, whatever happens in it."""
    child = Child(argv, log, **options)
    try:
        yield child
    finally:
        child.end(sign, patience=5)


def memory_of(pid, proportional=True):
    """KiB: resident now (`rss`), at most (`hwm`), and shared out among its users (`pss`); {} once it is gone."""
    found = {}
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("VmHWM:", "VmRSS:")):
                found["hwm" if line.startswith("VmHWM") else "rss"] = int(line.split()[1])
        if proportional:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found["pss"] = int(line.split()[1])
    except (OSError, ValueError):
        return {}
    return found if "rss" in found else {}


def cpu_of(pid):
    """Seconds on a processor of all threads that live now: the kernel's nanoseconds, not its ticks of 10 ms."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def switches_of(pid):
    """How often the threads that live now gave up their processor: each is a wake-up that was paid for."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
    return total


def busy_s():
    """Seconds that all processors together were busy since the machine started."""
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = [int(word) for word in words[:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICK


def free_port():
    """A TCP port on 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def median(values):
    """The middle one; 0 of none."""
    values = sorted(values)
    return values[len(values) // 2] if values else 0


def percentile(values, percent):
    """The value that so many percent do not exceed (nearest rank)."""
    values = sorted(values)
    if not values:
        return None
    return values[min(len(values) - 1, max(0, -(-len(values) * percent // 100) - 1))]


def eventually(what, seconds, look):
    """Waits until `look` gives something that is true, and returns it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise BenchError(f"{what}: not within {seconds} s")


def say(text):
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)
