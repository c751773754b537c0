"""What the operators of one task store at a barrier: lists at once, keyed state in slices until all of it is there."""

from collections.abc import Sequence
from dataclasses import dataclass

from millstream_dataflow.identity import OperatorId
from millstream_runtime.checkpoint_files.contents import OperatorContents, StoredList
from millstream_taskmanager.state.shadow import SLICE_BYTES
from millstream_taskmanager.state.snapshot import KeyedSnapshot
from millstream_taskmanager.user_code.errors import UserCode


@dataclass(slots=True)
class OperatorPart:
    """One operator's. Those that store nothing have none."""

    id: OperatorId
    name: str
    lists: Sequence[StoredList]
    keyed: KeyedSnapshot | None


class ChainSnapshot:
    """See the module."""

    def __init__(self, parts: Sequence[OperatorPart]) -> None:
        self._parts = parts
        self._open = [part for part in parts if part.keyed is not None]

    @property
    def done(self) -> bool:
        """Whether all of it is there."""
        while self._open and (keyed := self._open[-1].keyed) is not None and keyed.done:
            self._open.pop()
        return not self._open

    def encode_slice(self) -> None:
        """About a millisecond's work. UserCodeError, which names the operator, when something can't be stored."""
        spent = 0
        while not self.done and spent < SLICE_BYTES:
            part = self._open[-1]
            if part.keyed is not None:
                with UserCode(part.name):
                    spent += part.keyed.encode_some()

    def contents(self) -> tuple[OperatorContents, ...]:
        """All of it."""
        return tuple(_contents(part) for part in self._parts)

    def drop(self) -> None:
        """It is of no use any more."""
        for part in self._open:
            if part.keyed is not None:
                part.keyed.drop()
        self._open.clear()


def _contents(part: OperatorPart) -> OperatorContents:
    if part.keyed is None:
        return OperatorContents(part.id, tuple(part.lists))
    groups = part.keyed.groups
    return OperatorContents(part.id, tuple(part.lists), part.keyed.runs, groups.start, groups.stop)
