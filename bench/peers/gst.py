"""gst-launch: what GStreamer does by itself. `jpegenc` writes limited-range samples as they are."""

from bench.peers import QUALITY, Program


def _source(source):
    if source.live:
        return ["rtspsrc", f"location={source.url}", "protocols=tcp", "latency=0", "!", "rtph264depay"]
    return ["filesrc", f"location={source.url}", "!", "qtdemux"]


def _to_jpeg(decoder, sink):
    def command(source, _address, _folder):
        return [
            "gst-launch-1.0", "-q", *_source(source), "!", "h264parse", "!", *decoder.split(), "!",
            "jpegenc", f"quality={QUALITY}", "!", *sink.split(),
        ]  # fmt: skip

    return command


TO_PIPE = "multipartmux boundary=frame ! fdsink fd=1 sync=false"

# The bar: its default, and the same with the one thread that costs least.
DEFAULT = Program("gst-launch avdec_h264 ! jpegenc", "none", _to_jpeg("avdec_h264", "fakesink sync=false"))
ONE_THREAD = Program(
    "gst-launch, max-threads=1", "none", _to_jpeg("avdec_h264 max-threads=1", "fakesink sync=false")
)
PIPE = Program("gst-launch to a pipe", "pipe", _to_jpeg("avdec_h264 max-threads=1", TO_PIPE))


def _pass_on(source, _address, _folder):
    return [
        "gst-launch-1.0", "-q", "filesrc", f"location={source.url}", "!", "avidemux", "!", "jpegparse", "!",
        *TO_PIPE.split(),
    ]  # fmt: skip


PASSTHROUGH = Program("gst-launch jpegparse to a pipe", "pipe", _pass_on)
