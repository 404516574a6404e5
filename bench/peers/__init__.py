"""Everything that is measured: ours and the programs beside it, each set up as well as it can be.

A `Program` only says how it is started; `scenarios/` decides what it reads and who listens.
"""

import dataclasses
from collections.abc import Callable

QUALITY = 85


@dataclasses.dataclass(frozen=True)
class Source:
    """What a program reads: a file, or a camera."""

    url: str
    fps: float
    live: bool
    name: str = "bench"


@dataclasses.dataclass(frozen=True)
class Program:
    """One line of a table."""

    name: str
    # How its frames travel: `nats`, `zmq`, `pipe`, or `none` where they are thrown away.
    transport: str
    # (source, address, folder) -> command line. The address is the NATS port or the ZeroMQ endpoint.
    command: Callable
    # Ends at the end of a file by itself.
    ends: bool = True
    # What else than 0 it ends with when it is interrupted, though nothing is wrong.
    interrupted: tuple = ()
    ours: bool = False
