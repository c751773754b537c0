"""What the TaskManager's process and the forkserver say to each other: one packet a message, over a socket that keeps
packets apart (SOCK_SEQPACKET). The descriptors of a `Fork` ride along.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Final

from millstream_taskmanager.worker.options import WorkerOptions

PACKET_LIMIT: Final = 128 << 10
"""Bytes; below the kernel's default for a socket's buffer (208 KiB), so a packet is never refused for its size."""

DESCRIPTORS: Final = 3
"""Of a `Fork`, in this order: the control socket, and what become the worker's descriptors 1 and 2."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Make a worker. `number` names the request in the answer."""

    number: int
    options: WorkerOptions


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything is imported."""


@dataclass(frozen=True, slots=True)
class Forked:
    """The worker is there, and leads a process group of its own."""

    number: int
    pid: int


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no worker, for this reason."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker is gone, and its process group with it."""

    pid: int
    status: int
    """As `os.waitpid` gives it."""
    memory: int
    """The most it has held, in KiB."""


Request = Fork
Reply = Ready | Forked | Refused | Ended

_REPLIES: Final = {cls.__name__: cls for cls in (Ready, Forked, Refused, Ended)}


def encode_request(request: Request) -> bytes:
    """As a packet; ValueError when it is too large for one."""
    packet = json.dumps(asdict(request)).encode()
    if len(packet) > PACKET_LIMIT:
        raise ValueError(f"the options of worker {request.options.worker} are {len(packet)} bytes, over {PACKET_LIMIT}")
    return packet


def decode_request(packet: bytes) -> Request:
    """The request in a packet."""
    parts = json.loads(packet)
    return Fork(parts["number"], WorkerOptions(**parts["options"]))


def encode_reply(reply: Reply) -> bytes:
    """As a packet."""
    values = [getattr(reply, field.name) for field in fields(reply)]
    return json.dumps([type(reply).__name__, *values]).encode()


def decode_reply(packet: bytes) -> Reply:
    """The reply in a packet."""
    name, *values = json.loads(packet)
    reply: Reply = _REPLIES[name](*values)
    return reply
