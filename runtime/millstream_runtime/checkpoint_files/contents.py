"""What one task stores at a barrier, as values: the state of its operators, encoded already.

Lists hold pickles of their items, so that the JobManager can share them out without opening one. Keyed state is runs:
entries of one table that belong to one key group, encoded together by the backend that will read them again. Records
in flight are frames, each as a channel would carry it.
"""

from dataclasses import dataclass

from millstream_dataflow.identity import ChannelId, OperatorId
from millstream_runtime.messages.snapshots import Redistribution


@dataclass(frozen=True, slots=True)
class StoredList:
    """One list of one operator. Items are pickles."""

    name: str
    redistribution: Redistribution
    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class KeyedRun:
    """Entries of one table and one key group. A table may have several runs of a group; all of them count."""

    table: str
    group: int
    entries: int
    data: bytes


@dataclass(frozen=True, slots=True)
class OperatorContents:
    """All that one operator stores. Key groups are first (inclusive) and end (exclusive); both 0 when not keyed."""

    operator: OperatorId
    lists: tuple[StoredList, ...] = ()
    runs: tuple[KeyedRun, ...] = ()
    first_group: int = 0
    end_group: int = 0


@dataclass(frozen=True, slots=True)
class ChannelContents:
    """What barriers have overtaken in one channel: at its sending end (`output`), or at its receiving one."""

    channel: ChannelId
    output: bool
    records: int
    items: tuple[bytes, ...]
    """Frames, in their order."""
