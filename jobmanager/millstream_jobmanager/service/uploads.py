"""Blobs on their way in. They are gathered in a file without a name first, so that a client that sends slowly holds up
nobody: the store takes a blob in one go.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from millstream_dataflow.identity import Digest
from millstream_jobmanager.service.blobs import CHUNK
from millstream_jobmanager.service.carrier import Carrier
from millstream_jobmanager.service.names import check_digest
from millstream_jobmanager.service.refusals import RefusalError, invalid, not_now
from millstream_jobmanager.service.rpc import checked
from millstream_jobmanager.service.settings import ServiceSettings
from millstream_jobmanager.service.submissions import artifact_too_large
from millstream_jobmanager.store import BlobMismatchError, StoreWriteError
from millstream_proto.blobs_pb2 import BlobChunk
from millstream_proto.job_graph_pb2 import BlobRef

WRITE_AT = 1 << 20
"""Bytes gathered in memory for one write to the file."""


class Uploads:
    """Takes blobs from clients."""

    def __init__(self, carrier: Carrier, settings: ServiceSettings) -> None:
        self._carrier = carrier
        self._settings = settings

    async def take(self, chunks: AsyncIterator[BlobChunk]) -> BlobRef:
        """One blob; its answer means that it is durable. RefusalError when it is too large or not what it says."""
        first = checked(await anext(chunks, BlobChunk()))
        digest, size = Digest(first.digest), first.size
        check_digest(digest)
        if size > self._settings.max_artifact_size:
            raise artifact_too_large(f"blob {digest}", size, self._settings.max_artifact_size)
        try:
            if await self._is_there(digest, size):
                return BlobRef(digest=digest, size=size)
            file = await self._carrier.upload(self._new_file)
            try:
                await self._gather(digest, size, first, chunks, file)
                await self._carrier.put_blob(digest, _pieces(file))
            finally:
                await self._carrier.upload(file.close)  # gives the room back, which takes long for a large one
        except BlobMismatchError as error:
            raise invalid(str(error)) from error
        except (StoreWriteError, OSError) as error:
            raise not_now(f"blob {digest} could not be kept: {error}") from error
        return BlobRef(digest=digest, size=size)

    def _new_file(self) -> BinaryIO:
        return cast("BinaryIO", TemporaryFile(dir=self._settings.temporary_directory))

    async def _is_there(self, digest: Digest, size: int) -> bool:
        """A blob that is kept needn't come again; it counts as new from now on. One that the disk has damaged must."""
        if await self._carrier.blob_size(digest) != size:
            return False
        try:
            await self._carrier.put_blob(digest, ())
        except BlobMismatchError:
            return False
        return True

    async def _gather(
        self, digest: Digest, size: int, first: BlobChunk, chunks: AsyncIterator[BlobChunk], file: BinaryIO
    ) -> None:
        held, arrived, hashed = [first.data], len(first.data), hashlib.sha256(first.data)
        async for received in chunks:
            data = checked(received).data
            arrived += len(data)
            if arrived > size:
                break
            hashed.update(data)
            held.append(data)
            if sum(map(len, held)) >= WRITE_AT:
                await self._write(file, held)
                held = []
        await self._write(file, held)
        if arrived != size or hashed.hexdigest() != digest:
            raise _not_what_it_says(digest, size, arrived, hashed.hexdigest())

    async def _write(self, file: BinaryIO, pieces: list[bytes]) -> None:
        await self._carrier.upload(lambda: file.writelines(pieces))


def _not_what_it_says(digest: Digest, size: int, arrived: int, found: str) -> RefusalError:
    more = "or more " if arrived > size else ""
    text = f"blob {digest} was announced with {size} bytes; {arrived} {more}arrived, with the digest {found}"
    return invalid(f"{text}; upload it again")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(CHUNK * 8):
        yield piece
