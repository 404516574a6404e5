"""Where and with what the figures were made."""

import os
import pathlib
import platform
import re
import subprocess
import sys
from importlib import metadata

from bench.nats import PROGRAM

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output_of(*command):
    """What a command prints; empty where there is none."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    except FileNotFoundError:
        return ""
    return result.stdout.strip() or result.stderr.strip()


def version(package):
    """An installed Python package's version; `missing` where it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _pick(pattern, text):
    found = re.search(pattern, text)
    return found[1] if found else "unknown"


def about():
    """A dictionary for the head of the raw lines and for the report."""
    memory = int(_pick(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()))
    return {
        "cpu": _pick(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text()),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "system": _pick(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text()),
        "kernel": platform.release(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "gstreamer": output_of("gst-launch-1.0", "--gst-version").split()[-1:],
        "ffmpeg": _pick(r"version (\S+)", output_of("ffmpeg", "-version")),
        "nats_server": output_of(str(PROGRAM), "--version").split()[-1:],
        "python": sys.version.split()[0],
        "opencv": version("opencv-python-headless"),
        "pyav": version("av"),
        "pyturbojpeg": version("PyTurboJPEG"),
        "libturbojpeg": output_of("dpkg-query", "-W", "-f=${Version}", "libturbojpeg0"),
        "pyzmq": version("pyzmq"),
        "commit": output_of("git", "describe", "--always", "--dirty"),
        "rustc": output_of("rustc", "--version").split()[1:2],
    }
