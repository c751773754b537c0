"""The clusters of this program: one, as a rule.

It is started at the first job and reused by later ones. A job that doesn't find its slots free there, or is given other
settings for the cluster, gets a cluster of its own; one that has nothing to run is stopped then.
"""

import atexit
import logging
import os
import threading
from typing import Final

from millstream.embedded.cluster import EmbeddedCluster
from millstream_dataflow.configuration import Configuration, Scope
from millstream_dataflow.configuration.options import high_availability, taskmanager
from millstream_dataflow.words import counted

_log = logging.getLogger("millstream")

_FEWEST_SLOTS: Final = 2
"""A keyed program with parallelism 2 can follow one with parallelism 1 on the same cluster. A job that finds no room
beside others gets a cluster of its own, as each job does in Flink: it would wait for a stream that never ends.
"""


class Clusters:
    """All that are running. Its lock is held while a job is brought to one of them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._running: list[EmbeddedCluster] = []

    def for_job(self, configuration: Configuration, needed: int) -> EmbeddedCluster:
        """A cluster in which a job finds that many free slots, or the slots that were configured."""
        settings = cluster_settings(configuration)
        self._bury()
        configured = configuration.is_set(taskmanager.NUMBER_OF_TASK_SLOTS)
        for cluster in self._running:
            if cluster.settings == settings and (configured or cluster.room() >= needed):
                return self._warned(cluster, configuration, needed)
        for idle in [cluster for cluster in self._running if cluster.is_idle()]:
            self._running.remove(idle)
            idle.stop()
        slots = configuration.get(taskmanager.NUMBER_OF_TASK_SLOTS) if configured else max(needed, _FEWEST_SLOTS)
        cluster = EmbeddedCluster.start(configuration, settings, slots)
        self._running.append(cluster)
        return self._warned(cluster, configuration, needed)

    def _bury(self) -> None:
        """Those whose child has died leave nothing behind either."""
        for cluster in self._running:
            if cluster.is_gone():
                cluster.kill()
        self._running = [cluster for cluster in self._running if not cluster.is_gone()]

    def _warned(self, cluster: EmbeddedCluster, configuration: Configuration, needed: int) -> EmbeddedCluster:
        if needed > cluster.slots:
            _log.warning(
                "the job needs %s and %s = %d (%s), so it waits; leave the key out and there will be enough",
                *(counted(needed, "slot"), taskmanager.NUMBER_OF_TASK_SLOTS.key, cluster.slots),
                configuration.origin(taskmanager.NUMBER_OF_TASK_SLOTS),
            )
        return cluster

    def stop(self) -> None:
        """All of them."""
        with self.lock:
            running, self._running = self._running, []
            for cluster in running:
                try:
                    cluster.stop()
                except KeyboardInterrupt:  # the second Ctrl-C, while the program ends already
                    cluster.kill()

    def abandon(self) -> None:
        """In the child of a fork, which starts its own if it needs one."""
        self.lock = threading.RLock()  # the parent's may be held by a thread that isn't here
        running, self._running = self._running, []
        for cluster in running:
            cluster.abandon()


def cluster_settings(configuration: Configuration) -> dict[str, str]:
    """What the processes of a cluster are told. A job's own settings travel in its graph, and its store is its own."""
    settings = configuration.to_strings((Scope.CLUSTER,))
    settings.pop(high_availability.STORAGE_DIR.key, None)
    return settings


CLUSTERS = Clusters()
"""Of this program."""

atexit.register(CLUSTERS.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CLUSTERS.abandon)
