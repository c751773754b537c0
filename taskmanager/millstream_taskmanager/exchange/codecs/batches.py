"""Batches of one channel as payloads, and back."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from millstream_dataflow.configuration.options.network import MAX_FRAME_SIZE
from millstream_dataflow.errors import NonRecoverableError
from millstream_dataflow.records import Batch, ColumnBatch, RowBatch
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.words import counted
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.channel import Parcel
from millstream_taskmanager.exchange.codecs.columns import ColumnReader, ColumnWriter
from millstream_taskmanager.exchange.codecs.rows import RowCodec
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import STREAM, TIMES, Frame, Kind
from millstream_taskmanager.user_code.errors import UserCodeError

_ROWS = struct.Struct("<II")  # rows, and zeros, so that what follows is aligned
_TIME_SIZE = 8


@dataclass(frozen=True, slots=True)
class ChannelCodec:
    """What both ends of a channel know of its records."""

    type: TypeInformation[Any] | None
    """Declared by the user; None: nothing was."""
    operator: str
    """Who is named when a record can't travel: whose output it is, and whose input."""
    splits: bool = False
    """Whether it carries splits, whose credit is their number (law 8.1)."""


class Payload(NamedTuple):
    """A batch, or a part of one, as a frame carries it."""

    kind: Kind
    flags: int
    parts: list[Buffer]
    size: int
    rows: int


class RecordTooLargeError(NonRecoverableError):
    """One record alone is larger than a frame may be."""


class BatchEncoder:
    """The sending end. `limit`: bytes of a payload."""

    def __init__(self, codec: ChannelCodec, limit: int) -> None:
        self._rows = RowCodec(codec.type, codec.operator)
        self._columns = ColumnWriter()
        self._operator = codec.operator
        self._limit = limit

    def encode(self, batch: Batch) -> Iterator[Payload]:
        """The payloads of a batch: one, or several where one would be too large. UserCodeError names the record that
        can't travel.
        """
        return self._encode_rows(batch) if isinstance(batch, RowBatch) else self._encode_columns(batch)

    def _encode_rows(self, batch: RowBatch) -> Iterator[Payload]:
        flag, body = self._rows.encode(batch.values)
        head = _packed(len(batch), None if batch.timestamps is None else np.array(batch.timestamps, "<i8"))
        size = sum(map(len, head)) + len(body)
        if size <= self._limit:
            yield Payload(Kind.ROWS, flag | _times_flag(batch), [*head, body], size, len(batch))
        elif len(batch) == 1:
            raise self._too_large(size, batch.values[0])
        else:
            half = len(batch) // 2
            for part in (slice(half), slice(half, None)):
                times_of_part = None if batch.timestamps is None else batch.timestamps[part]
                yield from self._encode_rows(RowBatch(batch.values[part], times_of_part))

    def _encode_columns(self, batch: ColumnBatch) -> Iterator[Payload]:
        rows = len(batch)
        head = _packed(rows, batch.timestamps)
        head_size = sum(map(len, head))
        # Asked before it is written: what is in the stream can't be taken back. The exact size costs a pass; this one
        # counts the whole of what a slice is of, and takes 0.3 us where `nbytes` takes 9.
        likely = batch.columns.get_total_buffer_size() + head_size > self._limit // 2
        if likely and rows > 1 and self._columns.size(batch.columns) + head_size > self._limit:
            half = rows // 2
            for start, end in ((0, half), (half, rows)):
                moments = None if batch.timestamps is None else batch.timestamps[start:end]
                yield from self._encode_columns(ColumnBatch(batch.columns.slice(start, end - start), moments))
            return
        fresh, parts = self._columns.write(batch.columns)
        size = head_size + sum(map(len, parts))
        if size > self._limit:
            raise self._too_large(size, batch.columns.slice(0, 1).to_pylist()[0])
        flags = (STREAM if fresh else 0) | _times_flag(batch)
        yield Payload(Kind.COLUMNS, flags, [*head, *parts], size, rows)

    def _too_large(self, size: int, record: object) -> UserCodeError:
        error = RecordTooLargeError(
            f"a record of {self._operator} takes {size} bytes on the wire, and {MAX_FRAME_SIZE.key} allows "
            f"{self._limit}; make the record smaller or raise the option"
        )
        return UserCodeError(error, self._operator, record)


class BatchDecoder:
    """The receiving end. Frames come in order; each is a parcel that is opened when its task takes it, in that order:
    so what goes wrong there is the task's, and what waits is not yet a million objects.
    """

    def __init__(self, codec: ChannelCodec) -> None:
        self._rows = RowCodec(codec.type, codec.operator)
        self._reader: ColumnReader | None = None

    def parcel(self, frame: Frame) -> Parcel:
        """The batch of a frame, still in its form on the wire."""
        flags, payload = frame.flags, frame.payload
        rows: int = _ROWS.unpack_from(payload)[0] if len(payload) >= _ROWS.size else 0  # it can't be opened then
        if frame.kind is Kind.ROWS:
            return Parcel(lambda: self._open_rows(flags, payload), rows, (flags, payload))
        if flags & STREAM:
            self._reader = ColumnReader()
        if (reader := self._reader) is None:
            raise ExchangeError("columns came before their schema")
        return Parcel(lambda: _open_columns(reader, flags, payload), rows)

    def _open_rows(self, flags: int, payload: Buffer) -> RowBatch:
        rows, times, body = _unpacked(flags, payload)
        values = self._rows.decode(flags, body)
        _check_count(rows, len(values))
        return RowBatch(values, None if times is None else times.tolist())


def _open_columns(reader: ColumnReader, flags: int, payload: Buffer) -> ColumnBatch:
    rows, times, body = _unpacked(flags, payload)
    columns = reader.read(body)
    _check_count(rows, columns.num_rows)
    return ColumnBatch(columns, None if times is None else times.astype(np.int64, copy=False))


def _times_flag(batch: Batch) -> int:
    return 0 if batch.timestamps is None else TIMES


def _packed(rows: int, times: npt.NDArray[np.int64] | None) -> list[Buffer]:
    """What stands before the records of a batch."""
    count = _ROWS.pack(rows, 0)
    return [count] if times is None else [count, np.ascontiguousarray(times, "<i8").data.cast("B")]


def _unpacked(flags: int, payload: Buffer) -> tuple[int, npt.NDArray[np.int64] | None, Buffer]:
    """How many records there are, their times, and what is left: the records."""
    if len(payload) < _ROWS.size:
        raise ExchangeError(f"a batch of {len(payload)} bytes doesn't say how many records it has")
    rows: int = _ROWS.unpack_from(payload)[0]
    if not flags & TIMES:
        return rows, None, memoryview(payload)[_ROWS.size :]
    begin = _ROWS.size + rows * _TIME_SIZE
    if len(payload) < begin:
        raise ExchangeError(f"a batch of {len(payload)} bytes says that it has {rows} times")
    return rows, np.frombuffer(payload, "<i8", rows, _ROWS.size), memoryview(payload)[begin:]


def _check_count(said: int, rows: int) -> None:
    if said != rows:
        raise ExchangeError(f"a batch of {counted(rows, 'record')} said that it has {said}")
