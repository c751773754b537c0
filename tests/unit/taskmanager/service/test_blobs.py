"""The cache of blobs: each fetched once, verified, and gone when nobody owns it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from millstream_dataflow.identity import Digest
from millstream_dataflow.job_graph import BlobRef
from millstream_taskmanager.service.blobs import (
    TRIES,
    BlobCache,
    BlobError,
    InterruptedFetchError,
    SourceGoneError,
    Take,
)
from tests.unit.taskmanager.service.scripted import eventually

DATA = b"some bytes" * 1_000


def reference(data: bytes = DATA) -> BlobRef:
    return BlobRef(Digest(hashlib.sha256(data).hexdigest()), len(data))


class Source:
    """Gives what a test puts in, in three pieces."""

    def __init__(self) -> None:
        self.fetches: list[Digest] = []
        self.answers: list[bytes | Exception] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.cancelled = 0

    async def fetch(self, digest: Digest, take: Take) -> None:
        self.fetches.append(digest)
        answer = self.answers.pop(0) if self.answers else DATA
        if isinstance(answer, Exception):
            raise answer
        try:
            for start in range(0, len(answer), 4_000):
                await take(answer[start : start + 4_000])
                await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def cache(tmp_path: Path, source: Source) -> AsyncIterator[BlobCache]:
    cache = BlobCache(tmp_path, source)
    yield cache
    await cache.stop()


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def settled(cache: BlobCache) -> None:
    """Everything that its thread had to do is done."""
    await cache._disk.ask(lambda: None)


async def test_a_blob_lies_under_its_digest(cache: BlobCache, tmp_path: Path) -> None:
    path = await cache.need(reference(), "job")
    assert path == tmp_path / reference().digest
    assert path.read_bytes() == DATA


async def test_it_is_fetched_once_for_all_who_ask_at_once_or_again(cache: BlobCache, source: Source) -> None:
    await asyncio.gather(*[cache.need(reference(), f"owner {number}") for number in range(5)])
    await cache.need(reference(), "another")
    assert source.fetches == [reference().digest]


async def test_it_goes_with_its_last_owner(cache: BlobCache, source: Source, tmp_path: Path) -> None:
    path = await cache.need(reference(), "one")
    await cache.need(reference(), "other")
    cache.release("one")
    await settled(cache)
    assert path.exists()
    cache.release("other")
    await settled(cache)
    assert files(tmp_path) == []
    await cache.need(reference(), "one")
    assert len(source.fetches) == 2


@pytest.mark.parametrize(
    "wrong", [DATA[:-1], DATA + b"x", b"x" + DATA[1:], InterruptedFetchError("the connection closed")]
)
async def test_what_went_wrong_on_its_way_is_tried_again(
    cache: BlobCache, source: Source, wrong: bytes | Exception, tmp_path: Path
) -> None:
    source.answers = [wrong] * (TRIES - 1)
    path = await cache.need(reference(), "job")
    assert path.read_bytes() == DATA
    assert len(source.fetches) == TRIES
    await settled(cache)
    assert files(tmp_path) == [path]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (DATA[:-1], "9,999 of its 10,000 bytes came"),
        (DATA + b"x", "more than its 10,000 bytes came"),
        (b"x" + DATA[1:], "another SHA-256"),
        (InterruptedFetchError("the connection closed"), "the connection closed"),
    ],
)
async def test_what_stays_wrong_is_an_error_that_says_how(
    cache: BlobCache, source: Source, wrong: bytes | Exception, words: str, tmp_path: Path
) -> None:
    source.answers = [wrong] * TRIES
    with pytest.raises(BlobError, match=words):
        await cache.need(reference(), "job")
    await settled(cache)
    assert files(tmp_path) == []
    assert (await cache.need(reference(), "job")).read_bytes() == DATA


async def test_who_is_asked_may_go_however_often(cache: BlobCache, source: Source) -> None:
    """Each time the next one is asked; that is no fault of the blob's."""
    source.answers = [SourceGoneError("the leader was killed")] * (TRIES + 1)
    assert (await cache.need(reference(), "job")).read_bytes() == DATA


async def test_what_the_leader_does_not_have_is_not_tried_again(cache: BlobCache, source: Source) -> None:
    source.answers = [BlobError("there is none")]
    with pytest.raises(BlobError, match="there is none"):
        await cache.need(reference(), "job")
    assert len(source.fetches) == 1


async def test_an_endless_blob_does_not_fill_the_disk(cache: BlobCache, source: Source, tmp_path: Path) -> None:
    source.answers = [b"x" * 1_000_000] * TRIES
    with pytest.raises(BlobError, match="more than"):
        await cache.need(reference(), "job")
    await settled(cache)
    assert files(tmp_path) == []


@pytest.mark.parametrize("digest", ["../../etc/passwd", "A" * 64, "a" * 63, ""])
async def test_a_name_that_is_no_digest_is_refused(cache: BlobCache, digest: str, source: Source) -> None:
    with pytest.raises(BlobError, match="no SHA-256"):
        await cache.need(BlobRef(Digest(digest), 1), "job")
    assert not source.fetches


async def test_a_directory_that_takes_no_file_is_named(source: Source, tmp_path: Path) -> None:
    cache = BlobCache(tmp_path / "gone", source)
    with pytest.raises(BlobError, match="can't be written"):
        await cache.need(reference(), "job")
    await cache.stop()


async def test_one_who_stops_waiting_does_not_end_the_fetch_for_others(cache: BlobCache, source: Source) -> None:
    source.go_on.clear()
    first = asyncio.create_task(cache.need(reference(), "one"))
    other = asyncio.create_task(cache.need(reference(), "other"))
    await eventually(lambda: source.fetches)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    source.go_on.set()
    assert (await other).read_bytes() == DATA
    assert len(source.fetches) == 1


async def test_when_all_stop_waiting_the_fetch_ends_and_another_can_begin(
    cache: BlobCache, source: Source, tmp_path: Path
) -> None:
    source.go_on.clear()
    waiting = [asyncio.create_task(cache.need(reference(), str(number))) for number in range(2)]
    await eventually(lambda: source.fetches)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    source.go_on.set()
    path = await cache.need(reference(), "later")
    assert path.read_bytes() == DATA
    assert source.cancelled == 1
    await settled(cache)
    assert files(tmp_path) == [path]


async def test_the_release_of_its_only_owner_gives_a_fetch_up(cache: BlobCache, source: Source) -> None:
    source.go_on.clear()
    waiting = asyncio.create_task(cache.need(reference(), "job"))
    await eventually(lambda: source.fetches)
    cache.release("job")
    with pytest.raises(BlobError, match="given up"):
        await waiting


async def test_it_stops_in_the_middle_of_a_fetch(source: Source, tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, source)
    source.go_on.clear()
    waiting = asyncio.create_task(cache.need(reference(), "job"))
    await eventually(lambda: source.fetches)
    await cache.stop()
    with pytest.raises(BlobError, match="given up"):
        await waiting
    assert files(tmp_path) == []
