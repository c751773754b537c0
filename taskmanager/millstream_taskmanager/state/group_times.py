"""How far event time has come for an operator and, for a while after a restore, for each of its key groups (law 7.1).

Subtasks of which a restored one has key groups had not come equally far. The operator begins at the minimum, but what
was too late for a key before is too late for it now, and a window that has fired for a key doesn't fire for it again.
When the operator has passed them all, only its own time counts.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from millstream_dataflow.records.controls import MAX_TIME, MIN_TIME
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.state.key_space import KeySpace

TABLE = "watermark"
_TIME = struct.Struct("<q")


class GroupTimes:
    """Milliseconds since the epoch."""

    def __init__(self, space: KeySpace, restored: Iterable[KeyedRun] = ()) -> None:
        first = space.groups.start
        times = np.full(len(space.groups), MIN_TIME, np.int64)
        for run in restored:
            [times[run.group - first]] = _TIME.unpack(run.data)
        self._space = space
        self._restored = times
        self._highest = int(times.max())
        self.time = int(times.min())
        """The operator's own watermark."""
        self._last = self.time
        self.settled = self.time == self._highest
        """Whether all groups have the operator's own."""

    def advance(self, time: int) -> bool:
        """The operator's input has come so far. False: it had been there before the restore."""
        if time <= self.time:
            return False
        self.time = time
        if time < MAX_TIME:  # that is the end of an input, not a time; the job may go on with more
            self._last = time
        return True

    def begin_anew(self) -> None:
        """Batch mode has come to another key: no time has passed for it."""
        self._restored.fill(MIN_TIME)
        self._highest = self._last = self.time = MIN_TIME
        self.settled = True

    def settle(self) -> None:
        """What was due at the operator's time is done."""
        self.settled = self.time >= self._highest

    def restored_of(self, keys: Sequence[object]) -> list[int]:
        """The watermark that the group of each key was restored with."""
        times: list[int] = self._restored[self._space.groups_of(keys) - self._space.groups.start].tolist()
        return times

    def of(self, key: object) -> int:
        """The watermark that holds for a key."""
        return self.time if self.settled else max(self.time, self.restored_of([key])[0])

    def parts(self, keys: Sequence[object]) -> Iterator[tuple[int, list[int]]]:
        """The places of keys, by the watermark that holds for them."""
        times = np.maximum(np.array(self.restored_of(keys), np.int64), self.time)
        for time in np.unique(times).tolist():
            yield time, np.flatnonzero(times == time).tolist()

    def runs(self) -> tuple[KeyedRun, ...]:
        """Each group's, to be stored; none before the first watermark."""
        times = np.maximum(self._restored, self._last).tolist()
        return tuple(
            KeyedRun(TABLE, group, 1, _TIME.pack(time))
            for group, time in zip(self._space.groups, times, strict=True)
            if time > MIN_TIME
        )


def lowest_time(runs: Iterable[KeyedRun], groups: int) -> int:
    """The minimum over an operator's groups, of which there are so many; one without a watermark has the lowest."""
    times = {run.group: _TIME.unpack(run.data)[0] for run in runs if run.table == TABLE}
    return min(times.values()) if times and len(times) == groups else MIN_TIME
