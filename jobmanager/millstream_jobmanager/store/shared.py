"""The job store of any number of JobManagers, of which one leads: pointers in ZooKeeper, bytes in a directory that all
of them reach (ARCHITECTURE 9).

    <directory>/jobs/<job>.<version>-<incarnation>-<digest of the nonce>.record
    <directory>/blobs/<digest>.<epoch of its writer>
    <directory>/epochs/<the highest epoch>

The epoch lies in the storage too, empty, for its name alone: where ZooKeeper's data are lost, TaskManagers still obey
the highest one that they have seen (law 1.2).

On a disk the three are readable by their owner alone, as in LocalJobStore: blobs are code that workers run. What is
above them isn't, for by default checkpoints lie there too, which TaskManagers write.
"""

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from millstream_dataflow.identity import Digest, Epoch, JobId
from millstream_jobmanager.store.answers import StoreAnswer, StoreDamagedError, StoreError, StoreWriteError
from millstream_jobmanager.store.contract import JobStore
from millstream_jobmanager.store.fence import Fence
from millstream_jobmanager.store.garbage import SPARED_S, Collections, needed_blobs
from millstream_jobmanager.store.sealed import DamagedError
from millstream_jobmanager.store.shared_blobs import SharedBlobs
from millstream_jobmanager.store.shared_records import SharedRecords
from millstream_runtime.file_systems import Location, OpenFile, is_refusal
from millstream_runtime.file_systems.local import TEMPORARY_SUFFIX
from millstream_runtime.leadership.errors import UnansweredError, ZooKeeperDeniedError
from millstream_runtime.leadership.nodes import NodeError, decode_epoch, encode_epoch
from millstream_runtime.leadership.zookeeper import Create, SetData, ZooKeeper
from millstream_runtime.messages.record import JobRecord

_INCARNATION = re.compile(rb"[0-9a-f]{8}")

_log = logging.getLogger("millstream.jobmanager.store")


@dataclass(frozen=True, slots=True)
class _Opened:
    """What there is once the office has its epoch."""

    records: SharedRecords
    blobs: SharedBlobs


class SharedJobStore(JobStore):
    """Under one office. `holds`: this process still leads, by its own clock. `clock`: monotonic seconds."""

    def __init__(
        self,
        zookeeper: ZooKeeper,
        fence: Fence,
        directory: Location,
        holds: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._zookeeper = zookeeper
        self._fence = fence
        self._directory = directory
        self._blobs = directory / "blobs"
        self._jobs = directory / "jobs"
        self._epochs = directory / "epochs"
        self._holds = holds
        self._clock = clock
        self._opened: _Opened | None = None
        self._seen: dict[str, float] = {}
        """Paths of files that may be no one's, by when this leader saw them first, or when somebody brought them."""
        self._aging = threading.Lock()
        """Between the look at a blob's age and its end, nobody makes it young."""
        self._collections = Collections()

    def knows_epochs(self) -> bool:
        """The storage has a mark of the highest, beside ZooKeeper's own. StoreWriteError when it can't be read."""
        try:
            return bool(self._marked_epochs())
        except OSError as error:
            text = f"the job store {self._directory.path} can't be read: {error}"
            raise StoreWriteError(text, refused=is_refusal(error)) from error

    def open(self, floor: Epoch) -> Epoch:
        """The office has its epoch; one that isn't above the floor is raised, before anybody hears of it."""
        nodes = self._fence.nodes
        try:
            node = self._zookeeper.ask(self._zookeeper.read(nodes.epoch))
            if node is None or node.version != self._fence.version:
                raise self._deposed()
            epoch, lowest = decode_epoch(node.data), max(floor, self._highest_marked())
            if epoch <= lowest:
                epoch = Epoch(lowest + 1)
                write = self._fence.guard(SetData(nodes.epoch, encode_epoch(epoch), self._fence.version))
                if self._zookeeper.ask(self._zookeeper.commit(write)) is not None:
                    raise self._deposed()
                self._fence.version += 1
            for place in (self._jobs, self._blobs, self._epochs):
                place.storage.make_private(place.path)
            self._mark(epoch)
            records = SharedRecords(self._zookeeper, self._fence, self._jobs, self._incarnation())
            self._opened = _Opened(records, SharedBlobs(self._blobs, epoch))
        except NodeError as error:
            raise StoreDamagedError(f"the nodes in {nodes.root} can't be read: {error}") from error
        except OSError as error:
            text = f"the job store {self._directory.path} can't be opened: {error}"
            raise StoreWriteError(text, refused=is_refusal(error)) from error
        return epoch

    def _marked_epochs(self) -> list[int]:
        place = self._epochs
        return [int(name) for name in place.storage.entries(place.path) if name.isdecimal()]

    def _highest_marked(self) -> Epoch:
        return Epoch(max(self._marked_epochs(), default=0))

    def _mark(self, epoch: Epoch) -> None:
        """A deposed leader that comes late leaves a higher one alone."""
        lower = [other for other in self._marked_epochs() if other < epoch]
        storage = self._epochs.storage
        storage.write((self._epochs / str(epoch)).path, [])
        try:
            for other in lower:
                storage.remove_file((self._epochs / str(other)).path)
        except OSError as error:  # they do no harm, the highest counts
            _log.warning("the marks of former epochs could not be deleted: %s", error)

    def _incarnation(self) -> str:
        nodes = self._fence.nodes
        made = Create(nodes.jobs, secrets.token_hex(4).encode())
        self._zookeeper.ask(self._zookeeper.commit(self._fence.guard(made)))
        node = self._zookeeper.ask(self._zookeeper.read(nodes.jobs))
        if node is None:
            raise self._deposed()
        if _INCARNATION.fullmatch(node.data) is None:
            raise NodeError(f"{nodes.jobs} should name this incarnation in 8 hexadecimal digits, it has {node.data!r}")
        return node.data.decode()

    def _deposed(self) -> StoreError:
        return StoreError("another JobManager leads by now, or this one's session with ZooKeeper has ended")

    # ------------------------------------------------------------ records

    def recover(self) -> list[JobRecord]:
        """In the order of their ids. What a predecessor was deleting goes, if the storage lets it."""
        records = self._open().records
        records.finish_deleting()
        return records.read_all()

    def put(self, record: JobRecord) -> StoreAnswer:
        """A leader that was deposed gets a conflict."""
        return self._open().records.put(record)

    def delete(self, job: JobId) -> None:
        """StoreWriteError when it could not be deleted; the next leader tries again."""
        self._open().records.delete(job)

    # ------------------------------------------------------------ blobs

    def put_blob(self, digest: Digest, chunks: Iterable[bytes]) -> None:
        """The chunks of one that this leader has written already aren't read. StoreWriteError when there is no room."""
        blobs = self._open().blobs
        path = blobs.own_file(digest)
        with self._aging:
            self._seen[path] = self._clock()
        try:
            blobs.put(digest, chunks)
        except OSError as error:
            raise StoreWriteError(f"blob {path} could not be written: {error}", refused=is_refusal(error)) from error

    def open_blob(self, digest: Digest) -> OpenFile | None:
        """An object, or a file."""
        return self._open().blobs.open(digest)

    def collect_garbage(self) -> None:
        """Also records that no pointer names. What a record needs that has a file, of a lost ZooKeeper too, stays; no
        blob is collected while one of them can't be read.
        """
        opened, now = self._open(), self._clock()
        records = opened.records
        if not self._collections.is_due(now):
            return
        try:
            unnamed = [(self._jobs / name).path for name in records.unnamed()]
            self._collect(self._jobs, [*unnamed, *_half_written(self._jobs)], now)
            needed = {digest for record in records.kept() for digest in self._needed(record)}
        except (DamagedError, NodeError, OSError, UnansweredError, ZooKeeperDeniedError) as error:
            self._collections.hindered(str(error))
            return
        self._collections.went_well()
        self._collect(self._blobs, [*opened.blobs.unneeded(needed), *_half_written(self._blobs)], now)

    def _collect(self, place: Location, paths: list[str], now: float) -> None:
        """Those that were no one's for an hour already."""
        for path in paths:
            with self._aging:
                if self._seen.setdefault(path, now) < now - SPARED_S and self._holds():
                    place.storage.remove_file(path)
                    del self._seen[path]

    def _needed(self, record: JobRecord) -> Iterator[Digest]:
        blobs, digest = self._open().blobs, record.graph.digest
        return needed_blobs(record, blobs.read(digest), blobs.path(digest))

    def close(self) -> None:
        """The office isn't the store's."""
        self._opened = None

    def _open(self) -> _Opened:
        if self._opened is None:
            raise StoreError("the job store isn't open")
        return self._opened


def _half_written(place: Location) -> list[str]:
    names = place.storage.entries(place.path)
    return [(place / name).path for name in names if name.startswith(".") and name.endswith(TEMPORARY_SUFFIX)]
