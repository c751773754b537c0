"""A disk that hangs under blobs: everybody else is answered meanwhile."""

import asyncio
import io
from pathlib import Path

import grpc
import pytest

from millstream_dataflow.identity import JobId
from millstream_jobmanager.service import uploads
from millstream_runtime.file_systems.local import LocalFile, LocalStorage
from tests.support.hanging_disk import HangingDisk
from tests.support.service_client import CHECKPOINTED, Client, client_of, job_of, leading


async def answers_others(client: Client, disk: HangingDisk) -> None:
    """The disk is asked, and somebody else gets an answer."""
    async with asyncio.timeout(15):
        await disk.busy.wait()
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.details(JobId("7" * 32))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND
    assert not disk.free.is_set()
    disk.free.set()


def hang_at_open(monkeypatch: pytest.MonkeyPatch, disk: HangingDisk) -> None:
    """Of a blob."""
    real = LocalStorage.open

    def opened(storage: LocalStorage, path: str) -> LocalFile:
        if Path(path).parent.name == "blobs":
            disk.pass_by()
        return real(storage, path)

    monkeypatch.setattr(LocalStorage, "open", opened)


async def test_a_blob_that_is_looked_for_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        first = await client.upload(b"the bytes")
        disk = HangingDisk()
        hang_at_open(monkeypatch, disk)
        again = asyncio.create_task(client.upload(b"the bytes"))
        await answers_others(client, disk)
        assert await again == first


async def test_blobs_that_a_submitted_job_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        disk = HangingDisk()
        hang_at_open(monkeypatch, disk)
        submitting = asyncio.create_task(client.submit(job_of(options=CHECKPOINTED)))
        await answers_others(client, disk)
        await submitting


async def test_the_room_of_an_upload_that_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = HangingDisk()

    class Gathered(io.BytesIO):
        def close(self) -> None:
            disk.pass_by()
            super().close()

    monkeypatch.setattr(uploads, "TemporaryFile", lambda dir: Gathered())  # noqa: A006, ARG005  # as that is called
    async with leading(tmp_path) as service, client_of(service) as client:
        uploading = asyncio.create_task(client.upload(b"the bytes"))
        await answers_others(client, disk)
        await uploading
