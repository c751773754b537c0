"""`_metadata`: what makes a directory a complete checkpoint. It appears whole or not at all (law 1.4).

    magic 8 bytes | version u32 | epoch i64 | checkpoint i64 | length u64 | checksum u32 of all before
    protobuf of CheckpointMetadata
    checksum u32 of all before

Epoch and id stand in front, under a checksum of their own, so that a leader finds the highest of thousands without
reading any, even where the rest is damaged.
"""

import struct
from dataclasses import dataclass

from millstream_dataflow.identity import CheckpointId, Epoch
from millstream_runtime.checkpoint_files.errors import (
    CheckpointConflictError,
    CorruptCheckpointError,
    StorageRefusedError,
    changing,
    reading,
)
from millstream_runtime.checkpoint_files.layout import CHECKSUM, checksum
from millstream_runtime.file_systems import Location, locate
from millstream_runtime.messages.codec import MalformedMessageError, decode, encode
from millstream_runtime.messages.snapshots import CheckpointMetadata, FileRef

METADATA_NAME = "_metadata"
_MAGIC = b"\x93MSmeta\n"
_VERSION = 1  # until the first release, as FILE_FORMAT
_HEAD = struct.Struct("<8sIqqQ")
_HEADER_SIZE = _HEAD.size + CHECKSUM.size


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands in front. The order is that of age (law 1.4)."""

    epoch: Epoch
    checkpoint: CheckpointId
    length: int


def publish_metadata(path: str, metadata: CheckpointMetadata) -> int:
    """Write `<path>/_metadata`; the checkpoint is complete when this returns. The answer is the checkpoint's size in
    bytes, data files included.

    Again with the same metadata is allowed, and is how an unknown outcome is settled. CheckpointConflictError when
    another epoch's or id's is there, StorageRefusedError when another job's is or the file can't be written,
    StorageUnreachableError when it is unknown whether it was.
    """
    name = f"{path}/{METADATA_NAME}"
    data = _encoded(metadata)
    with changing(name, "written"):
        place = locate(path) / METADATA_NAME
        there = place.storage.publish(place.path, data)
    if there != data:
        _refuse(name, there, metadata)
    return len(data) + sum(
        task.snapshot.handle.size for task in metadata.tasks if isinstance(task.snapshot.handle, FileRef)
    )


def _refuse(name: str, there: bytes, metadata: CheckpointMetadata) -> None:
    """What is there is never replaced: it may be what somebody restores from."""
    try:
        found = _decoded(name, there)
    except CorruptCheckpointError as error:
        raise StorageRefusedError(f"{name} is taken by a file that is no metadata: {error}") from error
    text = (
        f"{name} is that of checkpoint {found.checkpoint} of job {found.job} in epoch {found.epoch}; "
        f"checkpoint {metadata.checkpoint} of job {metadata.job} in epoch {metadata.epoch} doesn't replace it"
    )
    if found.job != metadata.job:
        raise StorageRefusedError(f"{text}; name another directory")
    raise CheckpointConflictError(text)


def load_metadata(path: str) -> CheckpointMetadata:
    """The metadata of the checkpoint or savepoint in directory `path`, checked.

    CorruptCheckpointError names the file and what is wrong with it, StorageUnreachableError when it can't be known.
    """
    name = f"{path}/{METADATA_NAME}"
    with reading(name):
        place = locate(path) / METADATA_NAME
        return _decoded(name, place.storage.read(place.path))


def read_heading(name: str, place: Location) -> Heading:
    """Epoch and id of a `_metadata`, without the rest. `name` is how errors call it."""
    with reading(name):
        file = place.storage.open(place.path)
        try:
            return _heading(name, file.read_at(0, _HEADER_SIZE))
        finally:
            file.close()


def _encoded(metadata: CheckpointMetadata) -> bytes:
    body = encode(metadata)
    head = _HEAD.pack(_MAGIC, _VERSION, metadata.epoch, metadata.checkpoint, len(body))
    data = b"".join((head, CHECKSUM.pack(checksum(head)), body))
    return data + CHECKSUM.pack(checksum(data))


def _heading(name: str, data: bytes) -> Heading:
    if len(data) < _HEADER_SIZE:
        raise CorruptCheckpointError(f"{name} has {len(data)} bytes, fewer than any metadata; it was truncated")
    magic, version, epoch, checkpoint, length = _HEAD.unpack(data[: _HEAD.size])
    if magic != _MAGIC:
        raise CorruptCheckpointError(f"{name} doesn't begin as metadata begins (offset 0); it is none, or was altered")
    if CHECKSUM.unpack(data[_HEAD.size : _HEADER_SIZE])[0] != checksum(data[: _HEAD.size]):
        raise CorruptCheckpointError(f"{name}: the header (offset 8) was altered: it doesn't fit its checksum")
    if version != _VERSION:
        raise CorruptCheckpointError(f"{name} has format {version}, this Millstream reads {_VERSION}; use a newer one")
    return Heading(Epoch(epoch), CheckpointId(checkpoint), length)


def _decoded(name: str, data: bytes) -> CheckpointMetadata:
    heading = _heading(name, data)
    expected = _HEADER_SIZE + heading.length + CHECKSUM.size
    if len(data) != expected:
        raise CorruptCheckpointError(f"{name} has {len(data)} bytes and should have {expected}; it was truncated")
    (stored,) = CHECKSUM.unpack(data[-CHECKSUM.size :])
    found = checksum(data[: -CHECKSUM.size])
    if found != stored:
        text = f"{name} was altered: its checksum is {found:08x}, at offset {len(data) - CHECKSUM.size} is {stored:08x}"
        raise CorruptCheckpointError(text)
    try:
        metadata = decode(CheckpointMetadata, data[_HEADER_SIZE : -CHECKSUM.size])
    except MalformedMessageError as error:
        raise CorruptCheckpointError(f"{name} can't be understood: {error}") from error
    if (metadata.epoch, metadata.checkpoint) != (heading.epoch, heading.checkpoint):
        found_there = f"checkpoint {metadata.checkpoint} of epoch {metadata.epoch}"
        raise CorruptCheckpointError(f"{name} holds {found_there}, its header names another")
    return metadata
