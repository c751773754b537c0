"""What is checked of a submitted job before the core hears of it: what only the service can see, or what would be a
danger to ask the core. Bytes that a client names must be here, whole, and be what it says they are.
"""

from collections.abc import Callable, Iterator, Mapping

from millstream_dataflow.configuration import ConfigurationError
from millstream_dataflow.job_graph import BlobRef, JobGraph
from millstream_jobmanager.core.settings import JobSettings
from millstream_jobmanager.service.carrier import Carrier
from millstream_jobmanager.service.names import check_digest, check_job, check_words
from millstream_jobmanager.service.refusals import RefusalError, invalid, too_large
from millstream_jobmanager.service.settings import ServiceSettings
from millstream_runtime.messages.client import SubmitJob
from millstream_runtime.messages.codec import MalformedMessageError, decode


class SubmissionChecks:
    """Raises RefusalError with the first thing that is wrong."""

    def __init__(
        self,
        carrier: Carrier,
        settings: ServiceSettings,
        job_settings: Callable[[Mapping[str, str]], JobSettings],
    ) -> None:
        self._carrier = carrier
        self._settings = settings
        self._job_settings = job_settings

    async def check(self, ask: SubmitJob) -> None:
        """Everything about it."""
        graph = ask.graph
        check_job(graph.job)
        check_words("the job's name", graph.name)
        check_words("the path of the savepoint", ask.restore_path)
        try:
            self._job_settings(graph.configuration)
        except ConfigurationError as error:
            raise invalid(f"the configuration of the job can't be read: {error}") from error
        self._check_sizes(ask)
        for reference in _blobs(ask):
            await self._require(reference)
        await self._check_graph(ask)

    def _check_sizes(self, ask: SubmitJob) -> None:
        functions = sum(vertex.functions.size for vertex in ask.graph.vertices)
        size, limit = ask.graph_blob.size + functions, self._settings.max_graph_size
        if size > limit:
            raise too_large(
                f"the job graph and its functions have {size} bytes, jobmanager.submit.max-graph-size is {limit}; "
                "what functions hold should be read by them where they run"
            )
        for artifact in ask.graph.artifacts:
            if artifact.blob.size > self._settings.max_artifact_size:
                raise artifact_too_large(artifact.name, artifact.blob.size, self._settings.max_artifact_size)

    async def _require(self, reference: BlobRef) -> None:
        check_digest(reference.digest)
        if await self._carrier.blob_size(reference.digest) != reference.size:
            raise _absent(reference)

    async def _check_graph(self, ask: SubmitJob) -> None:
        """After a restart the job is planned from the blob: it must be the same graph."""
        await self._require(ask.graph_blob)
        data = await self._carrier.read_blob(ask.graph_blob.digest)
        if data is None:
            raise _absent(ask.graph_blob)
        try:
            stored = decode(JobGraph, data)
        except MalformedMessageError as error:
            raise invalid(f"blob {ask.graph_blob.digest} is no job graph: {error}") from error
        if stored != ask.graph:
            raise invalid(f"blob {ask.graph_blob.digest} is another job graph than the submitted one")


def _absent(reference: BlobRef) -> RefusalError:
    text = f"blob {reference.digest} with {reference.size} bytes isn't here; upload it, then submit again"
    return invalid(text)


def artifact_too_large(name: str, size: int, limit: int) -> RefusalError:
    """Above `jobmanager.submit.max-artifact-size`."""
    return too_large(f"{name} has {size} bytes, jobmanager.submit.max-artifact-size is {limit}")


def _blobs(ask: SubmitJob) -> Iterator[BlobRef]:
    yield from (vertex.functions for vertex in ask.graph.vertices)
    yield from (artifact.blob for artifact in ask.graph.artifacts)
