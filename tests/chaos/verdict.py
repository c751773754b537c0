"""The output against the truth in plain Python, and the figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path

from tests.chaos.schedule import ROUND, Kind
from tests.support.jobs import read_rows, truth

Window = tuple[int, int]
"""Its start, and the key."""
SHOWN = 20
FLOORS = {"kills": 12, "freezes": 3, "cuts": 3, "cuts_from_zookeeper": 1, "quorums_lost": 1, "everything_killed": 1}
"""Of each round without one of its faults. With all it has 15 kills, 4 freezes, 4 cuts, 2 of these from ZooKeeper."""
MOST_SKIPPED = 1
"""Faults of a round that may find nobody to whom they could be done."""


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
    took_s: float = 0
    """From the first fault until the job was well after the last."""
    bursts: int = 0
    kinds: int = 0
    kills: int = 0
    freezes: int = 0
    cuts: int = 0
    cuts_from_zookeeper: int = 0
    expiries: int = 0
    zookeeper_faults: int = 0
    quorums_lost: int = 0
    servers_emptied: int = 0
    """Of ZooKeeper, by the operator: their logs lacked what was written while their disk was full."""
    everything_killed: int = 0
    graceful_ends: int = 0
    skipped_faults: int = 0
    """There was nobody to do them to, because of others under way."""
    records_in: int | None = None
    records_out: int | None = None
    lost: int | None = None
    doubled: int | None = None
    wrong: int | None = None
    """Windows with as many events as there should be, but others."""
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
    def too_few(self) -> list[str]:
        """What a run that proves something has had more of: each round so many faults, and each of them done."""
        rounds = self.bursts // ROUND
        floors = {name: floor * rounds for name, floor in FLOORS.items()}
        floors["kinds"] = len(Kind) - MOST_SKIPPED if rounds else 0
        had = {name: getattr(self, name) for name in floors}
        short = [f"{name} {had[name]}, at least {floor}" for name, floor in floors.items() if had[name] < floor]
        most = MOST_SKIPPED * max(1, rounds)
        return short + [f"skipped_faults {self.skipped_faults}, at most {most}"] * (self.skipped_faults > most)

    @property
    def is_good(self) -> bool:
        """The output is true, nothing is left of the job and its cluster, and there was chaos."""
        left = (self.hidden_files, self.processes_left, self.nodes_left, self.files_left)
        return {self.lost, self.doubled, self.wrong, *left} == {0} and not self.too_few

    def __str__(self) -> str:
        """A line each."""
        return "\n".join(_line(item.name, getattr(self, item.name)) for item in fields(self))


def _line(name: str, value: float | None) -> str:
    words = name.removesuffix("_s").replace("_", " ")
    shown = "not known" if value is None else f"{value:.2f} s" if name.endswith("_s") else f"{value:,}"
    return f"  {words:<22} {shown}"
