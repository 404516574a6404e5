"""The scripts that people write with OpenCV or PyAV, and ZeroMQ."""

import sys

from bench.peers import QUALITY, Program


def _script(module, *options):
    def command(source, address, _folder):
        live = ["--live"] if source.live else []
        return [
            sys.executable, "-m", f"bench.peers.{module}", "--source", source.url, "--connect", address,
            "--quality", str(QUALITY), "--name", source.name, *live, *options,
        ]  # fmt: skip

    return command


OPENCV = Program("OpenCV + ZeroMQ", "zmq", _script("opencv_script"))
# By way of BGR: right, and cheaper than having libswscale convert the planes (`--colours convert`).
PYAV = Program("PyAV + TurboJPEG + ZeroMQ", "zmq", _script("pyav_script", "--colours", "bgr"))
OPENCV_PASSTHROUGH = Program("OpenCV, packets as they are, + ZeroMQ", "zmq", _script("opencv_script", "--packets"))
PYAV_PASSTHROUGH = Program("PyAV, packets as they are, + ZeroMQ", "zmq", _script("pyav_script", "--packets"))
