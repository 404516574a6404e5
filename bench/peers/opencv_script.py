"""A camera or clip through OpenCV to ZeroMQ."""

import argparse
import os
import signal
import sys

import cv2

from bench.peers.publish import Out, now

# OpenCV hands these to FFmpeg: what a camera needs for the least delay. Its SDP tells all that a long look
# at the stream would.
LIVE = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay|analyzeduration;0"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--source", required=True)
    arguments.add_argument("--connect", required=True)
    arguments.add_argument("--name", default="camera")
    arguments.add_argument("--quality", type=int, default=85)
    arguments.add_argument("--live", action="store_true", help="a camera: no end of file")
    arguments.add_argument("--packets", action="store_true", help="pass a JPEG camera's packets on")
    arguments = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if arguments.live:
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = LIVE
    cv2.setNumThreads(1)
    # One thread costs the least CPU, and no frame of delay.
    options = [cv2.CAP_PROP_N_THREADS, 1]
    if arguments.packets:
        # Encoded packets in place of pictures: what OpenCV calls the raw format.
        options += [cv2.CAP_PROP_FORMAT, -1]
    capture = cv2.VideoCapture(arguments.source, cv2.CAP_FFMPEG, options)
    if not capture.isOpened():
        sys.exit(f"cannot open {arguments.source}")
    out = Out(arguments.connect, arguments.name)
    parameters = [cv2.IMWRITE_JPEG_QUALITY, arguments.quality]
    picture = None
    while True:
        # The same picture again and again: no allocation.
        got, picture = capture.read(picture)
        if not got:
            break
        read_at = now()
        # imencode makes an array of its own for each frame, so it can be sent without a copy; a packet
        # lies in the capture's buffer.
        jpeg = picture.tobytes() if arguments.packets else cv2.imencode(".jpg", picture, parameters)[1]
        out.send(jpeg, read_at)
    out.close()


if __name__ == "__main__":
    main()
