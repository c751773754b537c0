"""What follows from several options together: defaults that depend on others, and combinations that can't be."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from millstream_dataflow.configuration.configuration import Configuration
from millstream_dataflow.configuration.enums import RestartStrategy
from millstream_dataflow.configuration.errors import ConfigurationError, Problem
from millstream_dataflow.configuration.option import Option
from millstream_dataflow.configuration.options import (
    checkpointing,
    jobmanager,
    network,
    restart,
    rpc,
    security,
    taskmanager,
)


def restart_strategy(configuration: Configuration) -> RestartStrategy:
    """The restart strategy of a job: the one that is set, else Flink's rule (exponential-delay with checkpoints)."""
    chosen = configuration.get(restart.STRATEGY)
    if chosen is not None:
        return chosen
    periodic = configuration.get(checkpointing.INTERVAL) is not None
    return RestartStrategy.EXPONENTIAL_DELAY if periodic else RestartStrategy.NONE


def checkpoint_directory(configuration: Configuration, job_store: str) -> str:
    """The directory of checkpoints: the one that is set, else ``checkpoints`` in the job store."""
    return configuration.get(checkpointing.DIRECTORY) or f"{job_store.rstrip('/')}/checkpoints"


def savepoint_directory(configuration: Configuration, job_store: str) -> str:
    """The directory of savepoints that name no other: the one that is set, else ``savepoints`` in the job store."""
    return configuration.get(checkpointing.SAVEPOINT_DIRECTORY) or f"{job_store.rstrip('/')}/savepoints"


def is_loopback(host: str) -> bool:
    """Whether only this host reaches ``host``. A name other than ``localhost`` is not looked up, and counts as not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def check_binding(host: str, configuration: Configuration) -> str | None:
    """Whether a process may listen on ``host``.

    Returns None for a loopback address, and for others a warning, to be logged loudly, when
    ``security.insecure`` allows them; else raises :class:`ConfigurationError`.
    """
    if is_loopback(host):
        return None
    if configuration.get(security.INSECURE):
        origin = configuration.origin(security.INSECURE)
        return (
            f"listening on {host} without encryption or authentication, as {security.INSECURE.key}: true ({origin}) "
            "allows: whoever reaches this address can run code here"
        )
    raise ConfigurationError(
        Problem(
            f"listening on {host} would let everybody who reaches this host run code here, for connections are neither "
            "encrypted nor authenticated",
            f"bind to localhost, or, in a network where you trust everybody, set {security.INSECURE.key}: true",
        )
    )


_IN_ORDER: Final[tuple[tuple[Option[Any], Option[Any], str], ...]] = (
    (rpc.HEARTBEAT_INTERVAL, rpc.HEARTBEAT_TIMEOUT, "each heartbeat would come too late"),
    (network.PEER_PING_INTERVAL, network.PEER_TIMEOUT, "each ping would come too late"),
    (
        restart.EXPONENTIAL_INITIAL_BACKOFF,
        restart.EXPONENTIAL_MAX_BACKOFF,
        "the first delay would be longer than the longest",
    ),
    (
        taskmanager.FAILOVER_CANCELLATION_TIMEOUT,
        jobmanager.DEPLOYMENT_TIMEOUT,
        "the next attempt would be given up while it waits for its slots",
    ),
)
"""Pairs of options of which the first may not be above the second, with what would happen."""


def check_consistency(configuration: Configuration) -> None:
    """Raises :class:`ConfigurationError` with every pair of values that contradict each other."""
    compared = (_compare(configuration, low, high, why) for low, high, why in _IN_ORDER)
    if problems := [problem for problem in compared if problem is not None]:
        raise ConfigurationError(problems)


def _compare(configuration: Configuration, low: Option[Any], high: Option[Any], why: str) -> Problem | None:
    if configuration.get(low) <= configuration.get(high):
        return None
    limit = f"{high.key} = {configuration.text(high)} ({configuration.origin(high)})"
    return Problem(
        f"it is above {limit}, so {why}",
        "raise the second or lower the first",
        low.key,
        configuration.text(low),
        configuration.origin(low),
    )
