"""The keyed state of one operator at a cut: the shadows of its tables, until all of them are encoded."""

from collections.abc import Hashable, Iterator, Sequence

from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.state.shadow import Shadow


class KeyedSnapshot:
    """One operator's. `groups` are its key groups."""

    def __init__(self, groups: range, shadows: Sequence[Shadow], runs: Sequence[KeyedRun]) -> None:
        """`runs` are encoded already."""
        self.groups = groups
        self._shadows = [shadow for shadow in shadows if not shadow.done]
        self._runs = list(runs)

    @property
    def done(self) -> bool:
        """Whether everything is encoded."""
        return not self._shadows

    def encode_some(self) -> int:
        """A part of a slice; gives what it cost, in bytes. SerializationError or StateError when
        something can't be stored.
        """
        shadow = self._shadows[-1]
        cost = shadow.encode_some()
        if shadow.done:
            self._shadows.pop()
            self._runs += shadow.runs
        return cost

    @property
    def runs(self) -> tuple[KeyedRun, ...]:
        """All of it, by key group."""
        return tuple(sorted(self._runs, key=lambda run: (run.group, run.table)))

    def identities(self) -> Iterator[Hashable]:
        """Of the keys whose entries are still to be stored."""
        return (identity for shadow in self._shadows for identity in shadow.identities())

    def drop(self) -> None:
        """It is of no use any more."""
        for shadow in self._shadows:
            shadow.drop()
        self._shadows.clear()
