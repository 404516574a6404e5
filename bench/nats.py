"""A NATS server for one run, and a subscriber that speaks the protocol over a plain socket."""

import contextlib
import json
import socket

from bench.clips import CACHE
from bench.runner import eventually, running

PROGRAM = CACHE / "bin/nats-server"


@contextlib.contextmanager
def server(folder):
    """(child, port) of a server with the settings that CONTRACT §5 asks for; ended with the block."""
    config = folder / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:-1"\nports_file_dir: "{folder}"\nmax_payload: 8MB\n'
        'max_pending: 8MB\nwrite_deadline: "2s"\n'
    )
    with running([PROGRAM, "-c", config], folder / "nats.log") as child:
        ports = folder / f"nats-server_{child.pid}.ports"

        def port():
            if not child.alive():
                raise child.fail("ended")
            with contextlib.suppress(OSError, ValueError, KeyError):
                return int(json.loads(ports.read_text())["nats"][0].rsplit(":", 1)[1])
            return None

        yield child, eventually("nats-server's port", 15, port)


class Subscription:
    """Messages of one or more subjects, as (subject, headers, payload)."""

    def __init__(self, port, *subjects):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb", buffering=1 << 20)
        self.stream.readline()  # INFO
        hello = '{"verbose":false,"pedantic":false,"headers":true,"lang":"bench","version":"1","protocol":1}'
        wanted = "".join(f"SUB {subject} {number}\r\n" for number, subject in enumerate(subjects, 1))
        self.socket.sendall(f"CONNECT {hello}\r\n{wanted}PING\r\n".encode())
        while self.stream.readline().strip() != b"PONG":
            pass

    def __iter__(self):
        while line := self.stream.readline():
            words = line.split()
            if words[:1] == [b"PING"]:
                self.socket.sendall(b"PONG\r\n")
            elif words[:1] in ([b"MSG"], [b"HMSG"]):
                size = int(words[-1])
                message = self.stream.read(size + 2)
                header = int(words[-2]) if words[0] == b"HMSG" else 0
                yield words[1].decode(), message[:header], message[header:size]

    def close(self):
        """Lets the server know at once that nobody listens any more."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
