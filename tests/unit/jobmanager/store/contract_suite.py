"""What every job store does; `test_local_contract` and tests/integration/ha/test_shared_store hold it for each."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millstream_dataflow.identity import Digest, Epoch, JobId
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store import BlobMismatchError, JobStore, StoreDamagedError, StoreError
from millstream_jobmanager.store.garbage import COLLECTION_INTERVAL_S
from millstream_runtime.file_systems import Location
from millstream_runtime.messages.record import RECORD_FORMAT, JobRecord
from tests.unit.jobmanager.store.samples import DONE, JOB, OTHER, Clock, digest, found, put_job, record

HOUR = 3_600.0
st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))


class StorePlace(Protocol):
    """Where one leader after the other has its store. Nobody leads at first."""

    clock: Clock
    directory: Location

    def lead(self, floor: int = 0) -> tuple[JobStore, Epoch]:
        """A new leader opens the store; its predecessor's is closed."""
        ...

    def record_file(self, job: JobId) -> Location:
        """Where the job's record lies, of which there is one."""
        ...


def blobs(place: StorePlace) -> set[str]:
    """Those that are there, by their digests."""
    names = place.directory.storage.entries((place.directory / "blobs").path)
    return {name.partition(".")[0] for name in names}


def blob_file(place: StorePlace, name: Digest) -> Location:
    """Where a blob lies, of which there is one."""
    folder = place.directory / "blobs"
    (file,) = [entry for entry in folder.storage.entries(folder.path) if entry.startswith(name)]
    return folder / file


def everything(place: StorePlace) -> dict[str, list[str]]:
    """The names of all files."""
    return {part: place.directory.storage.entries((place.directory / part).path) for part in ("jobs", "blobs")}


def rewrite(place: Location, data: bytes) -> None:
    """From outside."""
    place.storage.write(place.path, [data])


class StoreContract:
    """Subclasses have the fixture `place`."""

    @pytest.fixture
    def store(self, place: StorePlace) -> JobStore:
        """Of the first leader."""
        return place.lead()[0]

    # ------------------------------------------------------------ epochs

    def test_epochs_grow_from_leader_to_leader(self, place: StorePlace) -> None:
        assert [place.lead()[1] for _ in range(3)] == [1, 2, 3]

    def test_an_epoch_is_above_the_highest_found_in_checkpoints(self, place: StorePlace) -> None:
        assert [place.lead(floor)[1] for floor in (7, 3, 9)] == [8, 9, 10]

    # ------------------------------------------------------------ records

    @given(st.from_type(JobRecord))
    # The job is deleted after each example; and each subclass is about another store.
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    def test_any_record_is_recovered_as_it_was_put(self, store: JobStore, written: JobRecord) -> None:
        written = replace(written, job=JOB, version=1, format=RECORD_FORMAT)
        assert store.put(written) == DONE
        assert store.recover() == [written]
        store.delete(JOB)
        assert store.recover() == []

    def test_records_outlive_the_leader_that_put_them(self, place: StorePlace, store: JobStore) -> None:
        for version in (1, 2):
            assert store.put(record(version)) == DONE
        assert store.put(record(1, OTHER)) == DONE
        successor, _ = place.lead()
        assert successor.recover() == [record(1, OTHER), record(2)]
        assert successor.put(record(3)) == DONE

    def test_the_same_put_again_is_done(self, store: JobStore) -> None:
        assert store.put(record(1)) == store.put(record(1)) == DONE
        assert store.put(record(2)) == store.put(record(2)) == DONE

    def test_a_put_of_a_predecessor_is_settled_by_the_same_put(self, place: StorePlace, store: JobStore) -> None:
        store.put(record(1))
        successor, _ = place.lead()
        assert successor.put(record(1)) == DONE
        assert successor.recover() == [record(1)]

    @pytest.mark.parametrize("wrong", [record(2, nonce="another's"), record(1), record(4), record(0), record(-1)])
    def test_a_put_that_follows_no_version_is_a_conflict(self, store: JobStore, wrong: JobRecord) -> None:
        store.put(record(1))
        store.put(record(2))
        answer = store.put(wrong)
        assert answer.outcome is Outcome.CONFLICT
        assert "has version 2" in answer.reason
        assert store.recover() == [record(2)]

    def test_the_first_version_is_one(self, store: JobStore) -> None:
        assert store.put(record(2)).outcome is Outcome.CONFLICT
        assert store.recover() == []

    def test_a_deleted_job_is_forgotten(self, place: StorePlace, store: JobStore) -> None:
        store.put(record(1))
        store.delete(JOB)
        store.delete(JOB)
        assert store.recover() == []
        assert store.put(record(2)).outcome is Outcome.CONFLICT
        assert everything(place) == {"jobs": [], "blobs": []}
        assert store.put(record(1, nonce="anew")) == DONE
        assert store.recover() == [record(1, nonce="anew")]

    @pytest.mark.parametrize("job", ["", ".", "..", "../evil", "a/b", "/etc/passwd", "a\0b", "x" * 300, "-\n"])
    def test_a_job_id_that_is_a_path_reaches_no_file(self, place: StorePlace, store: JobStore, job: str) -> None:
        with pytest.raises(StoreError, match="job id"):
            store.put(record(1, JobId(job)))
        with pytest.raises(StoreError, match="job id"):
            store.delete(JobId(job))
        assert everything(place) == {"jobs": [], "blobs": []}

    def test_ids_that_begin_alike_are_different_jobs(self, store: JobStore) -> None:
        jobs = [JobId(job) for job in ("a", "a.1", "a.1-b", "a.b")]
        for job in jobs:
            assert store.put(record(1, job)) == DONE
        store.delete(jobs[0])
        store.delete(jobs[2])
        assert [known.job for known in store.recover()] == ["a.1", "a.b"]

    # ------------------------------------------------------------ damage

    def test_flipped_bytes_and_truncations_are_found(self, place: StorePlace, store: JobStore) -> None:
        store.put(record(1))
        file = place.record_file(JOB)
        whole = file.storage.read(file.path)
        for offset in range(0, len(whole), 40):
            flipped = bytearray(whole)
            flipped[offset] ^= 0x11
            for damaged in (bytes(flipped), whole[:offset]):
                rewrite(file, damaged)
                with pytest.raises(StoreDamagedError, match=JOB):
                    store.recover()
        rewrite(file, whole)
        assert store.recover() == [record(1)]

    def test_all_damaged_records_are_named_with_what_to_do(self, place: StorePlace, store: JobStore) -> None:
        store.put(record(1))
        store.put(record(1, OTHER))
        files = [place.record_file(JOB), place.record_file(OTHER)]
        rewrite(files[0], b"garbage" * 10)
        rewrite(files[1], b"")
        with pytest.raises(StoreDamagedError, match="the job is forgotten then, its checkpoints stay") as caught:
            store.recover()
        for file in files:
            assert file.path in str(caught.value)

    def test_a_record_under_another_jobs_name_is_damage(self, place: StorePlace, store: JobStore) -> None:
        store.put(record(1))
        store.put(record(1, OTHER))
        file = place.record_file(JOB)
        rewrite(place.record_file(OTHER), file.storage.read(file.path))
        with pytest.raises(StoreDamagedError, match=OTHER):
            store.recover()

    def test_a_record_of_a_newer_format_is_not_guessed_at(self, store: JobStore) -> None:
        store.put(replace(record(1), format=RECORD_FORMAT + 1))
        with pytest.raises(StoreDamagedError, match="use a newer one"):
            store.recover()

    def test_a_closed_store_does_nothing(self, place: StorePlace, store: JobStore) -> None:
        store.close()
        store.close()
        for call in (
            store.recover,
            store.collect_garbage,
            lambda: store.put(record(1)),
            lambda: store.delete(JOB),
            lambda: store.put_blob(digest(b"data"), [b"data"]),
            lambda: store.open_blob(digest(b"data")),
        ):
            with pytest.raises(StoreError, match="isn't open"):
                call()
        assert everything(place) == {"jobs": [], "blobs": []}

    # ------------------------------------------------------------ blobs

    def test_a_blob_comes_in_chunks(self, store: JobStore) -> None:
        data = bytes(range(256)) * 1_000
        assert found(store, digest(data)) is None
        store.put_blob(digest(data), (data[at : at + 999] for at in range(0, len(data), 999)))
        assert found(store, digest(data)) == data

    def test_an_empty_blob_is_one(self, store: JobStore) -> None:
        store.put_blob(digest(b""), [])
        assert found(store, digest(b"")) == b""

    def test_other_bytes_than_the_digest_names_are_refused(self, place: StorePlace, store: JobStore) -> None:
        with pytest.raises(BlobMismatchError, match="5 bytes came under the digest"):
            store.put_blob(digest(b"right"), [b"wr", b"ong"])
        assert found(store, digest(b"right")) is None
        assert blobs(place) == set()

    def test_an_upload_that_breaks_off_leaves_nothing(self, place: StorePlace, store: JobStore) -> None:
        def chunks() -> Iterator[bytes]:
            yield b"first"
            raise RuntimeError("the client has gone")

        with pytest.raises(RuntimeError, match="gone"):
            store.put_blob(digest(b"first and second"), chunks())
        assert blobs(place) == set()

    def test_a_blob_that_the_disk_has_damaged_is_mended_by_the_next_upload(
        self, place: StorePlace, store: JobStore
    ) -> None:
        store.put_blob(digest(b"content"), [b"content"])
        file = blob_file(place, digest(b"content"))
        rewrite(file, b"cOntent")
        store.put_blob(digest(b"content"), [b"content"])
        assert file.storage.read(file.path) == b"content"

    @pytest.mark.parametrize("wrong", ["", "..", "../jobs/x", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 64 + "\n"])
    def test_a_digest_that_is_none_reaches_no_file(self, place: StorePlace, store: JobStore, wrong: str) -> None:
        with pytest.raises(StoreError, match="SHA-256"):
            store.put_blob(Digest(wrong), [b"data"])
        with pytest.raises(StoreError, match="SHA-256"):
            store.open_blob(Digest(wrong))
        assert everything(place) == {"jobs": [], "blobs": []}

    # ------------------------------------------------------------ garbage

    def test_what_no_job_needs_goes_after_an_hour(self, place: StorePlace, store: JobStore) -> None:
        put_job(store, JOB, b"functions", b"shared code")
        put_job(store, OTHER, b"other functions", b"shared code")
        store.put_blob(digest(b"never submitted"), [b"never submitted"])
        before = blobs(place)
        place.clock.now += HOUR
        store.collect_garbage()
        assert blobs(place) == before
        place.clock.now += COLLECTION_INTERVAL_S
        store.collect_garbage()
        assert blobs(place) == before - {digest(b"never submitted")}
        store.delete(OTHER)
        place.clock.now += COLLECTION_INTERVAL_S
        store.collect_garbage()
        needed = {digest(b"functions"), digest(b"shared code"), store.recover()[0].graph.digest}
        assert blobs(place) == needed
        store.delete(JOB)
        place.clock.now += COLLECTION_INTERVAL_S
        store.collect_garbage()
        assert everything(place) == {"jobs": [], "blobs": []}

    def test_it_is_looked_for_at_most_once_in_ten_minutes(self, place: StorePlace, store: JobStore) -> None:
        """Every record and graph is read for it, and after each job that ends."""
        store.put_blob(digest(b"never submitted"), [b"never submitted"])
        place.clock.now += HOUR
        store.collect_garbage()
        place.clock.now += COLLECTION_INTERVAL_S - 1
        store.collect_garbage()
        assert blobs(place) == {digest(b"never submitted")}
        place.clock.now += 1
        store.collect_garbage()
        assert blobs(place) == set()

    def test_an_upload_of_what_is_there_makes_it_new(self, place: StorePlace, store: JobStore) -> None:
        """The submit that follows needs it."""
        store.put_blob(digest(b"functions"), [b"functions"])
        place.clock.now += 2 * HOUR
        store.put_blob(digest(b"functions"), [b"functions"])
        store.collect_garbage()
        assert blobs(place) == {digest(b"functions")}

    @pytest.mark.parametrize("damage", ["record", "graph", "no graph"])
    def test_nothing_goes_while_it_is_unknown_what_is_needed_and_that_is_said_once(
        self, place: StorePlace, store: JobStore, damage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        put_job(store, JOB, b"functions", b"code")
        graph = blob_file(place, store.recover()[0].graph.digest)
        damaged = place.record_file(JOB) if damage == "record" else graph
        whole = damaged.storage.read(damaged.path)
        if damage == "no graph":
            damaged.storage.remove_file(damaged.path)
        else:
            rewrite(damaged, b"\xff" * 10)
        store.put_blob(digest(b"never submitted"), [b"never submitted"])
        before = blobs(place)
        for _ in range(3):
            place.clock.now += 2 * HOUR
            store.collect_garbage()
        assert blobs(place) == before
        (warning,) = [entry for entry in caplog.records if entry.name == "millstream.jobmanager.store"]
        assert warning.levelname == "WARNING"
        assert damaged.path in warning.message
        rewrite(damaged, whole)
        place.clock.now += 2 * HOUR
        store.collect_garbage()
        assert digest(b"never submitted") not in blobs(place)

    def test_what_is_not_ours_is_left_alone(self, place: StorePlace, store: JobStore) -> None:
        for part in ("blobs", "jobs"):
            rewrite(place.directory / part / "README", b"mine")
        place.clock.now += 1e9
        store.collect_garbage()
        place.clock.now += 1e9
        store.collect_garbage()
        assert everything(place) == {"blobs": ["README"], "jobs": ["README"]}
        assert store.recover() == []
