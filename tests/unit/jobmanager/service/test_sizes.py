"""What is larger than a limit is refused before it is held; limits of graphs and artifacts are tested with uploads."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support.service_client import client_of, leading


@pytest.mark.parametrize("method", ["ClientGateway/Submit", "ClientGateway/UploadBlob", "TaskManagerGateway/Session"])
async def test_a_message_larger_than_any_may_be_is_refused_by_its_length(tmp_path: Path, method: str) -> None:
    """GRPC reads the length first."""
    async with leading(tmp_path, {"jobmanager.submit.max-graph-size": "1mb"}) as service, client_of(service) as client:
        async with grpc.aio.insecure_channel(service.target) as channel:
            call: Any = channel.stream_stream(f"/millstream.v1.{method}")()
            await call.write(bytes(3 << 20))
            with pytest.raises(grpc.aio.AioRpcError, match=r"larger than max \(\d+ vs\. 2097152\)") as caught:
                await call.read()
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await client.cluster()).epoch == 1
