"""Controls as payloads of a few bytes."""

import struct
from collections.abc import Callable, Mapping
from typing import Final

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import (
    Barrier,
    Control,
    End,
    EndOfData,
    EndReason,
    NoSplitNow,
    SnapshotKind,
    StreamStatus,
    Watermark,
)
from millstream_taskmanager.exchange.buffers import Buffer
from millstream_taskmanager.exchange.errors import ExchangeError
from millstream_taskmanager.exchange.frames import Kind

_TIME = struct.Struct("<q")
_BARRIER = struct.Struct("<QBB")  # checkpoint, kind, whether it is unaligned

# Numbers on the wire: never change one, add at the end.
_SNAPSHOTS: Mapping[SnapshotKind, int] = {
    SnapshotKind.CHECKPOINT: 0,
    SnapshotKind.SAVEPOINT: 1,
    SnapshotKind.FINAL: 2,
}
_REASONS: Mapping[EndReason, int] = {EndReason.INPUT: 0, EndReason.DRAIN: 1, EndReason.STOP: 2}
_SNAPSHOT_OF: Mapping[int, SnapshotKind] = {number: kind for kind, number in _SNAPSHOTS.items()}
_REASON_OF: Mapping[int, EndReason] = {number: reason for reason, number in _REASONS.items()}


def encode_control(control: Control) -> tuple[Kind, bytes]:
    """The kind of frame and its payload."""
    match control:
        case Watermark(time):
            return Kind.WATERMARK, _TIME.pack(time)
        case StreamStatus(idle):
            return Kind.STATUS, bytes((idle,))
        case Barrier(checkpoint, kind, directory, unaligned):
            return Kind.BARRIER, _BARRIER.pack(checkpoint, _SNAPSHOTS[kind], unaligned) + directory.encode()
        case NoSplitNow():
            return Kind.NO_SPLIT_NOW, b""
        case EndOfData(reason):
            return Kind.END_OF_DATA, bytes((_REASONS[reason],))
        case End():
            return Kind.END, b""


def decode_control(kind: Kind, payload: Buffer) -> Control:
    """The control. ExchangeError for a payload that can't be one."""
    try:
        return _DECODERS[kind](payload)
    except (struct.error, KeyError, IndexError, UnicodeDecodeError) as error:
        raise ExchangeError(f"a {kind.name} frame with a payload of {len(payload)} bytes that says nothing") from error


def _barrier(payload: Buffer) -> Barrier:
    checkpoint, kind, unaligned = _BARRIER.unpack_from(payload)
    directory = bytes(payload[_BARRIER.size :]).decode()
    return Barrier(CheckpointId(checkpoint), _SNAPSHOT_OF[kind], directory, {0: False, 1: True}[unaligned])


_DECODERS: Final[Mapping[Kind, Callable[[Buffer], Control]]] = {
    Kind.WATERMARK: lambda payload: Watermark(*_TIME.unpack(payload)),
    Kind.STATUS: lambda payload: StreamStatus(idle={0: False, 1: True}[payload[0]]),
    Kind.BARRIER: _barrier,
    Kind.NO_SPLIT_NOW: lambda _payload: NoSplitNow(),
    Kind.END_OF_DATA: lambda payload: EndOfData(_REASON_OF[payload[0]]),
    Kind.END: lambda _payload: End(),
}
