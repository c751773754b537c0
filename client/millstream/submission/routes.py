"""Where the leading JobManager is, for a client: at the address that its configuration names, by the words of a
standby there, or as ZooKeeper says.
"""

import logging
from typing import Final

from millstream.submission.access import Access
from millstream.submission.addresses import target_of
from millstream.submission.quiet import grpc
from millstream.submission.refusals import Reason
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.enums import HighAvailability
from millstream_dataflow.configuration.options import high_availability

_LOOK_S: Final = 1.0  # for a leader in ZooKeeper, before the last one is tried again

_log = logging.getLogger(__name__)


class Route:
    """To one address, and to whoever a standby there names. Used under a lock of the gateway's."""

    def __init__(self, home: str, access: Access | None = None) -> None:
        self._home = home
        self._access = Access() if access is None else access
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
        return self._access.channel(self.target)

    def reason_of(self, error: grpc.RpcError) -> Reason:
        """What is known of it."""
        return self._access.reason_of(error, self.target)


class ElectedRoute(Route):
    """To the leader that ZooKeeper names; to the configured address as long as it names none."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(target_of(configuration), Access.configured(configuration))
        self._configuration = configuration
        self._trouble = ""
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
            if str(error) != self._trouble:
                self._trouble = str(error)
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
    return Route(target_of(configuration), Access.configured(configuration))
