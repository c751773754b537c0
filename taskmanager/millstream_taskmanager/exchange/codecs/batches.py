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
        times = _packed(None if batch.timestamps is None else np.array(batch.timestamps, "<i8"))
        size = sum(map(len, times)) + len(body)
        if size <= self._limit:
            yield Payload(Kind.ROWS, flag | TIMES if times else flag, [*times, body], size, len(batch))
        elif len(batch) == 1:
            raise self._too_large(size, batch.values[0])
        else:
            half = len(batch) // 2
            for part in (slice(half), slice(half, None)):
                times_of_part = None if batch.timestamps is None else batch.timestamps[part]
                yield from self._encode_rows(RowBatch(batch.values[part], times_of_part))

    def _encode_columns(self, batch: ColumnBatch) -> Iterator[Payload]:
        times = _packed(batch.timestamps)
        rows, times_size = len(batch), sum(map(len, times))
        # Asked before it is written: what is in the stream can't be taken back. The exact size costs a pass; this one
        # counts the whole of what a slice is of, and takes 0.3 us where `nbytes` takes 9.
        likely = batch.columns.get_total_buffer_size() + times_size > self._limit // 2
        if likely and rows > 1 and self._columns.size(batch.columns) + times_size > self._limit:
            half = rows // 2
            for start, end in ((0, half), (half, rows)):
                moments = None if batch.timestamps is None else batch.timestamps[start:end]
                yield from self._encode_columns(ColumnBatch(batch.columns.slice(start, end - start), moments))
            return
        fresh, parts = self._columns.write(batch.columns)
        size = times_size + sum(map(len, parts))
        if size > self._limit:
            raise self._too_large(size, batch.columns.slice(0, 1).to_pylist()[0])
        flags = (STREAM if fresh else 0) | (TIMES if times else 0)
        yield Payload(Kind.COLUMNS, flags, [*times, *parts], size, rows)

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
        if frame.kind is Kind.ROWS:
            return Parcel(lambda: self._open_rows(flags, payload))
        if flags & STREAM:
            self._reader = ColumnReader()
        if (reader := self._reader) is None:
            raise ExchangeError("columns came before their schema")
        return Parcel(lambda: _open_columns(reader, flags, payload))

    def _open_rows(self, flags: int, payload: Buffer) -> RowBatch:
        times, body = _unpacked(flags, payload)
        values = self._rows.decode(flags, body)
        _check_count(times, len(values))
        return RowBatch(values, None if times is None else times.tolist())


def _open_columns(reader: ColumnReader, flags: int, payload: Buffer) -> ColumnBatch:
    times, body = _unpacked(flags, payload)
    columns = reader.read(body)
    _check_count(times, columns.num_rows)
    return ColumnBatch(columns, None if times is None else times.astype(np.int64, copy=False))


def _packed(times: npt.NDArray[np.int64] | None) -> list[Buffer]:
    if times is None:
        return []
    return [_ROWS.pack(len(times), 0), np.ascontiguousarray(times, "<i8").data.cast("B")]


def _unpacked(flags: int, payload: Buffer) -> tuple[npt.NDArray[np.int64] | None, Buffer]:
    if not flags & TIMES:
        return None, payload
    rows = _ROWS.unpack_from(payload)[0] if len(payload) >= _ROWS.size else 0
    begin = _ROWS.size + rows * _TIME_SIZE
    if len(payload) < begin:
        raise ExchangeError(f"a batch of {len(payload)} bytes says that it has {rows} times")
    times = np.frombuffer(payload, "<i8", rows, _ROWS.size)
    return times, memoryview(payload)[begin:]


def _check_count(times: npt.NDArray[np.int64] | None, rows: int) -> None:
    if times is not None and len(times) != rows:
        raise ExchangeError(f"a batch of {counted(rows, 'record')} came with {len(times)} times")
