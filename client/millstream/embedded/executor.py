"""`execution.target: embedded`: the job runs on a cluster that is the program's own."""

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Final

from millstream.embedded.cluster import EmbeddedCluster
from millstream.embedded.clusters import CLUSTERS
from millstream.errors import ExecutionError, SavepointFailedError
from millstream.execution.job_client import JobClient
from millstream.submission.brief import OutputClosedError, brief_ends
from millstream.submission.executor import has_checkpoints, submit_job
from millstream.submission.job_client import RemoteJobClient
from millstream.submission.output import TaskOutputReader
from millstream.submission.standard_streams import tell
from millstream.submission.waiting import WaitingRoom
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import checkpointing
from millstream_dataflow.identity import Digest
from millstream_dataflow.job_graph import JobGraph
from millstream_dataflow.plan import Plan

_CANCELLING_S: Final = 10.0
"""For a job that Ctrl-C cancels; then the cluster is killed."""

_log = logging.getLogger("millstream")


class EmbeddedExecutor:
    """See Executor."""

    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> JobClient:
        """See Executor. Starts a cluster when none of this program's has room."""
        needed = Plan(graph).slots_needed()
        with brief_ends(), CLUSTERS.lock:
            cluster = CLUSTERS.for_job(configuration, needed)
            room = WaitingRoom()
            output = TaskOutputReader(cluster.gateway, graph.job, room)
            output.start()
            try:
                submit_job(cluster.gateway, graph, blobs, configuration)
            except BaseException:
                output.cancel()
                raise
            client = EmbeddedJobClient(cluster, graph, room, output, configuration)
            cluster.took(client, needed)
        return client


class EmbeddedJobClient(RemoteJobClient):
    """A job that ends with the program."""

    def __init__(
        self,
        cluster: EmbeddedCluster,
        graph: JobGraph,
        room: WaitingRoom,
        output: TaskOutputReader,
        configuration: Configuration,
    ) -> None:
        super().__init__(cluster.gateway, graph.job, room, output, checkpointed=has_checkpoints(configuration))
        self._cluster = cluster
        self._name = graph.name
        self._savepoints = configuration.get(checkpointing.SAVEPOINT_DIRECTORY)

    def stop_with_savepoint(
        self,
        advance_to_end_of_event_time: bool,  # noqa: FBT001  # PyFlink's signature
        savepoint_directory: str | None = None,
    ) -> Future[str]:
        """See JobClient. A directory must be named, here or in the configuration."""
        return self._homeless(savepoint_directory) or super().stop_with_savepoint(
            advance_to_end_of_event_time, savepoint_directory
        )

    def trigger_savepoint(self, savepoint_directory: str | None = None) -> Future[str]:
        """See JobClient. A directory must be named, here or in the configuration."""
        return self._homeless(savepoint_directory) or super().trigger_savepoint(savepoint_directory)

    def _homeless(self, directory: str | None) -> Future[str] | None:
        """A savepoint in the cluster's own directory would go with it."""
        if directory or self._savepoints:
            return None
        message = (
            "a savepoint of an embedded job needs a directory that outlives the program: name one, or set "
            f"{checkpointing.SAVEPOINT_DIRECTORY.key}"
        )
        future = Future[str]()
        future.set_exception(SavepointFailedError(message, job=self.get_job_id()))
        return future

    def interrupted(self, end: BaseException) -> None:
        """Ctrl-C cancels the job; a second one, or ten seconds, end its processes. Lost output does the same."""
        if isinstance(end, KeyboardInterrupt):
            tell(f'Cancelling job "{self._name}". Ctrl-C again kills it.')
        try:
            self.cancel()
            ended = self.wait_for_end(_CANCELLING_S)
        except (KeyboardInterrupt, ExecutionError, OutputClosedError):
            ended = False
        if not ended:
            self._cluster.kill()
