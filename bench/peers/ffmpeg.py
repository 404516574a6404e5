"""ffmpeg: range and matrix converted, MJPEG into a pipe."""

from bench.peers import Program

# Its scale of quality is its own: 2 gives files of about the size of libjpeg's quality 85 on the clips here.
QSCALE = 2
# What a camera needs for the least delay. Its SDP tells all that a long look at the stream would.
LIVE = ["-rtsp_transport", "tcp", "-fflags", "nobuffer", "-flags", "low_delay", "-analyzeduration", "0"]
# ffmpeg's own way of saying that it was asked to end.
INTERRUPTED = (255,)
# `colorspace` takes two thirds of the time that `scale` and `zscale` take for the same.
_BT709 = "ispace=bt709:iprimaries=bt709:itrc=bt709:irange=tv"
COLOURS = f"colorspace={_BT709}:space=smpte170m:primaries=bt709:trc=bt709:range=pc:format=yuv420p"


def _to_jpeg(source, _address, _folder):
    live = LIVE if source.live else []
    return [
        "ffmpeg", "-nostdin", "-v", "error", "-filter_threads", "1", *live, "-threads", "1", "-i", source.url,
        "-vf", COLOURS, "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-threads", "1", "-q:v", str(QSCALE), "-huffman", "default",
        "-fps_mode", "passthrough", "-flush_packets", "1", "-f", "mpjpeg", "pipe:1",
    ]  # fmt: skip


def _pass_on(source, _address, _folder):
    return [
        "ffmpeg", "-nostdin", "-v", "error", "-i", source.url, "-c", "copy",
        "-flush_packets", "1", "-f", "mpjpeg", "pipe:1",
    ]  # fmt: skip


PIPE = Program("ffmpeg, range and matrix converted, to a pipe", "pipe", _to_jpeg, interrupted=INTERRUPTED)
PASSTHROUGH = Program("ffmpeg -c copy to a pipe", "pipe", _pass_on)
