"""Blobs in pieces. The JobManager takes the first piece, and answers at once when it has the blob already."""

from collections.abc import Iterator, Mapping
from typing import Final

from millstream.errors import ExecutionError
from millstream.submission.gateway import Gateway
from millstream_dataflow.identity import Digest
from millstream_proto import blobs_pb2

CHUNK_SIZE: Final = 128 << 10
"""In bytes: half of what a message may hold (law 3.3)."""


def chunks(digest: Digest, data: bytes) -> Iterator[blobs_pb2.BlobChunk]:
    """The pieces in order; the first names digest and size, and comes for an empty blob as well."""
    yield blobs_pb2.BlobChunk(digest=digest, size=len(data), data=data[:CHUNK_SIZE])
    for begin in range(CHUNK_SIZE, len(data), CHUNK_SIZE):
        yield blobs_pb2.BlobChunk(data=data[begin : begin + CHUNK_SIZE])


def upload_all(gateway: Gateway, blobs: Mapping[Digest, bytes]) -> None:
    """Bring every blob to the store; ExecutionError when something else arrived there."""
    for digest, data in blobs.items():
        _upload(gateway, digest, data)


def _upload(gateway: Gateway, digest: Digest, data: bytes) -> None:
    stored = gateway.upload(digest, lambda: chunks(digest, data))
    if (stored.digest, stored.size) != (digest, len(data)):
        message = (
            f"blob {digest} of {len(data)} bytes arrived at {gateway.target} as {stored.digest} of {stored.size} "
            "bytes; something between here and there changes what it carries"
        )
        raise ExecutionError(message)
