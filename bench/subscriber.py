"""A subscriber in a process of its own, so that its cost is nobody else's.

It ends after --frames frames, at SIGTERM, or --quiet seconds after the last one, and then prints one JSON
object. `nats` and `zmq` subscribe; `pipe` reads the multipart JPEG stream of a program on its standard input:
the cheapest transport there is.
"""

import argparse
import json
import os
import re
import signal
import sys
import time
import zlib

from bench import marks

TIMESTAMP = re.compile(rb'"timestamp": ?([0-9.]+)')
SAMPLE = 40  # the frame that is looked at for its colours


class Ended(Exception):
    """SIGTERM."""


def from_nats(arguments):
    from bench.nats import Subscription

    subscription = Subscription(int(arguments.address), *arguments.subject)
    print("ready", flush=True)
    yield from subscription


def from_zmq(arguments):
    import zmq

    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    print(f"tcp://127.0.0.1:{port}", flush=True)
    while True:
        header, jpeg = socket.recv_multipart(copy=False)
        yield header.bytes.split(b" ")[0].decode(), b"", jpeg.buffer


def from_pipe(_arguments):
    print("ready", flush=True)
    stream = sys.stdin.buffer
    while line := stream.readline():
        if line.lower().startswith(b"content-length:"):
            size = int(line.split(b":")[1])
            while stream.readline().strip():
                pass
            yield "pipe", b"", stream.read(size)


def drain():
    """Takes what still comes: a program must be able to end well after its last frame."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while os.read(sys.stdin.fileno(), 1 << 20):
        pass


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("transport", choices=["nats", "zmq", "pipe"])
    arguments.add_argument("--address", help="nats: the server's port")
    arguments.add_argument("--subject", action="append", default=[])
    arguments.add_argument("--frames", type=int, default=0)
    arguments.add_argument("--quiet", type=float, default=20.0)
    arguments.add_argument("--numbers", action="store_true", help="note which frame came when")
    arguments.add_argument("--times", action="store_true", help="nats: note each frame's own timestamp")
    arguments.add_argument("--checksums", action="store_true", help="note the Adler-32 of each payload")
    arguments = arguments.parse_args()

    def end(*_):
        raise Ended

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, end)
    source = {"nats": from_nats, "zmq": from_zmq, "pipe": from_pipe}[arguments.transport](arguments)
    frames = octets = 0
    first = last = None
    got, sums, sample, unread, cut = [], set(), None, 0, False
    try:
        signal.setitimer(signal.ITIMER_REAL, 3 * arguments.quiet)
        for name, header, jpeg in source:
            last = time.time()
            signal.setitimer(signal.ITIMER_REAL, arguments.quiet)
            frames += 1
            octets += len(jpeg)
            first = first or last
            if arguments.numbers:
                number = marks.number_of(jpeg)
                unread += number is None
                got.append((name, number, round(last, 6)))
            if arguments.times and (stamp := TIMESTAMP.search(header)):
                got.append((name, None, round(last, 6), float(stamp[1])))
            if arguments.checksums:
                sums.add(zlib.adler32(jpeg, 0))
            if frames == SAMPLE or (sample is None and frames == arguments.frames):
                sample = bytes(jpeg)
            if frames == arguments.frames:
                break
        else:
            # The server ends the connection of who does not keep up.
            cut = arguments.transport == "nats"
    except Ended:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    result = {
        "frames": frames, "bytes": octets, "first": first, "last": last, "got": got, "unread": unread, "cut": cut,
        "checksums": sorted(sums), "colours": marks.colours_of(sample) if sample else {},
    }  # fmt: skip
    print(json.dumps(result), flush=True)
    if arguments.transport == "pipe":
        drain()


if __name__ == "__main__":
    main()
