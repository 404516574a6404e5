#!/usr/bin/env python3
"""Finds people in a camera's frames and tells the camera, so that the boxes are in the metadata of the frames that follow.

Pulls the newest frame with `next`, runs OpenCV's HOG people detector on it, and publishes the feedback
`perception.spatial_object`. See docs/reference/nats.md for everything that is used here of Stream Hub.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from dataclasses import dataclass

import cv2
import nats
import nats.errors
import numpy as np

MODULE, EVENT = "perception", "spatial_object"
# The most that a payload may have.
MAX_PAYLOAD = 8 * 1024


@dataclass
class Person:
    id: int
    score: float
    box: list  # x, y, width, height in pixels of the frame


class Detector:
    """OpenCV's HOG detector, on pictures made smaller where they are wider than people need to be found."""

    MAX_WIDTH = 960

    def __init__(self, min_score):
        self.min_score = min_score
        self.hog = cv2.HOGDescriptor()
        self.hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    def find(self, jpeg):
        """Returns [(score, box)], the surest first."""
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise ValueError("the payload is not a picture")
        scale = max(1.0, picture.shape[1] / self.MAX_WIDTH)
        if scale > 1:
            picture = cv2.resize(picture, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
        boxes, scores = self.hog.detectMultiScale(picture, winStride=(8, 8), padding=(8, 8), scale=1.05)
        if len(boxes) == 0:
            return []
        scores = np.ravel(scores)
        # The detector sees one person several times; of boxes that overlap much the surest stays.
        kept = cv2.dnn.NMSBoxes([list(map(int, box)) for box in boxes], scores.tolist(), self.min_score, 0.45)
        found = [(float(scores[i]), [round(float(side) * scale, 1) for side in boxes[i]]) for i in np.ravel(kept)]
        return sorted(found, reverse=True)


class Tracker:
    """Gives a box the id of the box of the frame before that it overlaps most."""

    def __init__(self):
        self.last = []
        self.next_id = 1

    def follow(self, found):
        free = list(self.last)
        people = []
        for score, box in found:
            best = max(free, key=lambda person: overlap(person.box, box), default=None)
            if best and overlap(best.box, box) > 0.3:
                free.remove(best)
                number = best.id
            else:
                number, self.next_id = self.next_id, self.next_id + 1
            people.append(Person(number, round(score, 3), box))
        self.last = people
        return people


def overlap(a, b):
    """Intersection over union."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def payload(meta, people):
    """The feedback as bytes; when there are too many people, the least sure ones are left out."""
    people = list(people)
    while True:
        body = {name: meta[name] for name in ("frame_id", "timestamp", "rendition", "width", "height")}
        body["objects"] = [
            {"id": person.id, "label": "person", "score": person.score, "box": person.box} for person in people
        ]
        data = json.dumps(body, separators=(",", ":")).encode()
        if len(data) <= MAX_PAYLOAD:
            return data
        people.pop()


async def next_frame(nc, subject, after):
    """The first frame newer than `after`; None while the camera has none."""
    request = {"wait": "10s"} if after is None else {"after": after, "wait": "10s"}
    try:
        reply = await nc.request(subject, json.dumps(request).encode(), timeout=15)
    except nats.errors.NoRespondersError:
        print("no such camera, or it does not run; trying again", file=sys.stderr)
        await asyncio.sleep(1)
        return None
    except nats.errors.TimeoutError:
        return None
    refusal = (reply.headers or {}).get("Streamhub-Error")
    if refusal:
        print(f"the camera answers {refusal}; trying again", file=sys.stderr)
        await asyncio.sleep(0 if refusal == "timeout" else 1)
        return None
    return json.loads(reply.headers["Streamhub-Metadata"]), reply.data


async def detect(nc, args):
    frames = f"{args.prefix}.next.{args.camera}.{args.rendition}"
    feedback = f"{args.prefix}.feedback.{MODULE}.{EVENT}.{args.camera}"
    detector, tracker = Detector(args.min_score), Tracker()
    after, done = None, 0
    while args.frames is None or done < args.frames:
        frame = await next_frame(nc, frames, after)
        if frame is None:
            continue
        meta, jpeg = frame
        after = meta["frame_id"]
        started = time.monotonic()
        # In a thread: the connection has to be kept alive meanwhile.
        people = tracker.follow(await asyncio.to_thread(detector.find, jpeg))
        took = time.monotonic() - started
        await nc.publish(feedback, payload(meta, people))
        done += 1
        age = time.time() - meta["timestamp"]
        times = f"{took * 1000:.0f} ms, {age * 1000:.0f} ms after the picture"
        print(f"frame {after}: {len(people)} people in {times}", flush=True)
    # What was sent last shall arrive.
    await nc.flush()


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="nats://127.0.0.1:4222")
    parser.add_argument("--prefix", default="streamhub.default.default", help="the hub's subject prefix")
    parser.add_argument("--camera", required=True)
    parser.add_argument("--rendition", default="main")
    parser.add_argument("--min-score", type=float, default=0.3, help="how sure the detector must be")
    parser.add_argument("--creds", help="a NATS credentials file")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--frames", type=int, help="end after this many frames")
    amount.add_argument("--once", dest="frames", action="store_const", const=1, help="end after one frame")
    args = parser.parse_args()

    options = {"user_credentials": args.creds} if args.creds else {}
    nc = await nats.connect(args.url, name="detect-people", max_reconnect_attempts=-1, **options)
    work = asyncio.ensure_future(detect(nc, args))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        pass
    finally:
        await nc.close()


if __name__ == "__main__":
    asyncio.run(main())
