"""One file as it grows, and the end of each of its channels, into which a task writes as into any other.

There is always credit: who writes to a disk waits for nobody. What is written lies in the system's cache; it needn't
survive the machine, since the TaskManager that serves it doesn't either. It has its name when it is complete.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final
from zlib import crc32

from millstream_dataflow.configuration.options import taskmanager
from millstream_dataflow.identity import ChannelId
from millstream_dataflow.records import ColumnBatch, Element, RowBatch
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.codecs.batches import BatchEncoder
from millstream_taskmanager.exchange.credits import NO_LIMIT
from millstream_taskmanager.exchange.frames import key_of, next_sequence, pack_header
from millstream_taskmanager.results.layout import MAGIC, SEGMENT, Partition, Segment, pack_index
from millstream_taskmanager.results.places import UNFINISHED
from millstream_taskmanager.user_code.errors import ConnectorCode

_GATHERED: Final = 16 << 20  # bytes of all targets together: a thousand of them would gather 256 MiB


class _Target:
    """What is gathered for one target, and what has been written of it."""

    __slots__ = ("gathered", "records", "segments", "size")

    def __init__(self) -> None:
        self.gathered: list[Buffer] = []
        self.size = 0
        self.records = 0
        self.segments: list[Segment] = []


class ResultFile:
    """One edge of one task. Used by one thread at a time. What the disk refuses is an OSError that says what to do."""

    def __init__(self, path: Path, targets: Sequence[int], operator: str) -> None:
        """`operator` is named when it can't be written."""
        self.path = path
        self.guard = ConnectorCode(operator)
        """A disk without room is nobody's mistake."""
        self._targets = {target: _Target() for target in targets}
        self._gathered = 0
        self._place = 0
        self._file: IO[bytes] | None = None
        self._complete = False

    def append(self, target: int, buffers: Sequence[Buffer], size: int, records: int) -> None:
        """One frame. The buffers are kept for a while, and must not change."""
        of_target = self._targets[target]
        of_target.gathered += buffers
        of_target.size += size
        of_target.records += records
        self._gathered += size
        if of_target.size >= SEGMENT:
            self._write(of_target)
        elif self._gathered > _GATHERED:
            self._write(max(self._targets.values(), key=lambda one: one.size))

    def complete(self) -> None:
        """All has been appended: from now on it can be read, whatever becomes of this process."""
        with self.guard:
            for of_target in self._targets.values():
                if of_target.size:
                    self._write(of_target)
            self._put(())  # also of a task that has given nothing there is a file
            found = [Partition(t, one.records, tuple(one.segments)) for t, one in self._targets.items()]
            self._put([pack_index(found, self._place)])
            self._opened().close()
            self._part.rename(self.path)
            self._complete = True

    def abandon(self) -> None:
        """Its task is over. What isn't complete goes."""
        if self._file is not None and not self._complete:
            self._file.close()
            self._part.unlink(missing_ok=True)
        self._targets.clear()

    @property
    def _part(self) -> Path:
        return self.path.with_name(self.path.name + UNFINISHED)

    def _write(self, of_target: _Target) -> None:
        checksum = 0
        for buffer in of_target.gathered:
            checksum = crc32(buffer, checksum)
        self._put(of_target.gathered)
        segment = Segment(self._place - of_target.size, of_target.size, checksum)
        of_target.segments.append(segment)
        self._gathered -= of_target.size
        of_target.gathered = []
        of_target.size = 0

    def _put(self, buffers: Sequence[Buffer]) -> None:
        try:
            file = self._opened()
            for buffer in buffers:
                rest = memoryview(buffer)
                while rest:
                    rest = rest[file.write(rest) :]
                self._place += len(buffer)
        except OSError as error:
            mend = f"free some room, or set {taskmanager.TMP_DIRS.key} to a directory that has it"
            text = f"what a stage leaves for the next can't be written to {self.path.parent}: {error.strerror}; {mend}"
            raise OSError(error.errno, text) from error

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: segments are long, and what isn't complete must not be written when it is thrown away.
            self._file = self._part.open("wb", buffering=0)  # closed by `complete` or `abandon`
            self._place = self._file.write(MAGIC)
        return self._file


class ResultEnd:
    """See SendingEnd. Of controls none is written: event time says nothing in between, and the index says the end."""

    credit: int = 1
    """Whatever is sent."""
    turn: int | None = NO_LIMIT

    def __init__(self, channel: ChannelId, file: ResultFile, encoder: BatchEncoder) -> None:
        self.id = channel
        self._key = key_of(channel)
        self._file = file
        self._encoder = encoder
        self._sequence = 0

    def send(self, element: Element, size: int, *, more: bool) -> None:
        """See SendingEnd. UserCodeError for what can't travel, or can't be written."""
        if not isinstance(element, RowBatch | ColumnBatch):
            return
        for payload in self._encoder.encode(element):
            header = pack_header(payload.kind, payload.flags, self._key, self._sequence, payload.size)
            self._sequence = next_sequence(self._sequence)
            with self._file.guard:
                size = len(header) + payload.size
                self._file.append(self.id.target, [header, *payload.parts], size, payload.rows)

    def when_credited(self, action: Callable[[], None]) -> None:
        """See SendingEnd: it never runs out."""
