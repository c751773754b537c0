"""Records, graphs and blobs as a client submits them."""

import hashlib
from dataclasses import replace

from millstream_dataflow.identity import Digest, JobId
from millstream_dataflow.job_graph import Artifact, BlobRef, JobGraph
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store import JobStore, StoreAnswer
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.states import JobState
from tests.support.graphs import VERSIONS, keyed, sink


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


DONE = StoreAnswer(Outcome.DONE)
JOB = JobId("5ca1ab1e" * 4)
OTHER = JobId("0ddba115" * 4)
NO_GRAPH = BlobRef(Digest("0" * 64), 0)


def record(version: int = 1, job: JobId = JOB, nonce: str = "", graph: BlobRef = NO_GRAPH) -> JobRecord:
    """The job's record in that version."""
    return JobRecord(job, "sample", graph, 1_700_000_000_000, JobState.RUNNING, version, nonce or f"nonce-{version}")


def digest(data: bytes) -> Digest:
    """The address of a blob."""
    return Digest(hashlib.sha256(data).hexdigest())


def found(store: JobStore, name: Digest) -> bytes | None:
    """The bytes of a blob; None when there is none."""
    file = store.open_blob(name)
    if file is None:
        return None
    try:
        return file.read_at(0, file.size)
    finally:
        file.close()


def put_job(store: JobStore, job: JobId, functions: bytes, artifact: bytes) -> JobGraph:
    """A job with its blobs, as a submit puts it into the store."""
    ref, source = (BlobRef(digest(data), len(data)) for data in (functions, artifact))
    vertices = (replace(keyed(), functions=ref), replace(sink(), functions=ref))
    graph = JobGraph(job, "sample", vertices, (), VERSIONS, artifacts=(Artifact("code.zip", source),))
    data = encode(graph)
    for blob in (functions, artifact, data):
        store.put_blob(digest(blob), [blob])
    store.put(record(1, job, graph=BlobRef(digest(data), len(data))))
    return graph
