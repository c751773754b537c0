"""What a task reads from finished stages, brought into its gate as from any channel: frames are opened when the task
takes them, and credit says how much may wait.

Channels come one after the other, so one file is open at a time. Files are read in threads of the task, some segments
ahead of what it works on.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from millstream_dataflow.identity import ChannelId, RegionAttempt
from millstream_dataflow.records import End, EndOfData, EndReason
from millstream_taskmanager.exchange.channel import Parcel
from millstream_taskmanager.exchange.codecs.batches import BatchDecoder
from millstream_taskmanager.exchange.credits import CreditedEnd
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import (
    HEADER,
    Frame,
    Kind,
    channel_of,
    check_sequence,
    key_of,
    next_sequence,
)
from millstream_taskmanager.exchange.gate import Gate
from millstream_taskmanager.results.layout import DamagedResultError, Partition
from millstream_taskmanager.results.partitions import StoredPartition
from millstream_taskmanager.user_code.errors import ResultError

_LIMIT: Final = 512 << 10  # bytes that are read at once from a file of this machine

Fetch = Callable[[Callable[[], None], Callable[[Exception | None], None]], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a channel comes from: who has written it, where that lies, and how it is read."""

    attempt: RegionAttempt
    partition: StoredPartition
    decoder: BatchDecoder


class StoredChannel(CreditedEnd):
    """One channel, at its place in the gate."""

    def __init__(self, channel: ChannelId, position: int, window: int, origin: Origin) -> None:
        super().__init__(window)
        self.id = channel
        self.position = position
        self.partition = origin.partition
        self._origin = origin
        self._key = key_of(channel)
        self._expected = 0

    def pace(self, turn: int) -> None:
        """See ReceivingEnd: nobody waits who could send less."""

    def frames(self, segment: bytes) -> list[tuple[Parcel, int]]:
        """The batches of a segment, with their sizes. ExchangeError when they aren't those that follow."""
        found: list[tuple[Parcel, int]] = []
        place, view = 0, memoryview(segment)
        while place < len(segment):
            length, kind, flags, *key, sequence = HEADER.unpack_from(segment, place)
            if tuple(key) != self._key:
                raise ExchangeError(f"a frame of {channel_of((key[0], key[1], key[2]))} stands in {self.id}")
            place += HEADER.size
            payload = view[place : place + length]
            place += length
            columns = kind == Kind.COLUMNS  # which Arrow wants aligned
            body = np.frombuffer(payload, np.uint8).copy().data if columns else payload
            frame = Frame(Kind(kind), flags, (key[0], key[1], key[2]), sequence, body)
            check_sequence(frame, self._expected)
            self._expected = next_sequence(self._expected)
            found.append((self._origin.decoder.parcel(frame), max(1, length)))
        return found

    def failed(self, error: Exception) -> ResultError:
        """What ends the task: the results are lost, or can't be reached now."""
        attempt = self._origin.attempt
        lost = isinstance(error, DamagedResultError | ExchangeError)
        return ResultError(f"what attempt {attempt} has left can't be read: {error}", attempt if lost else None)


class StoredInputs:
    """All channels of one task."""

    def __init__(self, gate: Gate, channels: Sequence[StoredChannel]) -> None:
        """In the order in which they are read."""
        self._gate = gate
        self._waiting = deque(channels)
        self._segments = deque[bytes]()
        self._taken = 0  # segments of the channel at hand
        self._index: Partition | None = None
        self._reads = False
        self._closed = False
        for channel in channels:
            gate.connect(channel.position, channel)
            channel.when_credited(self._go_on)

    def start(self, fetch: Fetch, failed: Callable[[Exception], None]) -> None:
        """The task is open."""
        self._fetch = fetch
        self._failed = failed
        self._go_on()

    def close(self) -> None:
        """The task is over."""
        self._closed = True
        self._segments.clear()
        if self._waiting and not self._reads:
            self._waiting[0].partition.close()

    def _go_on(self) -> None:
        """As far as credit and what was read go. Credit may come while something is handed over."""
        while self._waiting and not self._closed and not self._reads:
            channel = self._waiting[0]
            if self._index is not None and self._taken == len(self._index.segments):
                self._end(channel, self._index)
            elif channel.credit <= 0:
                return
            elif self._segments:
                self._hand_over(channel, self._segments.popleft())
            else:
                self._read(channel)

    def _read(self, channel: StoredChannel) -> None:
        self._reads = True
        first = self._taken
        index: list[Partition] = []
        segments: list[bytes] = []

        def job() -> None:
            segments.extend(channel.partition.read(first, _LIMIT))
            index.append(channel.partition.index())

        def then(error: Exception | None) -> None:
            self._reads = False
            if self._closed:
                channel.partition.close()
            elif error is not None:
                self._failed(channel.failed(error))
            else:
                [self._index] = index
                self._segments.extend(segments)
                self._go_on()

        self._fetch(job, then)

    def _hand_over(self, channel: StoredChannel, segment: bytes) -> None:
        self._taken += 1
        try:
            frames = channel.frames(segment)
        except (ExchangeError, ValueError) as error:
            self.close()
            self._failed(channel.failed(DamagedResultError(str(error))))
            return
        channel.spend(sum(size for _, size in frames))
        more = self._index is not None and self._taken < len(self._index.segments)
        for number, (parcel, size) in enumerate(frames, start=1):
            self._gate.arrive(channel.position, parcel, size, backlog=more and number == len(frames))

    def _end(self, channel: StoredChannel, index: Partition) -> None:
        self._waiting.popleft()
        self._index, self._taken = None, 0
        channel.partition.close()

        def end() -> EndOfData:
            """The two ends count independently, as law 10.1 has it of every channel."""
            taken = self._gate.records[channel.position]
            if taken != index.records:
                raise channel.failed(DamagedResultError(f"{channel.id} has {taken} records of {index.records}"))
            return EndOfData(EndReason.INPUT)

        self._gate.arrive(channel.position, Parcel(end, 0), 0, backlog=False)
        self._gate.arrive(channel.position, End(), 0, backlog=False)
