"""The two processes of a yardstick: forked, joined by a Unix socket, started together, their results taken by pipes."""

import os
import pickle
import resource
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.harness import Measured

Work = Callable[[int, Any, socket.socket], Any]
"""Of process 0 or 1: its prepared input and its end of the socket, to its result."""


def in_two_processes(
    prepare: Callable[[int], Any], work: Work, records: int, verify: Callable[[list[Any]], None]
) -> Measured:
    """Input is made before the clock starts; the clock stops when the second has its result."""
    spawning = get_context("fork")  # nothing here has threads yet, and a fork is what a good engineer would take
    sockets = socket.socketpair()
    pipes = [spawning.Pipe() for _ in range(2)]
    processes = [
        spawning.Process(target=_run, args=(number, prepare, work, sockets, pipes[number][1])) for number in range(2)
    ]
    for process in processes:
        process.start()
    for end, _ in pipes:
        end.recv()
    for end, _ in pipes:
        end.send(None)
    answers = [end.recv() for end, _ in pipes]
    for process in processes:
        process.join()
    for used in sockets:
        used.close()
    for pipe in pipes:
        for end in pipe:
            end.close()
    verify([answer["result"] for answer in answers])
    seconds = max(answer["end"] for answer in answers) - min(answer["start"] for answer in answers)
    return Measured(
        records, seconds, sum(a["rss_kb"] for a in answers) / 1_024, sum(answer["cpu_s"] for answer in answers)
    )


def _run(
    number: int,
    prepare: Callable[[int], Any],
    work: Work,
    sockets: tuple[socket.socket, socket.socket],
    pipe: Connection,
) -> None:
    sockets[1 - number].close()
    ready = prepare(number)
    pipe.send(None)
    pipe.recv()
    start = time.monotonic()
    result = work(number, ready, sockets[number])
    end = time.monotonic()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send(
        {
            "start": start,
            "end": end,
            "result": result,
            "rss_kb": usage.ru_maxrss,
            "cpu_s": usage.ru_utime + usage.ru_stime,
        }
    )
    os._exit(0)


class Peer:
    """Frames to the other process and from it, without ever waiting for room while something can be read."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._end = end
        self._out: deque[memoryview] = deque()
        self._head = bytearray()
        self._frame = bytearray()
        self._missing: memoryview | None = None
        self.ended = False

    def send(self, data: bytes | memoryview) -> None:
        """Goes out with `turn`; small frames wait for each other in the kernel."""
        self._out.append(memoryview(len(data).to_bytes(4, "little")))
        self._out.append(memoryview(data).cast("B"))

    @property
    def backlog(self) -> int:
        """Pieces that have not gone out."""
        return len(self._out)

    def turn(self, *, wait: bool) -> Iterator[bytearray]:
        """Send and receive what goes; `wait`: until something does."""
        writing = [self._end] if self._out else []
        ready, writable, _ = select.select([] if self.ended else [self._end], writing, [], None if wait else 0)
        if writable:
            self._send()
        if ready:
            yield from self._receive()

    def finish(self) -> Iterator[bytearray]:
        """Send the rest and an empty frame, and receive until the other's."""
        self.send(b"")
        while self._out or not self.ended:
            yield from self.turn(wait=True)

    def _send(self) -> None:
        while self._out:
            try:
                sent = self._end.sendmsg(list(islice(self._out, 64)))
            except BlockingIOError:
                return
            while sent and sent >= len(self._out[0]):
                sent -= len(self._out.popleft())
            while self._out and not len(self._out[0]):
                self._out.popleft()
            if sent:
                self._out[0] = self._out[0][sent:]

    def _receive(self) -> Iterator[bytearray]:
        while True:
            try:
                if self._missing is None:
                    piece = self._end.recv(4 - len(self._head))
                    self._head += piece
                    if len(self._head) < 4:
                        continue
                    self._frame = bytearray(int.from_bytes(self._head, "little"))
                    self._head.clear()
                    self._missing = memoryview(self._frame)
                    if not self._frame:
                        self.ended = True
                        return
                self._missing = self._missing[self._end.recv_into(self._missing) :]
            except BlockingIOError:
                return
            if not self._missing:
                self._missing = None
                yield self._frame


def dumps(value: object) -> bytes:
    """As the yardsticks send rows."""
    return pickle.dumps(value, 5)


def loads(data: bytes | bytearray) -> Any:  # noqa: ANN401  # whatever was sent
    """And read them."""
    return pickle.loads(data)  # noqa: S301  # our own, from the process beside us
