"""RTSP cameras whose clocks can be trusted: each notes when it has sent the last packet of a frame.

One process serves any number of cameras, H.264 over TCP, one per connection, with phases spread over the frame
interval as those of real cameras are. A camera whose reader does not keep up leaves frames out, as real ones
do, and counts them. At SIGTERM it writes what it sent to --log, as JSON.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import struct
import sys
import time

from bench.clips import access_units

MTU = 1400
PAYLOAD_TYPE = 96
CLOCK = 90_000
SSRC = 0x53480001
BACKLOG = 1 << 20  # bytes that wait for a reader before frames are left out
REPORTS = 5.0  # seconds between sender reports
NTP = 2_208_988_800  # 1970 in the NTP era


def packets(unit):
    """RTP payloads of an access unit (RFC 6184: single NAL units and FU-A)."""
    for nal in unit:
        if len(nal) <= MTU:
            yield nal
            continue
        indicator, kind = nal[0] & 0x60 | 28, nal[0] & 0x1F
        pieces = [nal[at : at + MTU - 2] for at in range(1, len(nal), MTU - 2)]
        for index, piece in enumerate(pieces):
            flags = 0x80 * (index == 0) | 0x40 * (index == len(pieces) - 1)
            yield bytes([indicator, flags | kind]) + piece


class Template:
    """An access unit as it goes over the wire, but for sequence numbers and times."""

    def __init__(self, unit):
        self.key = any(nal[0] & 0x1F == 5 for nal in unit)
        self.bytes = bytearray()
        self.offsets = []
        payloads = list(packets(unit))
        for index, payload in enumerate(payloads):
            self.bytes += struct.pack(">cBH", b"$", 0, 12 + len(payload))
            self.offsets.append(len(self.bytes))
            marker = 0x80 * (index == len(payloads) - 1)
            self.bytes += struct.pack(">BBHII", 0x80, marker | PAYLOAD_TYPE, 0, 0, SSRC) + payload

    def at(self, sequence, timestamp):
        copy = bytearray(self.bytes)
        for index, offset in enumerate(self.offsets):
            struct.pack_into(">HI", copy, offset + 2, (sequence + index) & 0xFFFF, timestamp)
        return copy


class Film:
    def __init__(self, clip, fps):
        units = access_units(clip)
        self.fps = fps
        self.units = [Template(unit) for unit in units]
        nals = {nal[0] & 0x1F: nal for unit in reversed(units) for nal in unit}
        sets = ",".join(base64.b64encode(nals[kind]).decode() for kind in (7, 8))
        self.sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=bench\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={nals[7][1:4].hex()};"
            f"sprop-parameter-sets={sets}\r\na=framerate:{fps}\r\na=control:video\r\n"
        )


class Camera:
    """One connection."""

    def __init__(self, film, reader, writer, sent):
        self.film, self.reader, self.writer, self.sent = film, reader, writer, sent
        self.path, self.playing = "", None
        self.sequence, self.skipped, self.backlog, self.packets, self.octets = 1, 0, 0, 0, 0

    async def serve(self):
        try:
            while True:
                first = await self.reader.readexactly(1)
                if first == b"$":  # a receiver report
                    _, size = struct.unpack(">BH", await self.reader.readexactly(3))
                    await self.reader.readexactly(size)
                    continue
                head = (first + await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                if not self.answer(head):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            if self.playing:
                self.playing.cancel()
            self.writer.close()

    def answer(self, head):
        request, *lines = head.strip().split("\r\n")
        method, url, _ = request.split(" ", 2)
        fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        status, extra, body = "200 OK", [], ""
        if method == "OPTIONS":
            extra = ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"]
        elif method == "DESCRIBE":
            body = self.film.sdp
            extra = ["Content-Type: application/sdp", f"Content-Base: {url.rstrip('/')}/"]
        elif method == "SETUP" and "TCP" not in fields.get("transport", ""):
            status = "461 Unsupported Transport"
        elif method == "SETUP":
            extra = [f"Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc={SSRC:08X}", "Session: 1;timeout=60"]
        elif method == "PLAY":
            self.path = "/" + url.split("/", 3)[-1].strip("/")
            extra = ["Session: 1", "Range: npt=now-", f"RTP-Info: url={url.rstrip('/')}/video;seq=1"]
        lines = [f"RTSP/1.0 {status}", f"CSeq: {fields.get('cseq', '0')}", *extra]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        if method == "PLAY" and self.playing is None:
            self.playing = asyncio.ensure_future(self.play())
        return method != "TEARDOWN"

    async def play(self):
        film, sent = self.film, self.sent.setdefault(self.path, {"frames": [], "skipped": 0, "backlog": 0})
        # The golden ratio spreads any number of phases evenly.
        number = int(self.path.rpartition("-")[2]) if self.path[-1:].isdigit() else 0
        begin = time.monotonic() + (number * 0.618034 % 1) / film.fps
        index, dropping, report = 0, False, 0.0
        while True:
            due = begin + index / film.fps
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            unit = film.units[index % len(film.units)]
            timestamp = int(index * CLOCK / film.fps) & 0xFFFFFFFF
            waiting = self.writer.transport.get_write_buffer_size()
            sent["backlog"] = max(sent["backlog"], waiting)
            if waiting > BACKLOG:
                dropping = True
            elif dropping and unit.key and waiting == 0:
                dropping = False
            if dropping:
                sent["skipped"] += 1
            else:
                data = unit.at(self.sequence, timestamp)
                self.sequence += len(unit.offsets)
                self.packets += len(unit.offsets)
                self.octets += len(data)
                if due - report >= REPORTS:
                    report = due
                    # The frame is of the moment at which it was due, however late this process comes to send it.
                    late = time.monotonic() - due
                    self.writer.write(self.sender_report(timestamp, time.time() - late))
                # Before the packets go: a frame must not seem to arrive before it was sent, when this process has
                # to wait for a processor in between.
                sent["frames"].append((index % len(film.units), round(time.time(), 6)))
                self.writer.write(data)
            index += 1

    def sender_report(self, timestamp, taken):
        now = taken + NTP
        body = struct.pack(
            ">BBHIIIIII", 0x80, 200, 6, SSRC, int(now), int(now % 1 * (1 << 32)), timestamp,
            self.packets, self.octets & 0xFFFFFFFF,
        )  # fmt: skip
        return struct.pack(">cBH", b"$", 1, len(body)) + body


async def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clip", required=True)
    arguments.add_argument("--fps", type=float, required=True)
    arguments.add_argument("--log", required=True)
    arguments = arguments.parse_args()
    film, sent, done = Film(arguments.clip, arguments.fps), {}, asyncio.Event()

    async def connected(reader, writer):
        await Camera(film, reader, writer, sent).serve()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, done.set)

    def write_log():
        half = f"{arguments.log}.half"
        with open(half, "w") as log:
            json.dump(sent, log)
        os.replace(half, arguments.log)

    # A look at the log while the cameras go on.
    loop.add_signal_handler(signal.SIGUSR1, write_log)
    print(server.sockets[0].getsockname()[1], flush=True)
    await done.wait()
    write_log()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
