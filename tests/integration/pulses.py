"""How long a task stood, in the eyes of its own functions, over all processes that it has had.

Each function writes a file of its own: where each stop began and ended; when its last record came is the file's time.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from millstream import MapFunction, RuntimeContext
from tests.integration.programs import CountAndSum
from tests.support.jobs import Event

SHOWN_S = 0.1
"""A task that stands for longer writes it down."""
TOLD_S = 0.05
"""Between two signs of life."""

Span = tuple[float, float]
"""From when to when records came, by the clock that all processes of a machine share."""


class Pulse:
    """In a task: notices for how long no record came."""

    def __init__(self, directory: str, name: str) -> None:
        self.path = Path(directory) / f"{name}-{os.getpid()}"
        self.last = self.told = time.monotonic()
        self.path.write_text(f"{self.last:.3f} {self.last:.3f}\n", encoding="utf-8")

    def beat(self) -> None:
        """A record is here."""
        now = time.monotonic()
        if now - self.last > SHOWN_S:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{self.last:.3f} {now:.3f}\n")
        self.last = now
        if now > self.told + TOLD_S:
            self.told = now
            os.utime(self.path)


class PulsingMap(MapFunction[Event, Event]):
    """Before the exchange."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.pulse: Pulse | None = None

    def open(self, runtime_context: RuntimeContext) -> None:
        self.pulse = Pulse(self.directory, f"read-{runtime_context.get_index_of_this_subtask()}")

    def map(self, value: Event) -> Event:
        assert self.pulse is not None
        self.pulse.beat()
        return value


class PulsingCount(CountAndSum):
    """Behind it. It isn't told which subtask it belongs to; its process is."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.pulse: Pulse | None = None

    def add(self, value: Event, accumulator: list[int]) -> list[int]:
        if self.pulse is None:
            self.pulse = Pulse(self.directory, "counted")
        self.pulse.beat()
        return super().add(value, accumulator)


def longest_pause(directory: Path, since: float, until: float) -> tuple[float, str]:
    """Seconds for which a task saw no record between two moments, and which task it was."""
    gaps = [(_longest_gap(spans, since, until), name) for name, spans in _spans(directory).items()]
    return max(gaps, default=(until - since, "every task"))


def _spans(directory: Path) -> dict[str, list[Span]]:
    """By task, of all its processes; two of them may have worked at the same time, a ghost and its successor."""
    subtasks = {path.name.split("-")[2]: path.name.split("-")[1] for path in directory.glob("read-*")}
    ahead = time.time() - time.monotonic()
    found: dict[str, list[Span]] = defaultdict(list)
    for path in directory.iterdir():
        what, _, process = path.name.partition("-")[0], None, path.name.rpartition("-")[2]
        lines = path.read_text(encoding="utf-8").splitlines()
        stops = [tuple(map(float, line.split())) for line in lines if line.count(" ") == 1]
        begins = [stop[1] for stop in stops]
        ends = [*(stop[0] for stop in stops[1:]), path.stat().st_mtime - ahead]
        found[f"{what} {subtasks.get(process, '?')}"].extend(zip(begins, ends, strict=True))
    return found


def _longest_gap(spans: Iterable[Span], since: float, until: float) -> float:
    """Between two moments, in the union of all spans."""
    longest, upto = 0.0, since
    for begin, end in sorted(spans):
        if end <= since:
            continue
        if begin >= until:
            break
        longest = max(longest, begin - upto)
        upto = max(upto, end)
    return max(longest, until - upto)
