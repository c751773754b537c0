"""What only an object store does: it answers late, not at all, or no."""

import json
import re
import secrets
import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from millstream_runtime.checkpoint_files import (
    CheckpointConflictError,
    CorruptCheckpointError,
    StorageRefusedError,
    StorageUnreachableError,
    encode_snapshot,
    highest_epoch,
    latest_checkpoints,
    load_metadata,
    publish_metadata,
    write_data_file,
)
from millstream_runtime.file_systems import UncertainWriteError, locate, object_store
from tests.support.clusters import free_port
from tests.support.object_store import Deafener, ObjectStore
from tests.unit.runtime.checkpoint_files.samples import CONTENTS, JOB, metadata, write_checkpoint

CHUNKS = encode_snapshot(CONTENTS)


@pytest.fixture
def name() -> str:
    return secrets.token_hex(4)


@pytest.fixture(name="store")
def store_(request: pytest.FixtureRequest) -> ObjectStore:
    """By another name than the module has."""
    found = request.getfixturevalue("object_store")
    assert isinstance(found, ObjectStore)
    return found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried again, in buckets whose URI is new."""
    monkeypatch.setattr(object_store, "RETRIES_S", 0.1)


@pytest.fixture
def deafener(store: ObjectStore) -> Generator[Deafener]:
    with closing(Deafener(("127.0.0.1", free_port()), ("127.0.0.1", store.port))) as found:
        yield found


@pytest.mark.usefixtures("impatient")
def test_a_publication_whose_answer_is_lost_is_settled_by_repeating_it(
    store: ObjectStore, deafener: Deafener, name: str
) -> None:
    path = store.uri(name, deafener.port) + "/chk-1"
    with pytest.raises(StorageUnreachableError, match="perhaps"):
        publish_metadata(path, metadata(1))
    assert deafener.answers > 0
    assert load_metadata(store.uri(name) + "/chk-1") == metadata(1)
    deafener.deaf = False
    publish_metadata(path, metadata(1))
    with pytest.raises(CheckpointConflictError):
        publish_metadata(path, metadata(1, epoch=9))
    assert load_metadata(path) == metadata(1)


@pytest.mark.usefixtures("impatient")
def test_where_another_came_first_meanwhile_repeating_it_says_so(
    store: ObjectStore, deafener: Deafener, name: str
) -> None:
    publish_metadata(store.uri(name) + "/chk-1", metadata(1, epoch=9))
    path = store.uri(name, deafener.port) + "/chk-1"
    with pytest.raises(StorageUnreachableError, match="perhaps"):
        publish_metadata(path, metadata(1))
    deafener.deaf = False
    with pytest.raises(CheckpointConflictError):
        publish_metadata(path, metadata(1))


@pytest.mark.usefixtures("impatient")
def test_a_data_file_whose_answer_is_lost_is_of_unknown_outcome(
    store: ObjectStore, deafener: Deafener, name: str
) -> None:
    with pytest.raises(StorageUnreachableError, match="perhaps"):
        write_data_file(store.uri(name, deafener.port), "part", CHUNKS)
    deafener.deaf = False
    assert write_data_file(store.uri(name, deafener.port), "part", CHUNKS).path == "part"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_silent_holds_nobody_for_ever(
    store: ObjectStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_metadata(f"{store.uri(name)}/chk-1", metadata(1))
    monkeypatch.setattr(object_store, "ANSWER_S", 0.1)
    path = store.uri(name).replace("s3:", "s3a:")
    store.freeze()
    try:
        with pytest.raises(StorageUnreachableError, match="chk-1/_metadata could not be read"):
            load_metadata(f"{path}/chk-1")
        with pytest.raises(StorageUnreachableError, match="perhaps"):
            publish_metadata(f"{path}/chk-2", metadata(2))
        with pytest.raises(StorageUnreachableError, match="could not be read"):
            highest_epoch(path)
    finally:
        store.thaw()


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_unreachable(store: ObjectStore, name: str) -> None:
    path = store.uri(name, free_port())
    with pytest.raises(StorageUnreachableError, match="part could not be written"):
        write_data_file(path, "part", CHUNKS)
    with pytest.raises(StorageUnreachableError):
        latest_checkpoints(path, JOB)


def test_want_of_permission_is_a_refusal(store: ObjectStore, name: str) -> None:
    bucket = f"denied-{name}"
    store.ask("PUT", bucket)
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = {"Version": "2012-10-17", "Statement": [denied]}
    store.ask("PUT", f"{bucket}?policy", json.dumps(policy).encode())
    path = store.uri(name, bucket=bucket)
    with pytest.raises(StorageRefusedError, match="403"):
        write_data_file(path, "part", CHUNKS)
    with pytest.raises(StorageRefusedError, match="403"):
        publish_metadata(path, metadata())


def test_a_bucket_that_is_not_there_is_a_refusal_that_names_it(store: ObjectStore, name: str) -> None:
    path = store.uri(name, bucket="nobody-has-this")
    with pytest.raises(StorageRefusedError, match="NoSuchBucket"):
        write_data_file(path, "part", CHUNKS)
    with pytest.raises(StorageRefusedError, match="NoSuchBucket"):
        publish_metadata(path, metadata())
    with pytest.raises(StorageRefusedError, match="NoSuchBucket"):
        write_data_file(path, "part", [bytes(9 << 20), *CHUNKS])
    with pytest.raises(CorruptCheckpointError, match="NoSuchBucket"):
        load_metadata(path)
    with pytest.raises(StorageUnreachableError, match="NoSuchBucket"):
        highest_epoch(path)


def test_an_upload_that_is_given_up_leaves_nothing(store: ObjectStore, name: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(9 << 20)
        raise RuntimeError("the client has gone")

    place = locate(store.uri(name))
    with pytest.raises(RuntimeError, match="gone"):
        place.storage.write((place / "file").path, chunks())
    assert b"UploadId>" not in store.ask("GET", "bucket?uploads")
    assert place.storage.entries(place.path) == []


def test_a_tree_of_many_pages_goes_whole(store: ObjectStore, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millstream_runtime.file_systems.object_store._PAGE", 2)
    directory = store.uri(name)
    for number in range(5):
        write_checkpoint(directory, number)
    place = locate(directory)
    assert len(place.storage.find(place.path, "_metadata")) == 5
    place.storage.remove_tree(place.path)
    assert place.storage.entries(place.path) == []


@pytest.mark.usefixtures("impatient")
def test_an_upload_that_is_not_there_any_more_may_have_landed(store: ObjectStore, name: str) -> None:
    """As when the answer to its completion was lost, and it was completed again."""

    def chunks() -> Iterator[bytes]:
        yield bytes(9 << 20)
        [upload] = re.findall(rb"<UploadId>(.+?)</UploadId>", store.ask("GET", "lossy?uploads"))
        store.ask("DELETE", f"lossy/{name}?uploadId={upload.decode()}")

    store.ask("PUT", "lossy")
    place = locate(store.uri(name, bucket="lossy"))
    with pytest.raises(UncertainWriteError, match="NoSuchUpload"):
        place.storage.write(place.path, chunks())


class Contradiction(BaseHTTPRequestHandler):
    """There is one, and there is none: as S3 answers while another request is under way."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(409)

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name for it
        """In silence."""


@pytest.fixture
def contradiction() -> Generator[int]:
    """Its port."""
    with HTTPServer(("127.0.0.1", 0), Contradiction) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_what_is_there_and_isn_t_is_of_unknown_outcome(store: ObjectStore, contradiction: int) -> None:
    place = locate(store.uri("nothing", contradiction))
    with pytest.raises(UncertainWriteError):
        place.storage.publish(place.path, b"mine")


def test_a_folder_that_somebody_made_by_hand_is_no_entry(store: ObjectStore, name: str) -> None:
    store.ask("PUT", f"bucket/{name}/")
    place = locate(store.uri(name))
    assert place.storage.entries(place.path) == []
    assert place.storage.find(place.path, name) == []
