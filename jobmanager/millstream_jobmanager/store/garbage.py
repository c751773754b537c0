"""When blobs that no job needs are looked for, and what a job needs: the same in every store."""

import logging
from collections.abc import Iterator
from typing import Final

from millstream_dataflow.identity import Digest
from millstream_dataflow.job_graph import JobGraph
from millstream_jobmanager.store.sealed import DamagedError
from millstream_runtime.messages.codec import MalformedMessageError, decode
from millstream_runtime.messages.record import JobRecord

SPARED_S: Final = 3_600
"""How long a blob may wait for the record that needs it: the largest upload at 10 MB/s is 36 GB."""
COLLECTION_INTERVAL_S: Final = 600
"""Between two collections: each reads a record and the graph of every job."""

_log = logging.getLogger("millstream.jobmanager.store")


def needed_blobs(record: JobRecord, graph: bytes | None, path: str) -> Iterator[Digest]:
    """Those of a job; `graph` is what lies at the path of its graph. DamagedError when that can't be read."""
    if graph is None:
        raise DamagedError(f"{path}, the graph of job {record.job}, is missing")
    try:
        decoded = decode(JobGraph, graph)
    except MalformedMessageError as error:
        raise DamagedError(f"{path}, the graph of job {record.job}, can't be read: {error}") from error
    yield record.graph.digest
    yield from (vertex.functions.digest for vertex in decoded.vertices)
    yield from (artifact.blob.digest for artifact in decoded.artifacts)


class Collections:
    """When the last one was, and what kept it from its work."""

    def __init__(self) -> None:
        self._begun_at: float | None = None
        self._hindrance = ""

    def is_due(self, now: float) -> bool:
        """Whether one is to begin now. A clock that was set back would end it for long, so it doesn't count."""
        due = self._begun_at is None or not 0 <= now - self._begun_at < COLLECTION_INTERVAL_S
        if due:
            self._begun_at = now
        return due

    def hindered(self, hindrance: str) -> None:
        """Said once."""
        if hindrance != self._hindrance:
            self._hindrance = hindrance
            _log.warning("no unused blob is deleted until this is mended: %s", hindrance)

    def went_well(self) -> None:
        """The next hindrance is said again."""
        self._hindrance = ""
