"""What holds for every file system: a disk, one of pyarrow, an object store."""

import secrets
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from millstream_runtime.file_systems import Location, is_refusal, locate
from tests.support.object_store import ObjectStore

KINDS = ["disk", "pyarrow", "s3"]
EXCLUSIVE = ["disk", "s3"]
"""pyarrow has no call that makes a file where there is none."""


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """A directory that doesn't exist yet."""
    name = secrets.token_hex(4)
    if request.param == "disk":
        return locate(f"{tmp_path}/{name}")
    if request.param == "pyarrow":
        return locate(f"mock://{name}/directory")
    store = request.getfixturevalue("object_store")
    assert isinstance(store, ObjectStore)
    return locate(store.uri(name))


def write(place: Location, *chunks: bytes) -> None:
    place.storage.write(place.path, chunks)


def read(place: Location) -> bytes:
    return place.storage.read(place.path)


def test_what_is_written_is_read(place: Location) -> None:
    for content in ((b"one, ", b"", b"two"), (), (b"over",)):
        write(place / "file", *content)
        assert read(place / "file") == b"".join(content)
        file = place.storage.open((place / "file").path)
        assert file.size == len(b"".join(content))
        assert file.read_at(0, 100) == b"".join(content)
        assert file.read_at(1, 2) == b"".join(content)[1:3]
        assert file.read_at(file.size, 1) == b""
        assert file.read_at(0, 0) == b""
        file.close()


def test_a_private_directory_is_written_to_like_others(place: Location) -> None:
    for _ in range(2):
        place.storage.make_private(place.path)
    write(place / "file", b"content")
    assert read(place / "file") == b"content"


def test_on_a_disk_it_is_its_owner_s_alone_and_what_lies_around_it_is_not(tmp_path: Path) -> None:
    above = locate(f"{tmp_path}/above")
    above.storage.make_private((above / "private").path)
    write(above / "other" / "file", b"")
    (tmp_path / "shared").mkdir(mode=0o750)
    above.storage.make_private(f"{tmp_path}/shared")
    private, *others = (tmp_path / name for name in ("above/private", "above", "above/other"))
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert [path.stat().st_mode & 0o055 for path in others] == [0o055, 0o055]
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o750


def test_what_is_not_there_is_missing(place: Location) -> None:
    with pytest.raises(FileNotFoundError):
        place.storage.open((place / "file").path)
    with pytest.raises(FileNotFoundError):
        read(place / "file")
    assert place.storage.entries(place.path) == []
    assert place.storage.find(place.path, "file") == []
    place.storage.remove_file((place / "file").path)
    place.storage.remove_tree(place.path)


def test_names_are_taken_as_they_are(place: Location) -> None:
    names = ["0-1-count[0]", "a#@=+,b", "a%20b", "a b", "ä"]
    for name in names:
        write(place / name, name.encode())
    assert place.storage.entries(place.path) == sorted(names)
    assert [read(place / name).decode() for name in names] == names


def test_entries_are_one_level_and_finding_goes_two_deep(place: Location) -> None:
    for path in ("file", "1/file", "1/2/file", "1/2/other", "1/2/3/file", "11/file"):
        write(Location(place.storage, f"{place.path}/{path}"), b"x")
    assert place.storage.entries(place.path) == ["1", "11", "file"]
    assert place.storage.entries(f"{place.path}/1") == ["2", "file"]
    found = place.storage.find(place.path, "file")
    assert sorted(found) == sorted(f"{place.path}/{path}/file" for path in ("1", "1/2", "11"))


def test_a_tree_goes_whole_and_its_neighbours_stay(place: Location) -> None:
    for path in ("1/file", "1/2/file", "11/file", "one"):
        write(Location(place.storage, f"{place.path}/{path}"), b"x")
    place.storage.remove_tree(f"{place.path}/1")
    assert place.storage.entries(place.path) == ["11", "one"]
    place.storage.remove_tree(f"{place.path}/one")
    place.storage.remove_file(f"{place.path}/11/file")
    assert place.storage.find(place.path, "file") == []


@pytest.mark.parametrize("before", [0, 9 << 20], ids=["small", "in parts"])
def test_nothing_is_written_when_the_chunks_raise(place: Location, before: int) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(before)
        raise RuntimeError("the client has gone")

    write(place / "file", b"before")
    with pytest.raises(RuntimeError, match="gone"):
        place.storage.write((place / "file").path, chunks())
    assert read(place / "file") == b"before"
    assert place.storage.entries(place.path) == ["file"]


def test_a_file_of_several_parts_is_written_and_read_whole(place: Location) -> None:
    """More than the 8 MiB of a part and of a request."""
    chunks = [bytes([number]) * (3 << 20) for number in range(3)]
    write(place / "file", *chunks)
    file = place.storage.open((place / "file").path)
    assert file.size == 9 << 20
    assert file.read_at(1, 9 << 20) == b"".join(chunks)[1:]
    file.close()


def test_a_file_is_published_once(place: Location) -> None:
    path = (place / "file").path
    assert place.storage.publish(path, b"mine") == b"mine"
    assert place.storage.publish(path, b"mine") == b"mine"
    assert place.storage.publish(path, b"another's") == b"mine"
    assert read(place / "file") == b"mine"
    assert place.storage.entries(place.path) == ["file"]


@pytest.mark.parametrize("place", EXCLUSIVE, indirect=True)
def test_of_those_who_publish_at_once_one_wins(place: Location) -> None:
    at_once = Barrier(4)

    def publish(mine: bytes) -> list[bytes]:
        found: list[bytes] = []
        for number in range(3):
            at_once.wait(5)
            found.append(place.storage.publish((place / f"file-{number}").path, mine))
        return found

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(publish, (b"0", b"1", b"2", b"3")))
    assert found == [[read(place / f"file-{number}") for number in range(3)]] * 4


def test_two_places_are_told_apart(place: Location, tmp_path: Path) -> None:
    there = {place.storage.identity((place / name).path) for name in ("a", "b")}
    assert len(there | {locate(f"{tmp_path}/a").storage.identity(f"{tmp_path}/a")}) == 3
    assert not place.storage.is_link(place.path)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/a?bogus=1",
        "s3://key:secret@bucket/a",
        "s3://",
        "gs://bucket/a?region=x",
        "az://container/a",
        "nope://bucket/a",
    ],
)
def test_a_uri_that_says_too_much_or_too_little_is_refused(uri: str) -> None:
    with pytest.raises(OSError, match=r"\w") as refused:
        locate(uri)
    assert is_refusal(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("s3://bucket/a/chk-1", "bucket/a/chk-1"),
        ("s3a://bucket?region=eu-north-1/a", "bucket/a"),
        ("gs://bucket/a", "bucket/a"),
        ("abfss://container@account.dfs.core.windows.net/a", "container@account.dfs.core.windows.net/a"),
    ],
)
def test_the_bucket_is_part_of_the_path(uri: str, path: str) -> None:
    assert locate(uri).path == path
