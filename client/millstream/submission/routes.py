"""Where the leading JobManager is, for a client: at the address that its configuration names, by the words of a
standby there, or as ZooKeeper says.
"""

import logging
from typing import Final

import grpc

from millstream.submission.addresses import target_of
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import HighAvailability
from millstream_dataflow.configuration.options import high_availability

_OPTIONS: Final = (
    # The details of a job of a thousand subtasks take 200 KiB; gRPC's own limit is 4 MiB.
    ("grpc.max_receive_message_length", 64 << 20),
    # gRPC would wait up to two minutes before it looks whether a JobManager is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # A proxy for the web leads nowhere near a cluster.
    ("grpc.enable_http_proxy", 0),
)
_LOOK_S: Final = 1.0  # for a leader in ZooKeeper, before the last one is tried again

_log = logging.getLogger(__name__)


class Route:
    """To one address, and to whoever a standby there names. Used under a lock of the gateway's."""

    def __init__(self, home: str) -> None:
        self._home = home
        self.target = home
        """Where the leader is believed to be."""

    def redirected(self, target: str) -> None:
        """A standby has named the leader."""
        self.target = target

    def lost(self) -> None:
        """Nobody leads there: begin at home again."""
        self.target = self._home

    def channel(self) -> grpc.Channel:
        """To the target. Connects when it is first used."""
        return grpc.insecure_channel(self.target, options=_OPTIONS)


class ElectedRoute(Route):
    """To the leader that ZooKeeper names; to the configured address as long as it names none."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(target_of(configuration))
        self._configuration = configuration
        self.lost()

    def lost(self) -> None:
        """Asks ZooKeeper, once and without waiting long: whoever wants the leader asks again anyway."""
        # Imported here: kazoo takes 100 ms, and most clients have no use for it.
        from millstream_runtime.leadership.connection import cluster_nodes, zookeeper  # noqa: PLC0415  # see above
        from millstream_runtime.leadership.discovery import find_leader  # noqa: PLC0415  # see above
        from millstream_runtime.leadership.errors import UnansweredError, ZooKeeperDeniedError  # noqa: PLC0415  # as above

        connection = zookeeper(self._configuration)
        connection.start()
        try:
            leader = find_leader(connection, cluster_nodes(self._configuration), _LOOK_S)
        except (UnansweredError, ZooKeeperDeniedError) as error:
            _log.warning("who leads can't be found: %s", error)
        else:
            if leader is not None:
                self.target = leader.address
        finally:
            connection.stop()


def route_of(configuration: Configuration) -> Route:
    """As `high-availability.type` says. ConfigurationError for what can't be used."""
    if configuration.get(high_availability.TYPE) is HighAvailability.ZOOKEEPER:
        return ElectedRoute(configuration)
    return Route(target_of(configuration))
