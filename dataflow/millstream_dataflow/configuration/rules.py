"""What follows from several options together: defaults that depend on others, and combinations that can't be."""

from __future__ import annotations

import enum
import ipaddress
from datetime import timedelta
from typing import Any, Final

from millstream_dataflow.configuration.configuration import Configuration
from millstream_dataflow.configuration.enums import CheckpointingMode, RestartStrategy
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
    unaligned,
)


def aligned_checkpoint_timeout(configuration: Configuration) -> timedelta | None:
    """How long a checkpoint is aligned until its barriers overtake records; None: to its end."""
    if not configuration.get(unaligned.ENABLED) or _against_overtaking(configuration) is not None:
        return None
    return configuration.get(unaligned.ALIGNED_TIMEOUT)


def overtaking_conflict(configuration: Configuration) -> Problem | None:
    """What is wrong when somebody has asked for unaligned checkpoints and for what excludes them. Without being asked
    for they just aren't there.
    """
    other = _against_overtaking(configuration)
    if other is None or not (configuration.get(unaligned.ENABLED) and configuration.is_set(unaligned.ENABLED)):
        return None
    option, why = other
    reason = f"{option.key} is {configuration.text(option)} ({configuration.origin(option)}), and {why}"
    mend = f"set {unaligned.ENABLED.key} to false, or the other back to {option.default_text}"
    text = configuration.text(unaligned.ENABLED)
    return Problem(reason, mend, unaligned.ENABLED.key, text, configuration.origin(unaligned.ENABLED))


def _against_overtaking(configuration: Configuration) -> tuple[Option[Any], str] | None:
    if configuration.get(checkpointing.MODE) is not CheckpointingMode.EXACTLY_ONCE:
        return checkpointing.MODE, "barriers that nobody waits for have nothing to overtake"
    if configuration.get(checkpointing.MAX_CONCURRENT) > 1:
        return checkpointing.MAX_CONCURRENT, "a barrier would overtake the one of the checkpoint before it"
    return None


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


class Listener(enum.Enum):
    """Who opens a port."""

    JOBMANAGER = "jobmanager"
    """For clients and members: whoever may submit a job runs code in the cluster."""
    DATA_PORT = "data port"
    """Of a TaskManager, for members alone: whoever sends records sends pickles."""


def check_binding(host: str, configuration: Configuration, listener: Listener) -> str | None:
    """Whether a process may listen on ``host``.

    Returns None for a loopback address, and for others when this port is safe: connections are encrypted, and nobody
    comes in who hasn't proved who he is. Else a warning, to be logged loudly, when ``security.insecure`` allows it,
    else raises :class:`ConfigurationError` with what is missing.
    """
    if is_loopback(host) or not (missing := _missing(configuration, listener)):
        return None
    missed = " and ".join(missing)
    if configuration.get(security.INSECURE):
        origin = configuration.origin(security.INSECURE)
        return (
            f"LISTENING ON {host} WITHOUT {missed}, as {security.INSECURE.key}: true ({origin}) allows: "
            "whoever reaches this address can run code here"
        )
    raise ConfigurationError(
        Problem(
            f"listening on {host} without {missed} would let everybody who reaches this host run code here",
            f"set it ('millstream security init' writes all that it needs), bind to localhost, or, in a network where "
            f"you trust everybody, set {security.INSECURE.key}: true",
        )
    )


def _missing(configuration: Configuration, listener: Listener) -> list[str]:
    """What makes a port unsafe."""
    wanted = [(security.INTERNAL_ENABLED.key, configuration.get(security.INTERNAL_ENABLED))]
    if listener is Listener.JOBMANAGER:
        certificate, token = security.REST_AUTHENTICATION_ENABLED, security.TOKEN_FILE
        authenticated = configuration.get(certificate) or configuration.get(token) is not None
        wanted.append((security.REST_ENABLED.key, configuration.get(security.REST_ENABLED)))
        wanted.append((f"{token.key} or {certificate.key}", authenticated))
    return [key for key, is_set in wanted if not is_set]


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


_NEEDS: Final[tuple[tuple[Option[bool], Option[Any]], ...]] = (
    (security.INTERNAL_ENABLED, security.INTERNAL_KEYSTORE),
    (security.INTERNAL_ENABLED, security.INTERNAL_TRUSTSTORE),
    (security.REST_AUTHENTICATION_ENABLED, security.REST_ENABLED),
    (security.REST_AUTHENTICATION_ENABLED, security.REST_TRUSTSTORE),
)
"""Switches, each with what must be set as well. That a JobManager needs a certificate for clients stands elsewhere: a
client, which reads the same keys, needs none."""


def check_consistency(configuration: Configuration) -> None:
    """Raises :class:`ConfigurationError` with every pair of values that contradict each other."""
    compared = [_compare(configuration, low, high, why) for low, high, why in _IN_ORDER]
    compared += [lacking(configuration, switch, needed) for switch, needed in _NEEDS]
    compared.append(overtaking_conflict(configuration))
    if problems := [problem for problem in compared if problem is not None]:
        raise ConfigurationError(problems)


def lacking(configuration: Configuration, switch: Option[bool], needed: Option[Any]) -> Problem | None:
    """What is wrong when ``switch`` is on and ``needed`` is not set, or off."""
    if not configuration.get(switch) or configuration.get(needed):
        return None
    reason = f"it needs {needed.key}, which is {configuration.text(needed)} ({configuration.origin(needed)})"
    return Problem(
        reason,
        f"set {needed.key}, or turn the first off",
        switch.key,
        configuration.text(switch),
        configuration.origin(switch),
    )


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
