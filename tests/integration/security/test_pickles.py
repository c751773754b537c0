"""The JobManager never unpickles: bytes that run code when somebody does are taken, stored, shown and recovered there,
and run it in a worker alone.
"""

import contextlib
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc

from millstream_dataflow.identity import JobId, OperatorId
from millstream_dataflow.job_graph import BlobRef, JobGraph
from millstream_proto.blobs_pb2 import BlobChunk
from millstream_proto.client_pb2 import JobRequest, OperatorQuestion
from millstream_runtime.messages.client import SubmitJob, TriggerSavepoint
from millstream_runtime.messages.codec import encode, to_message
from tests.support.clusters import MILLSTREAM, Cluster, Process
from tests.support.service_client import JOB, digest_of, job_of

WATCHED = """
import atexit, os, pickle, runpy, sys
place = sys.argv[1]

def told(what):
    open(f"{place}/{what}-{os.getpid()}", "w").close()

def unpickles(*_, **__):
    told("unpickles")
    raise AssertionError("nothing is unpickled here")

pickle.load = pickle.loads = pickle.Unpickler = unpickles
sys.addaudithook(lambda event, _: told("unpickles") if event == "pickle.find_class" else None)
atexit.register(lambda: told("has-cloudpickle" if "cloudpickle" in sys.modules else "ended"))
sys.argv[:] = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""A process that leaves a file for all of that."""


@dataclass
class Watched(Cluster):
    """Its JobManager is watched so."""

    def _start(
        self, *arguments: str, options: Mapping[str, str] | None = None, command: Sequence[str] = (MILLSTREAM,)
    ) -> Process:
        if arguments[0] == "jobmanager":
            command = (sys.executable, "-c", WATCHED, str(self.directory), *command)
        return super()._start(*arguments, options=options, command=command)


class Payload:
    """Leaves a file with the number of the process that unpickles it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __reduce__(self) -> tuple[object, ...]:
        return subprocess.call, (["sh", "-c", f"touch {self.directory}/payload-$PPID"],)


def uploaded(cluster: Cluster, data: bytes) -> BlobRef:
    """As a blob of the JobManager's."""
    reference = BlobRef(digest_of(data), len(data))

    def chunks() -> Iterator[BlobChunk]:
        yield BlobChunk(digest=reference.digest, size=reference.size, data=data)

    cluster.stub.UploadBlob(chunks())
    return reference


def hostile(functions: BlobRef, payload: bytes) -> JobGraph:
    """A job whose functions are the payload, as is everything in it that is bytes."""
    graph = job_of(options={"restart-strategy.type": "fixed-delay", "execution.checkpointing.interval": "1 s"})
    vertices = tuple(replace(vertex, functions=functions) for vertex in graph.vertices)
    return replace(graph, vertices=vertices, name=payload.decode("latin-1"))


def offered(cluster: Cluster, graph: JobGraph, payload: bytes) -> None:
    """Wherever else a client may send bytes or name a file; some of it is refused."""
    (cluster.directory / "chk-1").mkdir(exist_ok=True)
    (cluster.directory / "chk-1" / "_metadata").write_bytes(payload)
    other = replace(graph, job=JobId("6" * 32))
    restored = SubmitJob(other, uploaded(cluster, encode(other)), restore_path=str(cluster.directory / "chk-1"))
    stub, text = cluster.stub, payload.decode("latin-1")
    for call in (
        lambda: stub.Submit(to_message(restored)),
        lambda: stub.Savepoint(to_message(TriggerSavepoint(JOB, text, text))),
        lambda: stub.Ask(OperatorQuestion(job=JOB, operator=OperatorId("0" * 32), payload=payload)),
        lambda: stub.Details(JobRequest(job=text)),
        lambda: raw(cluster, "Submit", payload),
        lambda: raw(cluster, "UploadBlob", payload),
    ):
        with contextlib.suppress(grpc.RpcError):
            call()
    assert stub.Details(JobRequest(job=JOB)).status.name == text
    assert cluster.view() is not None


def raw(cluster: Cluster, method: str, payload: bytes) -> None:
    """In the place of a request."""
    with cluster.channel_to(cluster.port) as channel:
        call: Any = channel.unary_unary(f"/millstream.v1.ClientGateway/{method}")
        call(payload)


def test_a_pickle_is_offered_to_the_jobmanager_wherever_it_takes_bytes(tmp_path: Path) -> None:
    payload = pickle.dumps(Payload(tmp_path), protocol=0)
    with closing(Watched(tmp_path)) as cluster:
        jobmanager = cluster.start_jobmanager()
        graph = hostile(uploaded(cluster, payload), payload)
        cluster.stub.Submit(to_message(SubmitJob(graph, uploaded(cluster, encode(graph)))))
        for _ in range(2):
            offered(cluster, graph, payload)
            assert jobmanager.stop() == 0
            jobmanager = cluster.start_jobmanager()  # which recovers the job
        worker = cluster.start_taskmanager()
        found = cluster.until(lambda: list(tmp_path.glob("payload-*")), 20, "a worker unpickles it")
        assert {path.name for path in found}.isdisjoint({f"payload-{jobmanager.pid}", f"payload-{worker.pid}"})
    assert list(tmp_path.glob("unpickles-*")) == []
    assert list(tmp_path.glob("has-cloudpickle-*")) == []
    assert len(list(tmp_path.glob("ended-*"))) == 3
