"""The records of jobs in files that pointers in ZooKeeper name.

A record's file is written first, then the pointer under the fence, then the former file goes: what a pointer names is
never changed, and what none names is no one's. A job is deleted pointer last, so no bytes are left without one.

The **incarnation** is a random name that a cluster's first leader gives to its nodes. Files of another one are of a
ZooKeeper whose data were lost; they are left for `millstream recover`.
"""

import logging
import zlib
from collections.abc import Iterator

from millstream_dataflow.identity import JobId
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store.answers import StoreAnswer, StoreDamagedError, StoreError, StoreWriteError
from millstream_jobmanager.store.fence import Fence, is_deposed
from millstream_jobmanager.store.sealed import DamagedError, seal, unseal
from millstream_runtime.file_systems import Location, is_plain_name, is_refusal
from millstream_runtime.leadership.errors import UnansweredError, ZooKeeperDeniedError
from millstream_runtime.leadership.nodes import JobPointer, NodeError, decode_pointer, encode_node
from millstream_runtime.leadership.zookeeper import (
    Check,
    Create,
    Delete,
    Operation,
    Refused,
    SetData,
    ZooKeeper,
)
from millstream_runtime.messages.codec import MalformedMessageError, decode, encode
from millstream_runtime.messages.record import RECORD_FORMAT, JobRecord

SUFFIX = ".record"

_log = logging.getLogger("millstream.jobmanager.store")
_Stored = tuple[JobPointer, int]
"""A pointer, and the version of its node."""


class SharedRecords:
    """Under one office. All calls block."""

    def __init__(self, zookeeper: ZooKeeper, fence: Fence, place: Location, incarnation: str) -> None:
        self._zookeeper = zookeeper
        self._fence = fence
        self._place = place
        self._incarnation = incarnation

    # ------------------------------------------------------------ reading

    def read_all(self) -> list[JobRecord]:
        """Every record; StoreDamagedError names all that can't be read. Carries on what was being deleted."""
        records: list[JobRecord] = []
        damaged: list[str] = []
        for job in self._zookeeper.ask(self._zookeeper.children(self._fence.nodes.jobs)):
            try:
                stored = self._pointer(JobId(job))
                if stored is not None and stored[0].deleting:
                    self.delete(JobId(job))
                elif stored is not None:
                    records.append(self._read(JobId(job), stored[0]))
            except (NodeError, DamagedError, FileNotFoundError) as error:
                damaged.append(f"{self._fence.nodes.job(JobId(job))}: {error}")
        if damaged:
            raise StoreDamagedError(
                f"records of jobs can't be read: {'; '.join(damaged)}. Put back the file, or delete the node and start "
                "again: the job is forgotten then, its checkpoints stay, and `millstream run -s <its newest "
                "checkpoint>` goes on from there"
            )
        return records

    def files(self) -> Iterator[JobRecord]:
        """Every record that has a file, also those that no pointer names: what they need isn't garbage."""
        storage = self._place.storage
        for job in storage.entries(self._place.path):
            for name in storage.entries((self._place / job).path):
                if name.endswith(SUFFIX):
                    yield read_record(self._place / job / name)

    def _pointer(self, job: JobId) -> _Stored | None:
        node = self._zookeeper.ask(self._zookeeper.read(self._fence.nodes.job(job)))
        return None if node is None else (decode_pointer(node.data), node.version)

    def _read(self, job: JobId, pointer: JobPointer) -> JobRecord:
        place = self._place / job / pointer.file
        data = place.storage.read(place.path)
        if (len(data), zlib.crc32(data)) != (pointer.size, pointer.checksum):
            raise DamagedError(f"{place.path} isn't the file that its pointer names")
        return _decoded(place, data)

    # ------------------------------------------------------------ writing

    def put(self, record: JobRecord) -> StoreAnswer:
        """Conditional on the version, idempotent by version and nonce."""
        if not is_plain_name(record.job):
            raise StoreError(f"{record.job!r} can't be a job id: it is no name of a file")
        path = self._fence.nodes.job(record.job)
        try:
            stored = self._pointer(record.job)
            known = None if stored is None else stored[0]
            if stored is not None and (stored[0].version, stored[0].nonce) == (record.version, record.nonce):
                return self._answer(path, [Check(path, stored[1])])
            if (0 if known is None else known.version) != record.version - 1 or (known is not None and known.deleting):
                text = f"{path} is {known}, version {record.version} can't take its place"
                return StoreAnswer(Outcome.CONFLICT, text)
            pointer = self._written(record)
            data = encode_node(pointer)
            change = Create(path, data) if stored is None else SetData(path, data, stored[1])
            answer = self._answer(path, [change])
        except NodeError as error:
            return StoreAnswer(Outcome.CONFLICT, f"{path} was altered from outside: {error}")
        except UnansweredError as error:
            return StoreAnswer(Outcome.UNKNOWN, f"{path} could not be written: {error}")
        except ZooKeeperDeniedError as error:
            return StoreAnswer(Outcome.REFUSED, f"{path} could not be written: {error}")
        except OSError as error:
            outcome = Outcome.REFUSED if is_refusal(error) else Outcome.UNKNOWN
            return StoreAnswer(outcome, f"the record of job {record.job} could not be written: {error}")
        if answer.outcome is Outcome.DONE:
            self._forget_others(record.job, known, pointer)
        return answer

    def _written(self, record: JobRecord) -> JobPointer:
        data = seal(encode(record))
        name = f"{record.version}-{self._incarnation}-{record.nonce}{SUFFIX}"
        place = self._place / record.job / name
        place.storage.write(place.path, [data])
        return JobPointer(record.version, record.nonce, name, len(data), zlib.crc32(data))

    def _answer(self, path: str, operations: list[Operation]) -> StoreAnswer:
        refused = self._commit(operations)
        if refused is None:
            return StoreAnswer(Outcome.DONE)
        if is_deposed(refused):
            return StoreAnswer(
                Outcome.CONFLICT, f"another JobManager leads, or this one's session has ended ({refused})"
            )
        # An earlier copy of this very write may have landed between reading and writing: the next try sees it.
        return StoreAnswer(Outcome.UNKNOWN, f"{path} changed meanwhile: {refused}")

    def _commit(self, operations: list[Operation]) -> Refused | None:
        return self._zookeeper.ask(self._zookeeper.commit(self._fence.guard(*operations)))

    def _forget_others(self, job: JobId, former: JobPointer | None, pointer: JobPointer) -> None:
        """The former file; at a job's first write, all that tries before it have left."""
        storage, place = self._place.storage, self._place / job
        try:
            names = storage.entries(place.path) if former is None else [former.file]
            for name in names:
                if name != pointer.file and f"-{self._incarnation}-" in name:
                    storage.remove_file((place / name).path)
        except OSError as error:
            _log.warning("job %s: a former record could not be deleted: %s", job, error)

    # ------------------------------------------------------------ deleting

    def delete(self, job: JobId) -> None:
        """Marked, then its bytes, then the pointer. Whoever finds the mark goes on."""
        path = self._fence.nodes.job(job)
        try:
            stored = self._pointer(job)
            if stored is None:
                return
            pointer, version = stored
            if not pointer.deleting:
                self._sure(path, [SetData(path, encode_node(_marked(pointer)), version)])
                version += 1
            place = self._place / job
            place.storage.remove_tree(place.path)
            self._sure(path, [Delete(path, version)])
        except (UnansweredError, OSError) as error:
            raise StoreWriteError(f"{path} could not be deleted: {error}", refused=False) from error

    def _sure(self, path: str, operations: list[Operation]) -> None:
        refused = self._commit(operations)
        if refused is not None:
            raise StoreWriteError(f"{path} could not be deleted: {refused}", refused=True)


def _marked(pointer: JobPointer) -> JobPointer:
    return JobPointer(pointer.version, pointer.nonce, pointer.file, pointer.size, pointer.checksum, deleting=True)


def read_record(place: Location) -> JobRecord:
    """A record's file; DamagedError says what is wrong with it."""
    return _decoded(place, place.storage.read(place.path))


def _decoded(place: Location, data: bytes) -> JobRecord:
    try:
        record = decode(JobRecord, unseal(data))
    except DamagedError as error:
        raise DamagedError(f"{place.path}: {error}") from error
    except MalformedMessageError as error:
        raise DamagedError(f"{place.path} is whole but can't be understood: {error}") from error
    if record.format > RECORD_FORMAT:
        text = f"{place.path} has format {record.format}, this Millstream reads {RECORD_FORMAT}; use a newer one"
        raise DamagedError(text)
    return record
