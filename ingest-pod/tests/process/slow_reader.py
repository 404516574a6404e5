"""Reads a camera's frames by `next` or by push and prints for each its age in seconds and its size.

Needs nats-py and none of Stream Hub's code: slow_reader.py URL SUBJECT_TAIL pull|push SECONDS
"""

import asyncio
import json
import sys
import time

import nats
import nats.errors

PREFIX = "streamhub.default.default"


def tell(msg):
    meta = json.loads(msg.headers["Streamhub-Metadata"])
    print(round(time.time() - meta["published"], 3), len(msg.data), flush=True)
    return meta["frame_id"]


async def main():
    url, tail, way, seconds = sys.argv[1:5]
    connection = await nats.connect(url, max_reconnect_attempts=3)
    end = time.monotonic() + float(seconds)
    if way == "pull":
        ask = {"wait": "5s"}
        while time.monotonic() < end:
            try:
                reply = await connection.request(f"{PREFIX}.next.{tail}", json.dumps(ask).encode(), timeout=20)
            except nats.errors.NoRespondersError:  # it has connected, and does not answer yet
                await asyncio.sleep(0.1)
                continue
            ask = {"after": tell(reply), "wait": "5s"}
    else:
        frames = await connection.subscribe(f"{PREFIX}.frames.{tail}")
        while time.monotonic() < end:
            tell(await frames.next_msg(timeout=20))
    await connection.close()


asyncio.run(main())
