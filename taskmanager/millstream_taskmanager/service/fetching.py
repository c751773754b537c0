"""Blobs over the leader's channel, in chunks: a call of its own, so no heartbeat waits behind them (law 3.3)."""

import asyncio
from collections.abc import Mapping
from typing import Final

import grpc
import grpc.aio

from millstream_dataflow.identity import Digest
from millstream_proto.blobs_pb2 import FetchRequest
from millstream_proto.session_pb2_grpc import TaskManagerGatewayStub
from millstream_taskmanager.service.blobs import BlobError, InterruptedFetchError, SourceGoneError, Take
from millstream_taskmanager.service.session import LeaderLink

_KINDS: Final[Mapping[grpc.StatusCode, type[BlobError]]] = {
    grpc.StatusCode.NOT_FOUND: BlobError,
    grpc.StatusCode.INVALID_ARGUMENT: BlobError,
    grpc.StatusCode.PERMISSION_DENIED: BlobError,
    grpc.StatusCode.UNIMPLEMENTED: BlobError,
    grpc.StatusCode.UNAVAILABLE: SourceGoneError,
}
"""Of the leader's answers; after any other the same one is asked again."""


class LeaderBlobs:
    """The leader as a source of blobs. `timeout` (ms) is for the wait for each piece. For a leader it is waited as long
    as tasks are kept without one (law 3.5): what begins to run is not ended sooner than what runs.
    """

    def __init__(self, link: LeaderLink, timeout: int) -> None:
        self._link = link
        self._timeout = timeout / 1_000

    async def fetch(self, digest: Digest, take: Take) -> None:
        """As BlobSource says."""
        name = f"blob {digest[:12]}"
        call = None
        try:
            channel = await self._link.channel()
            call = TaskManagerGatewayStub(channel).Fetch(FetchRequest(digest=digest), wait_for_ready=True)
            while True:
                async with asyncio.timeout(self._timeout):
                    chunk = await call.read()
                if chunk is grpc.aio.EOF:
                    return
                await take(chunk.data)
        except TimeoutError as error:
            text = f"{name} could not be fetched: nothing of it came for {self._timeout:g} s"
            raise InterruptedFetchError(text) from error
        except grpc.aio.AioRpcError as error:
            text = f"{name} could not be fetched: the JobManager says {error.code().name}: {error.details()}"
            raise _KINDS.get(error.code(), InterruptedFetchError)(text) from error
        except (asyncio.CancelledError, grpc.aio.UsageError) as error:
            # gRPC says so of its own call as well, when the session ends and takes the channel along.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise SourceGoneError(f"{name} could not be fetched: the session with the leader ended") from error
        finally:
            if call is not None:
                call.cancel()
