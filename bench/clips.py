"""The clips that everybody reads, made once from the footage of scripts/setup."""

import os
import pathlib
import subprocess
import threading

from bench import marks
from bench.runner import BenchError, say

CACHE = pathlib.Path(os.environ.get("STREAMHUB_CACHE", pathlib.Path.home() / ".cache/streamhub"))
FOLDER = CACHE / "bench-clips"
FILM = CACHE / "footage/bigbuckbunny.mp4"
RECIPE = 1  # raise it when a clip changes: clips of an older recipe have another name

TAGS = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
# What most cameras send: no B-frames, a key frame every one or two seconds.
X264 = ["-an", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-threads", "2", "-bf", "0"]


class Clip:
    """One film, with the marks of `marks.py` in every frame."""

    def __init__(self, name, width, height, fps, frames, options):
        self.width, self.height, self.fps, self.frames = width, height, fps, frames
        self.options = options
        self.name = name
        stem, _, ending = name.rpartition(".")
        self.path = FOLDER / f"{stem}-{fps}-v{RECIPE}.{ending}"

    def short(self):
        """A clip of its kind for runs that only show that everything works."""
        kind = self.name.partition("-")[0]
        return Clip(f"{kind}-quick.{self.name.rpartition('.')[2]}", 640, 360, self.fps, 60, self.options)

    def ready(self):
        """The clip's path; makes it when it is not there."""
        if not self.path.exists():
            self._make()
        return self.path

    def _make(self):
        if not FILM.exists():
            raise BenchError(f"{FILM} is missing: run scripts/setup bench")
        say(f"making clip {self.name}, once")
        FOLDER.mkdir(parents=True, exist_ok=True)
        half = self.path.with_name(f".{os.getpid()}-{self.path.name}")
        filters = (
            f"[0:v]scale={self.width}:{self.height},fps={self.fps},format=yuv420p[film];"
            "[film][1:v]overlay=0:0:format=yuv420:shortest=1"
        )
        command = [
            "ffmpeg", "-nostdin", "-v", "error", "-y", "-stream_loop", "-1", "-i", str(FILM),
            "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{marks.WIDTH}x{marks.HEIGHT}",
            "-r", str(self.fps), "-i", "pipe:0", "-filter_complex", filters,
            "-frames:v", str(self.frames), *self.options, "-fflags", "+bitexact", str(half),
        ]  # fmt: skip
        try:
            maker = subprocess.Popen([word for word in command if word != "-nostdin"], stdin=subprocess.PIPE)
        except FileNotFoundError as error:
            raise BenchError("ffmpeg is missing: run scripts/setup bench") from error
        writer = threading.Thread(target=self._write_marks, args=(maker.stdin,))
        writer.start()
        try:
            status = maker.wait()
        finally:
            maker.kill()
            writer.join()
        if status != 0:
            half.unlink(missing_ok=True)
            raise BenchError(f"ffmpeg could not make {self.name}")
        half.rename(self.path)

    def _write_marks(self, pipe):
        try:
            with pipe:
                for number in range(self.frames):
                    pipe.write(marks.strip(number))
        except BrokenPipeError:
            pass


HD = Clip("h264-1080p30.mp4", 1920, 1080, 30, 1050, [*X264, *TAGS, "-g", "30", "-b:v", "4M"])
SMALL = Clip("h264-720p15.mp4", 1280, 720, 15, 600, [*X264, *TAGS, "-g", "30", "-b:v", "1500k"])
MJPEG = Clip(
    "mjpeg-1080p30.avi", 1920, 1080, 30, 1000,
    ["-an", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-huffman", "default", "-q:v", "6"],
)  # fmt: skip


def access_units(clip):
    """The H.264 access units of a clip: a list of lists of NAL units, without access unit delimiters."""
    stream = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", str(clip), "-c", "copy",
         "-bsf:v", "h264_mp4toannexb,h264_metadata=aud=insert", "-f", "h264", "-"],
        stdout=subprocess.PIPE, check=True,
    ).stdout  # fmt: skip
    units = []
    for piece in stream.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")[1:]:
        if piece[0] & 0x1F == 9:
            units.append([])
        elif units:
            units[-1].append(piece)
    return units


def checksums(clip):
    """ffmpeg's Adler-32 (begun with 0) of each packet of a clip, in order."""
    text = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", str(clip), "-c", "copy", "-f", "framecrc", "-"],
        stdout=subprocess.PIPE, check=True, text=True,
    ).stdout  # fmt: skip
    return [int(line.split(",")[5], 16) for line in text.splitlines() if line and not line.startswith("#")]
