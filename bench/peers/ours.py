"""streamhub-ingest, configured as a user would: two YAML documents."""

from bench.peers import QUALITY, Program

CAMERA = """\
apiVersion: streamhub.dev/v1alpha1
kind: Camera
metadata: {{name: {name}, namespace: default, uid: 00000000-0000-0000-0000-{number:012d}}}
spec:
  source: {source}
  frames: [{{name: main, fps: {fps}, quality: {quality}}}]
"""
HUB = """\
apiVersion: streamhub.dev/v1alpha1
kind: StreamHub
metadata: {{name: default, namespace: default}}
spec: {{nats: {{url: "nats://127.0.0.1:{port}"}}}}
"""


def subject(name="bench"):
    """Where a camera's frames are published."""
    return f"streamhub.default.default.frames.{name}.main"


def command(program, source, port, folder, name="bench", number=1, http="127.0.0.1:0"):
    """Writes the documents and returns the command line."""
    fps = int(source.fps)
    if source.live:
        text = f'{{rtsp: {{url: "{source.url}"}}}}'
    else:
        text = f'{{file: {{uri: "{source.url}", fps: {fps}, onEnd: Loop}}}}'
    camera, hub = folder / f"camera-{name}.yaml", folder / "hub.yaml"
    camera.write_text(CAMERA.format(name=name, number=number, source=text, fps=fps, quality=QUALITY))
    text = HUB.format(port=port)
    # All that run follow this file: the same text is not written again.
    if not hub.exists() or hub.read_text() != text:
        hub.write_text(text)
    return [program, "--camera", camera, "--hub", hub, "--http", http]


def ours(program, name="streamhub-ingest"):
    """The program at `program`."""

    def build(source, port, folder):
        return command(program, source, port, folder)

    return Program(name=name, transport="nats", command=build, ends=False, ours=True)
