"""Blobs over the leader's channel, in chunks: a call of its own, so no heartbeat waits behind them (law 3.3)."""

import asyncio
from typing import Final

import grpc
import grpc.aio

from millstream_dataflow.identity import Digest
from millstream_proto.blobs_pb2 import FetchRequest
from millstream_proto.session_pb2_grpc import TaskManagerGatewayStub
from millstream_taskmanager.service.blobs import BlobError, InterruptedFetchError, Take
from millstream_taskmanager.service.session import LeaderLink

_NO_USE: Final = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNIMPLEMENTED,
}


class LeaderBlobs:
    """The leader as a source of blobs. `timeout` (ms) is for the wait for each piece, and for a leader to be there."""

    def __init__(self, link: LeaderLink, timeout: int) -> None:
        self._link = link
        self._timeout = timeout / 1_000

    async def fetch(self, digest: Digest, take: Take) -> None:
        """As BlobSource says."""
        name = f"blob {digest[:12]}"
        call = None
        try:
            async with asyncio.timeout(self._timeout):
                channel = await self._link.channel()
            call = TaskManagerGatewayStub(channel).Fetch(FetchRequest(digest=digest))
            while True:
                async with asyncio.timeout(self._timeout):
                    chunk = await call.read()
                if chunk is grpc.aio.EOF:
                    return
                await take(chunk.data)
        except TimeoutError as error:
            what = "no JobManager was there" if call is None else "nothing of it came"
            raise InterruptedFetchError(f"{name} could not be fetched: {what} for {self._timeout:g} s") from error
        except grpc.aio.AioRpcError as error:
            text = f"{name} could not be fetched: the JobManager says {error.code().name}: {error.details()}"
            raise (BlobError if error.code() in _NO_USE else InterruptedFetchError)(text) from error
        except (asyncio.CancelledError, grpc.aio.UsageError) as error:
            # gRPC says so of its own call as well, when the session ends and takes the channel along.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise InterruptedFetchError(f"{name} could not be fetched: the session with the leader ended") from error
        finally:
            if call is not None:
                call.cancel()
