"""ZeroMQ as a script uses it: PUB, no copy, the time of the frame beside it."""

import time

import zmq

FIRST_SUBSCRIBER_MS = 10_000


class Out:
    """Publishes (header, JPEG); the header is the camera's name, a sequence number and the UNIX time at which the frame was read."""

    def __init__(self, endpoint, name):
        self.context = zmq.Context()
        # XPUB is PUB that can be asked whether somebody has subscribed, so that no frame goes into the void.
        self.socket = self.context.socket(zmq.XPUB)
        # What nobody takes any more must not keep the process from ending.
        self.socket.setsockopt(zmq.LINGER, 500)
        self.socket.connect(endpoint)
        if not self.socket.poll(FIRST_SUBSCRIBER_MS):
            raise SystemExit("no subscriber")
        self.socket.recv()
        self.name, self.number = name.encode(), 0

    def send(self, jpeg, read_at):
        """Hands a frame over; ZeroMQ drops it when the subscriber is a thousand frames behind."""
        self.socket.send_multipart([b"%s %d %.6f" % (self.name, self.number, read_at), jpeg], copy=False)
        self.number += 1

    def close(self):
        """Lets what is queued go out."""
        self.context.destroy(linger=5000)


now = time.time
