"""Records of a batch that are of one session are taken together: to merge windows costs 20 times what it costs to keep
a record.

For each key a run of records is gathered whose windows intersect one after another. It is kept as one record would be
whose window covers them all. That comes to the same as one by one while no record fires anything, and while the run
meets no more than one session that the key has: of two that it joins, the order of what they held would be another.

Measured on Python 3.11, 8 k records of 100 keys, M records/s: sums of sessions 0.03 one by one,
0.26 in runs.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.windows import TimeWindow


@dataclass(slots=True)
class Run:
    """Records of a key, and the span that they cover with the session that they join."""

    key: object
    identity: Hashable
    start: int
    end: int
    values: list[Any]
    joined: TimeWindow | None
    """That session, if there is one."""


class Runs:
    """The runs of a batch, at most one of each key."""

    def __init__(self, meeting: Callable[[Hashable, int, int], Sequence[TimeWindow]]) -> None:
        """`meeting`: the sessions of a key that a span intersects."""
        self._meeting = meeting
        self._runs: dict[Hashable, Run] = {}

    def extends(self, identity: Hashable, start: int, end: int, value: Any) -> bool:  # noqa: ANN401  # any record
        """Put a record with this window into its key's run; False where there is none that it fits."""
        run = self._runs.get(identity)
        if run is None or start > run.end or end < run.start:
            return False
        if start < run.start or end > run.end:
            start, end = min(start, run.start), max(end, run.end)
            if any(one != run.joined for one in self._meeting(identity, start, end)):
                return False
            run.start, run.end = start, end
        run.values.append(value)
        return True

    def begins(self, key: object, identity: Hashable, start: int, end: int, value: Any) -> bool:  # noqa: ANN401  # any record
        """Begin a run of a key that has none with a record; False where it joins two sessions."""
        met = self._meeting(identity, start, end)
        if len(met) > 1:
            return False
        joined = met[0] if met else None
        if joined is not None:
            start, end = min(start, joined.start), max(end, joined.end)
        self._runs[identity] = Run(key, identity, start, end, [value], joined)
        return True

    def pop(self, identity: Hashable) -> Run | None:
        """Take out the run of a key."""
        return self._runs.pop(identity, None)

    def all(self) -> Iterator[Run]:
        """Take out all."""
        runs, self._runs = self._runs, {}
        return iter(runs.values())
