"""The output against the truth in plain Python, and the figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path

from tests.support.jobs import read_rows, truth

Window = tuple[int, int]
"""Its start, and the key."""
SHOWN = 20


@dataclass
class Comparison:
    """What the job has written, beside what is true."""

    records_in: int
    records_out: int
    lost: dict[Window, int] = field(default_factory=dict[Window, int])
    """Events that are missing, by window."""
    doubled: dict[Window, int] = field(default_factory=dict[Window, int])
    wrong: list[Window] = field(default_factory=list[Window])
    """As many events as there should be, but not those."""

    @property
    def is_true(self) -> bool:
        """Each event once."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        """The windows, by name."""
        wrong = dict.fromkeys(self.wrong, 0)
        return "\n".join([*_lines("lost", self.lost), *_lines("doubled", self.doubled), *_lines("wrong", wrong)])


def _lines(what: str, found: Mapping[Window, int]) -> Iterable[str]:
    for (start, key), events in islice(sorted(found.items()), SHOWN):
        yield f"  {what}: window {start} of key {key}" + (f", {events} events" if events else "")
    if len(found) > SHOWN:
        yield f"  {what}: {len(found) - SHOWN} windows more"


def compare(output: Path, count: int, keys: int, window: int) -> Comparison:
    """All finished files of the sink with the windows of so many events."""
    expected = truth(count, keys, window)
    events, totals = Counter[Window](), Counter[Window]()
    rows = 0
    for start, key, number, amount in read_rows(output):
        rows += 1
        events[int(start), int(key)] += int(number)
        totals[int(start), int(key)] += int(amount)
    result = Comparison(count, rows)
    for place in expected.keys() | events.keys():
        there, total = expected.get(place, (0, 0))
        if events[place] < there:
            result.lost[place] = there - events[place]
        elif events[place] > there:
            result.doubled[place] = events[place] - there
        elif totals[place] != total:
            result.wrong.append(place)
    return result


@dataclass
class Figures:
    """Of a run, in the order in which they are told. A run that ends badly doesn't come to know all of them."""

    minutes: float = 0
    seed: int = 0
    bursts: int = 0
    kills: int = 0
    freezes: int = 0
    cuts: int = 0
    expiries: int = 0
    zookeeper_faults: int = 0
    graceful_ends: int = 0
    skipped_faults: int = 0
    """There was nobody to do them to, because of others under way."""
    records_in: int | None = None
    records_out: int | None = None
    lost: int | None = None
    doubled: int | None = None
    failovers: int | None = None
    leaders: int | None = None
    """The epoch at the end."""
    checkpoints: int | None = None
    """That have published files."""
    longest_calm_s: float = 0
    """Until the job was well again after a burst."""
    longest_pause_s: float = 0
    """Of any task, while input came."""
    longest_gentle_pause_s: float = 0
    """The same during faults that touch only JobManagers and ZooKeeper."""
    hidden_files: int | None = None
    processes_left: int | None = None
    nodes_left: int | None = None
    files_left: int | None = None

    @property
    def nothing_is_left(self) -> bool:
        """Of the job and its cluster."""
        return self.hidden_files == self.processes_left == self.nodes_left == self.files_left == 0

    def __str__(self) -> str:
        """A line each."""
        return "\n".join(_line(item.name, getattr(self, item.name)) for item in fields(self))


def _line(name: str, value: float | None) -> str:
    words = name.removesuffix("_s").replace("_", " ")
    shown = "not known" if value is None else f"{value:.2f} s" if name.endswith("_s") else f"{value:,}"
    return f"  {words:<22} {shown}"
