"""What the service takes from the cluster's configuration. Times are milliseconds, sizes are bytes."""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final

from millstream_dataflow.configuration import Configuration, milliseconds
from millstream_dataflow.configuration.options import network, rpc, taskmanager
from millstream_runtime.security import InternalTls

FIRST_BACKOFF: Final = 100
LONGEST_BACKOFF: Final = 3_000  # a JobManager that is back is found within so much
REFUSED_BACKOFF: Final = 15_000  # whoever was refused needs a person first


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Of the session with the JobManager."""

    call_timeout: int = 10_000
    message_limit: int = 256 << 10
    first_backoff: int = FIRST_BACKOFF
    longest_backoff: int = LONGEST_BACKOFF
    refused_backoff: int = REFUSED_BACKOFF
    unsent_limit: int = 64 << 20
    """What the JobManager hasn't taken, but for what users' code prints: then the session is given up, a new one
    registers.
    """
    tls: InternalTls | None = None


@dataclass(frozen=True, slots=True)
class PortSettings:
    """Of what other TaskManagers open on the data port."""

    handshake_timeout: int = 5_000
    unknown_limit: int = 64
    """Connections that haven't said yet whom they want; the oldest goes when one more comes."""
    ping_interval: int = 5_000
    ping_timeout: int = 15_000
    ping_limit: int = 1_024
    """Ping connections of others that haven't proved to be peers; the oldest goes when one more comes."""


def link_settings(configuration: Configuration, tls: InternalTls | None) -> LinkSettings:
    """As configured."""
    get = configuration.get
    return LinkSettings(milliseconds(get(rpc.CALL_TIMEOUT)), get(rpc.MAX_MESSAGE_SIZE), tls=tls)


def port_settings(configuration: Configuration) -> PortSettings:
    """As configured."""
    get = configuration.get
    return PortSettings(
        handshake_timeout=milliseconds(get(network.HANDSHAKE_TIMEOUT)),
        ping_interval=milliseconds(get(network.PEER_PING_INTERVAL)),
        ping_timeout=milliseconds(get(network.PEER_TIMEOUT)),
    )


def advertised_host(configuration: Configuration) -> str:
    """The host at which others reach the data port: its own name where it listens on every address."""
    host, bound = configuration.get(taskmanager.HOST_NAME), configuration.get(taskmanager.BIND_HOST)
    if host is not None:
        return host
    try:
        everywhere = ipaddress.ip_address(bound).is_unspecified
    except ValueError:  # a name
        everywhere = False
    return socket.gethostname() if everywhere else bound
