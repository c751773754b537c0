"""An embedded cluster as its program sees it: a child, its slots, and the jobs that use them."""

import logging
import time
from collections.abc import Mapping
from weakref import WeakSet

from millstream.embedded.ahead import AHEAD
from millstream.embedded.process import ChildProcess
from millstream.errors import ExecutionError
from millstream.execution.platforms import check_platform
from millstream.submission.gateway import Gateway
from millstream.submission.job_client import RemoteJobClient
from millstream.submission.routes import Route
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import client, taskmanager
from millstream_dataflow.identity import JobId
from millstream_runtime.states import JOB_STATES

_log = logging.getLogger("millstream")


class EmbeddedCluster:
    """One that runs. Made by `start`."""

    def __init__(self, child: ChildProcess, gateway: Gateway, settings: Mapping[str, str], slots: int) -> None:
        self.gateway = gateway
        self.settings = settings
        self.slots = slots
        self._child = child
        self._needs: dict[JobId, int] = {}
        """Slots by unfinished job."""
        self._clients = WeakSet[RemoteJobClient]()

    @classmethod
    def start(cls, configuration: Configuration, settings: Mapping[str, str], slots: int) -> "EmbeddedCluster":
        """A cluster with that many slots. `settings` are those of its processes. ExecutionError when it can't start."""
        check_platform("a cluster for this program")
        timeout = configuration.get(client.TIMEOUT).total_seconds()
        child = AHEAD.child(configuration)
        try:
            target = child.start({**settings, taskmanager.NUMBER_OF_TASK_SLOTS.key: str(slots)}, timeout)
            gateway = Gateway(Route(target), timeout, child.why_gone, waiting=_log.warning)
            cluster = cls(child, gateway, settings, slots)
            cluster._await_slots(timeout)  # its own method
        except BaseException:
            child.kill()
            raise
        return cluster

    def _await_slots(self, timeout: float) -> None:
        """Until the TaskManager has registered, so that no job begins by waiting."""
        deadline = time.monotonic() + timeout
        while sum(one.slots for one in self.gateway.cluster().taskmanagers) < self.slots:
            if time.monotonic() > deadline:
                words = self._child.last_words()
                raise ExecutionError(f"the embedded cluster's TaskManager didn't register within {timeout:g} s{words}")
            time.sleep(0.005)

    # --------------------------------------------------------------------------------------------------- jobs

    def room(self) -> int:
        """Slots that no unfinished job needs."""
        view = self.gateway.cluster()
        running = {job.job for job in view.jobs if not JOB_STATES.is_final(job.state)}
        self._needs = {job: slots for job, slots in self._needs.items() if job in running}
        return self.slots - sum(self._needs.values())

    def is_idle(self) -> bool:
        """Nothing runs here, and nobody has yet to hear how a job ended."""
        satisfied = [client.is_satisfied() for client in self._clients]  # all of them ask
        return self.room() == self.slots and all(satisfied)

    def took(self, client: RemoteJobClient, slots: int) -> None:
        """A job was submitted that needs so many."""
        self._needs[client.get_job_id()] = slots
        self._clients.add(client)

    # ------------------------------------------------------------------------------------------------- its end

    def is_gone(self) -> bool:
        """The child has ended, asked or unasked."""
        return bool(self._child.why_gone())

    def stop(self) -> None:
        """End it and everything in it; returns when no process and no directory is left."""
        self.gateway.close()
        self._child.stop()

    def kill(self) -> None:
        """At once."""
        self._child.kill()
        self.gateway.close()

    def abandon(self) -> None:
        """See ChildProcess."""
        self._child.abandon()
