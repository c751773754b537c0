"""`execution.target: remote`: the job goes to the JobManager that the configuration names."""

from collections.abc import Mapping

from millstream.compiler.pickling import blob_of
from millstream.errors import JobRefusedError, RequestRefusedError
from millstream.execution.job_client import JobClient
from millstream.submission.addresses import target_of
from millstream.submission.gateway import Gateway
from millstream.submission.job_client import RemoteJobClient
from millstream.submission.uploads import upload_all
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import checkpointing, client, recovery
from millstream_dataflow.identity import Digest
from millstream_dataflow.job_graph import JobGraph
from millstream_runtime.messages.client import JobStatus, SubmitJob
from millstream_runtime.messages.codec import encode


class RemoteExecutor:
    """See Executor."""

    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> JobClient:
        """See Executor."""
        gateway = Gateway(target_of(configuration), configuration.get(client.TIMEOUT).total_seconds())
        submit_job(gateway, graph, blobs, configuration)
        return RemoteJobClient(gateway, graph.job, checkpointed=has_checkpoints(configuration))


def has_checkpoints(configuration: Configuration) -> bool:
    """Whether the program asks for periodic checkpoints."""
    return configuration.get(checkpointing.INTERVAL) is not None


def submit_job(
    gateway: Gateway, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration
) -> JobStatus:
    """Bring the blobs there, then the graph. Under one job id, so an answer that was lost is asked for again.

    JobRefusedError or ClusterUnreachableError when the job is not accepted.
    """
    encoded = encode(graph)
    graph_blob = blob_of(encoded)
    job = SubmitJob(
        graph,
        graph_blob,
        configuration.get(recovery.PATH) or "",
        configuration.get(recovery.IGNORE_UNCLAIMED_STATE),
        configuration.get(recovery.ACCEPT_DUPLICATES),
    )
    try:
        upload_all(gateway, {**blobs, graph_blob.digest: encoded})
        return gateway.submit(job)
    except RequestRefusedError as error:
        raise JobRefusedError(f'job "{graph.name}" ({graph.job}) is refused: {error}', job=graph.job) from error
