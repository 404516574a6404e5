"""A camera or clip through PyAV and TurboJPEG to ZeroMQ."""

import argparse
import signal
import sys

import av
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from bench.peers.publish import Out, now

# What a camera needs for the least delay. Its SDP tells all that a long look at the stream would.
LIVE = {"rtsp_transport": "tcp", "fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "0"}


def encoder(colours, quality):
    """A function from a decoded frame to a JPEG."""
    import turbojpeg

    jpeg, reformatter = turbojpeg.TurboJPEG(), VideoReformatter()
    sampling = turbojpeg.TJSAMP_420

    def planes(frame):
        # I420 in one array, as the library wants it; its colours are those of the planes.
        return jpeg.encode_from_yuv(
            frame.to_ndarray(), frame.height, frame.width, quality=quality, jpeg_subsample=sampling
        )

    def converted(frame):
        return planes(
            reformatter.reformat(
                frame, format="yuvj420p",
                src_colorspace=Colorspace.ITU709, dst_colorspace=Colorspace.ITU601,
                src_color_range=ColorRange.MPEG, dst_color_range=ColorRange.JPEG,
            )
        )  # fmt: skip

    def bgr(frame):
        picture = reformatter.reformat(
            frame, format="bgr24", src_colorspace=Colorspace.ITU709, src_color_range=ColorRange.MPEG
        )
        return jpeg.encode(picture.to_ndarray(), quality=quality, jpeg_subsample=sampling)

    return {"keep": planes, "convert": converted, "bgr": bgr}[colours]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--source", required=True)
    arguments.add_argument("--connect", required=True)
    arguments.add_argument("--name", default="camera")
    arguments.add_argument("--quality", type=int, default=85)
    arguments.add_argument("--live", action="store_true", help="a camera: no end of file")
    arguments.add_argument("--colours", choices=["keep", "convert", "bgr"], default="bgr")
    arguments.add_argument("--packets", action="store_true", help="pass a JPEG camera's packets on")
    arguments = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    container = av.open(arguments.source, options=LIVE if arguments.live else {})
    stream = container.streams.video[0]
    # One thread: the least CPU, and no frame of delay.
    stream.thread_type, stream.codec_context.thread_count = "NONE", 1
    out = Out(arguments.connect, arguments.name)
    if arguments.packets:
        for packet in container.demux(stream):
            if packet.size:
                out.send(bytes(packet), now())
    else:
        encode = encoder(arguments.colours, arguments.quality)
        for frame in container.decode(stream):
            read_at = now()
            out.send(encode(frame), read_at)
    out.close()


if __name__ == "__main__":
    main()
