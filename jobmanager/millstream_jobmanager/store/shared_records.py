"""The records of jobs in files that pointers in ZooKeeper name.

    <job>.<version>-<incarnation>-<digest of the nonce>.record

A record's file is written first, then the pointer under the fence, then the former file goes: what a pointer names is
never changed, and what none names is no one's. A job is deleted pointer last, so no bytes are left without one. Files
are deleted by names that were listed before the fence was checked, so whoever is deposed in the middle and goes on
later deletes nothing of a job that was submitted anew under the same id.

The **incarnation** is a random name that a cluster's first leader gives to its nodes. Files of another one are of a
ZooKeeper whose data were lost; they are left for `millstream recover`.
"""

import hashlib
import logging
import zlib
from collections.abc import Iterable, Iterator
from re import Match
from typing import Final

from millstream_dataflow.identity import JobId
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store.answers import StoreAnswer, StoreDamagedError, StoreError, StoreWriteError
from millstream_jobmanager.store.fence import Fence, is_deposed
from millstream_jobmanager.store.record_files import FILE, decoded_record, read_record
from millstream_jobmanager.store.sealed import DamagedError, seal
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
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.record import JobRecord

LOOKS: Final = 20
"""At a directory whose files are replaced all the time."""

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
        """Every record; StoreDamagedError names all that can't be read. One that is being deleted is none any more."""
        records: list[JobRecord] = []
        damaged: list[str] = []
        for job in self._jobs():
            try:
                stored = self._pointer(job)
                if stored is not None and not stored[0].deleting:
                    records.append(self._read(stored[0]))
            except (NodeError, DamagedError, FileNotFoundError) as error:
                damaged.append(f"{self._fence.nodes.job(job)}: {error}")
            except OSError as error:
                raise StoreError(f"the record of job {job} can't be read now: {error}") from error
        if damaged:
            if (refused := self._commit([])) is not None:  # a new leader's writes look like damage
                raise StoreError(f"another JobManager leads, or this one's session has ended ({refused})")
            raise StoreDamagedError(
                f"records of jobs can't be read: {'; '.join(damaged)}. Put back the file, or delete the node and start "
                "again: the job is forgotten then, its checkpoints stay, and `millstream run -s <its newest "
                "checkpoint>` goes on from there"
            )
        return records

    def finish_deleting(self) -> None:
        """Carries on what was being deleted. Storage that lets nothing be deleted keeps no leader from leading; the
        next one tries again. In the thread that writes: a pointer is told from its successor by its version alone.
        """
        for job in self._jobs():
            try:
                stored = self._pointer(job)
                if stored is not None and stored[0].deleting:
                    self.delete(job)
            except (NodeError, StoreWriteError) as error:
                _log.warning("job %s: its record could not be deleted: %s", job, error)

    def unnamed(self) -> list[str]:
        """Files of this incarnation that no pointer names: former ones, and what deposed leaders have left. One that is
        just being written is among them.
        """
        pointers = [self._pointer(job) for job in self._jobs()]
        named = {stored[0].file for stored in pointers if stored is not None}
        names = [name for name, match in self._files() if match["incarnation"] == self._incarnation]
        return [name for name in names if name not in named]

    def kept(self) -> Iterator[JobRecord]:
        """A record of each job that has a file, also where no pointer names it: what they need isn't garbage, and all
        of one job and incarnation need the same. DamagedError or OSError for one that can't be read.
        """
        seen = set[tuple[str, str]]()
        for _ in range(LOOKS):
            names = [(name, match) for name, match in self._files() if _life(match) not in seen]
            if not names:
                return
            for name, match in names:
                if _life(match) not in seen and (record := self._read_if_there(name)) is not None:
                    seen.add(_life(match))
                    yield record
        raise DamagedError(f"{self._place.path} has files that are listed but can't be opened")

    def _read_if_there(self, name: str) -> JobRecord | None:
        """It may have been replaced since it was listed, or its job deleted."""
        try:
            return read_record(self._place / name)
        except FileNotFoundError:
            return None

    def _jobs(self) -> list[JobId]:
        return [JobId(name) for name in self._zookeeper.ask(self._zookeeper.children(self._fence.nodes.jobs))]

    def _files(self) -> list[tuple[str, Match[str]]]:
        names = self._place.storage.entries(self._place.path)
        return [(name, match) for name in names if (match := FILE.fullmatch(name))]

    def _pointer(self, job: JobId) -> _Stored | None:
        node = self._zookeeper.ask(self._zookeeper.read(self._fence.nodes.job(job)))
        return None if node is None else (decode_pointer(node.data), node.version)

    def _read(self, pointer: JobPointer) -> JobRecord:
        place = self._place / pointer.file
        data = place.storage.read(place.path)
        if (len(data), zlib.crc32(data)) != (pointer.size, pointer.checksum):
            raise DamagedError(f"{place.path} isn't the file that its pointer names")
        try:
            return decoded_record(data)
        except DamagedError as error:
            raise DamagedError(f"{place.path}: {error}") from error

    # ------------------------------------------------------------ writing

    def put(self, record: JobRecord) -> StoreAnswer:
        """Conditional on the version, idempotent by version and nonce."""
        path = self._path(record.job)
        try:
            stored = self._pointer(record.job)
            if stored is not None and stored[0].deleting:
                self.delete(record.job)
                stored = None
            # Before the fence is checked: whoever is deposed afterwards must not see a successor's files.
            others = self._others(record, None if stored is None else stored[0])
            if stored is not None and _is_of(stored[0], record):
                answer, pointer = self._answer(path, [Check(path, stored[1])]), stored[0]
            elif not _may_follow(None if stored is None else stored[0], record):
                held = f"has version {_version(stored)}"
                return StoreAnswer(Outcome.CONFLICT, f"{path} {held}, version {record.version} can't take its place")
            else:
                pointer = self._written(record)
                data = encode_node(pointer)
                change = Create(path, data) if stored is None else SetData(path, data, stored[1])
                answer = self._answer(path, [change])
        except StoreWriteError as error:
            return StoreAnswer(Outcome.REFUSED, f"an ended job of this id stands in the way: {error}")
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
            self._forget(record.job, [name for name in others if name != pointer.file])
        return answer

    def _others(self, record: JobRecord, pointer: JobPointer | None) -> list[str]:
        """The former file; where it isn't known, or there was none, all that former tries have left."""
        if pointer is not None and not _is_of(pointer, record):
            return [pointer.file]
        return self._files_of(record.job, self._incarnation)

    def _path(self, job: JobId) -> str:
        if not is_plain_name(job):
            raise StoreError(f"{job!r} can't be a job id: it is no name of a file")
        return self._fence.nodes.job(job)

    def _written(self, record: JobRecord) -> JobPointer:
        data = seal(encode(record))
        nonce = hashlib.sha256(record.nonce.encode()).hexdigest()[:16]
        name = f"{record.job}.{record.version}-{self._incarnation}-{nonce}.record"
        place = self._place / name
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

    def _forget(self, job: JobId, names: list[str]) -> None:
        try:
            self._remove(names)
        except OSError as error:
            _log.warning("job %s: a former record could not be deleted: %s", job, error)

    def _files_of(self, job: JobId, incarnation: str | None = None) -> list[str]:
        found = [(name, match) for name, match in self._files() if match["job"] == job]
        return [name for name, match in found if incarnation is None or match["incarnation"] == incarnation]

    def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._place.storage.remove_file((self._place / name).path)

    # ------------------------------------------------------------ deleting

    def delete(self, job: JobId) -> None:
        """Marked, then its bytes, then the pointer. Whoever finds the mark goes on."""
        path = self._path(job)
        try:
            stored = self._pointer(job)
            if stored is None:
                return
            pointer, version = stored
            names = self._files_of(job)
            if pointer.deleting:
                self._sure(path, [Check(path, version)])
            else:
                self._sure(path, [SetData(path, encode_node(_marked(pointer)), version)])
                version += 1
            self._remove(names)
            self._sure(path, [Delete(path, version)])
        except (UnansweredError, OSError) as error:
            raise StoreWriteError(f"{path} could not be deleted: {error}", refused=False) from error
        except (NodeError, ZooKeeperDeniedError) as error:
            raise StoreWriteError(f"{path} could not be deleted: {error}", refused=True) from error

    def _sure(self, path: str, operations: list[Operation]) -> None:
        refused = self._commit(operations)
        if refused is not None:
            raise StoreWriteError(f"{path} could not be deleted: {refused}", refused=True)


def _life(match: Match[str]) -> tuple[str, str]:
    return match["job"], match["incarnation"]


def _marked(pointer: JobPointer) -> JobPointer:
    return JobPointer(pointer.version, pointer.nonce, pointer.file, pointer.size, pointer.checksum, deleting=True)


def _is_of(pointer: JobPointer, record: JobRecord) -> bool:
    return (pointer.version, pointer.nonce) == (record.version, record.nonce)


def _may_follow(pointer: JobPointer | None, record: JobRecord) -> bool:
    if pointer is None:
        return record.version == 1
    return record.version == pointer.version + 1


def _version(stored: _Stored | None) -> int:
    return 0 if stored is None else stored[0].version
