"""What lies in a storage directory, of whichever kind of store, read without a leader and without ZooKeeper.

Nothing is changed, so it may be read while JobManagers run; then what is said of a job may be of a moment ago.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from millstream_dataflow.identity import Digest, JobId
from millstream_dataflow.job_graph import JobGraph
from millstream_jobmanager.store.digests import checked_digest
from millstream_jobmanager.store.record_files import FILE, read_record
from millstream_jobmanager.store.sealed import DamagedError
from millstream_jobmanager.store.shared_blobs import newest_files
from millstream_runtime.file_systems import Location, locate
from millstream_runtime.messages.codec import MalformedMessageError, decode
from millstream_runtime.messages.record import JobRecord

_SUFFIX = ".record"


@dataclass(frozen=True, slots=True)
class SalvagedJob:
    """A job of a store: its newest record, or why there is none that can be read."""

    store: str
    job: JobId
    record: JobRecord | None
    damage: tuple[str, ...] = ()


def find_stores(directory: str) -> list[str]:
    """The directory itself if it is a job store, else those in it that are: one for each cluster. OSError when it can't
    be read.
    """
    place = locate(directory)
    names = place.storage.entries(place.path)
    if "jobs" in names:
        return [directory]
    return [f"{directory}/{name}" for name in names if "jobs" in place.storage.entries((place / name).path)]


def salvaged_jobs(store: str) -> list[SalvagedJob]:
    """In the order of their ids. OSError when the store can't be read."""
    place = locate(store) / "jobs"
    files: dict[JobId, list[str]] = {}
    for name in place.storage.entries(place.path):
        match = FILE.fullmatch(name)
        if match is not None:
            files.setdefault(JobId(match["job"]), []).append(name)
        elif name.endswith(_SUFFIX) and not name.startswith("."):
            files.setdefault(JobId(name.removesuffix(_SUFFIX)), []).append(name)
    return [_newest(store, job, [place / name for name in names]) for job, names in sorted(files.items())]


def _newest(store: str, job: JobId, places: Iterable[Location]) -> SalvagedJob:
    """There are several where a leader has died, or where ZooKeeper's data were lost: versions begin anew then."""
    records: list[JobRecord] = []
    damage: list[str] = []
    for place in places:
        try:
            records.append(read_record(place))
        except FileNotFoundError:
            continue  # replaced meanwhile
        except DamagedError as error:
            damage.append(str(error))
    newest = max(records, key=lambda record: (record.submitted_at, record.version), default=None)
    return SalvagedJob(store, job, newest, tuple(damage))


def salvaged_blob(store: str, digest: Digest) -> bytes:
    """DamagedError when it is missing or holds other bytes."""
    place = locate(store) / "blobs"
    place /= newest_files(place.storage.entries(place.path)).get(checked_digest(digest), digest)
    try:
        data = place.storage.read(place.path)
    except FileNotFoundError as error:
        raise DamagedError(f"{place.path} is missing") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedError(f"{place.path} was altered")
    return data


def salvaged_graph(store: str, record: JobRecord) -> JobGraph:
    """DamagedError when it can't be read."""
    try:
        return decode(JobGraph, salvaged_blob(store, record.graph.digest))
    except MalformedMessageError as error:
        raise DamagedError(f"the graph of job {record.job}, blob {record.graph.digest}: {error}") from error


def salvaged_blobs(store: str, graph: JobGraph) -> dict[Digest, bytes]:
    """Functions and artifacts. DamagedError when one of them is missing or holds other bytes."""
    functions = [vertex.functions.digest for vertex in graph.vertices]
    artifacts = [artifact.blob.digest for artifact in graph.artifacts]
    return {digest: salvaged_blob(store, digest) for digest in (*functions, *artifacts)}
