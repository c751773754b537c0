"""`execution.target: remote`: the job goes to the JobManager that the configuration names."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from millstream.compiler.pickling import blob_of
from millstream.errors import JobRefusedError, RequestRefusedError
from millstream.execution.job_client import JobClient
from millstream.submission.gateway import Gateway
from millstream.submission.job_client import RemoteJobClient
from millstream.submission.places import absolute
from millstream.submission.routes import route_of
from millstream.submission.uploads import upload_all
from millstream_dataflow.configuration import TABLE, Configuration, Option, OriginKind, Scope
from millstream_dataflow.configuration.options import (
    checkpointing,
    client,
    high_availability,
    jobmanager,
    recovery,
    security,
)
from millstream_dataflow.identity import Digest
from millstream_dataflow.job_graph import JobGraph
from millstream_runtime.messages.client import JobStatus, SubmitJob
from millstream_runtime.messages.codec import encode

_log = logging.getLogger("millstream")

_OF_THE_STORE: Final = (high_availability.STORAGE_DIR, high_availability.EXPIRATION_TIME)
_READ_HERE: Final = frozenset(
    {
        *(jobmanager.RPC_ADDRESS.key, jobmanager.RPC_PORT.key),
        *(jobmanager.MAX_GRAPH_SIZE.key, jobmanager.MAX_ARTIFACT_SIZE.key),
        *(option.key for option in high_availability.GROUP.options if option not in _OF_THE_STORE),
        *(option.key for option in security.GROUP.options if option.key.startswith("security.ssl.rest.")),
        *(security.TOKEN_FILE.key, security.PROTOCOL.key),
    }
)
"""Keys of the cluster that a client goes by as well."""

_GIVEN_WITH_A_JOB: Final = frozenset({OriginKind.COMMAND_LINE, OriginKind.PROGRAM})
"""A file and the environment may be the cluster's own."""

_noticed = set[str]()
"""Keys of which this program was told; once is enough."""


class RemoteExecutor:
    """See Executor."""

    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> JobClient:
        """See Executor."""
        for option in without_effect(configuration):
            if option.key not in _noticed:
                _noticed.add(option.key)
                origin = configuration.origin(option)
                _log.warning("%s (%s) belongs to the cluster, has no effect here", option.key, origin)
        timeout = configuration.get(client.TIMEOUT).total_seconds()
        gateway = Gateway(route_of(configuration), timeout, waiting=_log.warning)
        submit_job(gateway, graph, blobs, configuration)
        return RemoteJobClient(gateway, graph.job, checkpointed=has_checkpoints(configuration))


def without_effect(configuration: Configuration) -> Iterator[Option[Any]]:
    """Options of the cluster that were set for a job whose cluster runs elsewhere."""
    for option in TABLE:
        given = configuration.origin(option).kind in _GIVEN_WITH_A_JOB
        if given and option.scope is Scope.CLUSTER and option.key not in _READ_HERE:
            yield option


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
        absolute(configuration.get(recovery.PATH) or ""),
        configuration.get(recovery.IGNORE_UNCLAIMED_STATE),
        configuration.get(recovery.ACCEPT_DUPLICATES),
    )
    try:
        upload_all(gateway, {**blobs, graph_blob.digest: encoded})
        return gateway.submit(job)
    except RequestRefusedError as error:
        raise JobRefusedError(f'job "{graph.name}" ({graph.job}) is refused: {error}', job=graph.job) from error
