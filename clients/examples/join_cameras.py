#!/usr/bin/env python3
"""Joins the frames of several cameras: which of them show the same instant.

All cameras of all hubs count their frames on one grid of instants, the metadata's `tick`, so no server is needed to
bring them together. See docs/reference/nats.md, "Joining cameras".
"""

import argparse
import asyncio
import json
import time

import nats


async def main(args):
    nc = await nats.connect(args.url, name="join-cameras", max_reconnect_attempts=-1)
    sets = 0
    async for frames in joined(nc, args.prefix, args.cameras, args.max_wait):
        apart = max(meta["timestamp"] for meta, _ in frames) - min(meta["timestamp"] for meta, _ in frames)
        names = ", ".join(f"{meta['stream_id']} {meta['frame_id']} ({len(jpeg)} bytes)" for meta, jpeg in frames)
        print(f"tick {frames[0][0]['tick']}: {names}, {apart * 1000:.1f} ms apart", flush=True)
        sets += 1
        if sets == args.sets:
            return await nc.close()


async def joined(nc, prefix, cameras, max_wait=0.5):
    """Yields [(metadata, jpeg), ...] in the order of `cameras` ("camera.rendition"); instants that a camera lacks are left out.

    The slowest camera paces: each of its frames gets, of every other camera, the one that was taken nearest to it among
    those whose tick lies within one interval. It waits for them at most `max_wait` seconds.
    """
    waiting = {camera: {} for camera in cameras}  # tick: (when it came, metadata, jpeg)
    news = asyncio.Event()

    def reader(frames):
        async def keep(msg):
            meta = json.loads(msg.headers["Streamhub-Metadata"])
            frames[meta["tick"]] = (time.monotonic(), meta, msg.data)
            if len(frames) > 32:
                del frames[next(iter(frames))]
            news.set()

        return keep

    for camera, frames in waiting.items():
        await nc.subscribe(f"{prefix}.frames.{camera}", cb=reader(frames))
        # Hello: a camera that idles begins at once.
        await nc.publish(f"{prefix}.next.{camera}", b"")
    while True:
        await news.wait()
        news.clear()
        if not all(waiting.values()):
            continue
        interval, slowest = max((1e6 / list(frames.values())[-1][1]["fps"], camera) for camera, frames in waiting.items())
        for tick, (came, meta, _) in sorted(waiting[slowest].items(), key=lambda frame: frame[0]):
            found = [nearest(frames, meta, interval) for frames in waiting.values()]
            known = all(close for _, close in found) or all(max(frames, default=tick) > tick for frames in waiting.values())
            if not known and time.monotonic() - came < max_wait:
                break
            for frames in waiting.values():
                for old in [old for old in frames if old <= tick - interval]:
                    del frames[old]
            waiting[slowest].pop(tick, None)
            if all(frame for frame, _ in found):
                yield [frame for frame, _ in found]


def nearest(frames, meta, interval):
    """The frame taken nearest to another one, and whether none can be nearer."""
    near = [frame for tick, frame in frames.items() if abs(tick - meta["tick"]) <= interval + 1]
    if not near:
        return None, False
    _, found, jpeg = min(near, key=lambda frame: abs(frame[1]["timestamp"] - meta["timestamp"]))
    apart = abs(found["timestamp"] - meta["timestamp"])
    return (found, jpeg), apart <= 0.5 / found["fps"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cameras", nargs="+", metavar="CAMERA.RENDITION")
    parser.add_argument("--url", default="nats://127.0.0.1:4222")
    parser.add_argument("--prefix", default="streamhub.default.default", help="the hub's subject prefix")
    parser.add_argument("--max-wait", type=float, default=0.5, help="seconds that a frame waits for the others")
    parser.add_argument("--sets", type=int, help="end after this many sets")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        pass
