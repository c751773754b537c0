"""The options, read once: what the core asks of the cluster and of each job, and what the service itself needs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from millstream_dataflow.configuration import Configuration, Scope
from millstream_dataflow.configuration.enums import (
    ExternalizedCheckpointRetention,
    OnImbalance,
    RestartStrategy,
    RuntimeExecutionMode,
)
from millstream_dataflow.configuration.options import (
    audit,
    checkpointing,
    execution,
    high_availability,
    jobmanager,
    restart,
    rpc,
    taskmanager,
)
from millstream_dataflow.configuration.rules import aligned_checkpoint_timeout, restart_strategy
from millstream_jobmanager.core.settings import (
    CheckpointSettings,
    ClusterSettings,
    JobSettings,
    RestartKind,
    RestartSettings,
)
from millstream_runtime.versions import own_versions

FOR_EVER = 365 * 86_400_000
"""Milliseconds that stand for "waits for ever" where the protocol wants a number: a year."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the service itself asks of the configuration. Sizes are bytes, times seconds."""

    max_message_size: int
    max_graph_size: int
    max_artifact_size: int
    call_timeout: float
    temporary_directory: str | None


def service_settings(configuration: Configuration) -> ServiceSettings:
    """Limits and deadlines."""
    directories = configuration.get(taskmanager.TMP_DIRS)
    return ServiceSettings(
        max_message_size=configuration.get(rpc.MAX_MESSAGE_SIZE),
        max_graph_size=configuration.get(jobmanager.MAX_GRAPH_SIZE),
        max_artifact_size=configuration.get(jobmanager.MAX_ARTIFACT_SIZE),
        call_timeout=configuration.get(rpc.CALL_TIMEOUT).total_seconds(),
        temporary_directory=directories[0] if directories else None,
    )


def cluster_settings(configuration: Configuration, leader: str) -> ClusterSettings:
    """What the core asks of the cluster's configuration; `leader` is the name that TaskManagers are told."""
    return ClusterSettings(
        leader=leader,
        versions=own_versions(),
        heartbeat_interval=_ms(configuration.get(rpc.HEARTBEAT_INTERVAL)),
        heartbeat_timeout=_ms(configuration.get(rpc.HEARTBEAT_TIMEOUT)),
        session_grace=_ms(configuration.get(jobmanager.RECONNECT_TIMEOUT)),
        adoption_timeout=_ms(configuration.get(jobmanager.ADOPTION_TIMEOUT)),
        deployment_timeout=_ms(configuration.get(jobmanager.DEPLOYMENT_TIMEOUT)),
        old_worker_grace=_ms(configuration.get(taskmanager.FAILOVER_CANCELLATION_TIMEOUT)),
        tombstone_time=_ms(configuration.get(high_availability.EXPIRATION_TIME)),
    )


@dataclass(frozen=True, slots=True)
class JobSettingsReader:
    """From a job graph's own options to what the core asks of them; the cluster's stand where the job says nothing."""

    configuration: Configuration
    checkpoint_directory: str
    savepoint_directory: str

    def __call__(self, options: Mapping[str, str]) -> JobSettings:
        """ConfigurationError names all that is wrong with the job's options."""
        own = Configuration.from_strings(options).only((Scope.JOB,))
        merged = self.configuration.under(own)
        cancellation = _ms(merged.get(taskmanager.CANCELLATION_TIMEOUT))
        # Decided when the program was compiled: what the cluster's file says holds for programs, not for jobs.
        batch = own.get(execution.RUNTIME_MODE) is RuntimeExecutionMode.BATCH
        checkpoints = self._checkpoints(merged)
        return JobSettings(
            replace(checkpoints, interval=None) if batch else checkpoints,
            _restart(merged),
            slot_request_timeout=_ms(self.configuration.get(jobmanager.SLOT_REQUEST_TIMEOUT)),
            cancellation_timeout=cancellation or FOR_EVER,
            fail_on_imbalance=merged.get(audit.ON_IMBALANCE) is OnImbalance.FAIL_JOB,
            batch=batch,
        )

    def _checkpoints(self, merged: Configuration) -> CheckpointSettings:
        interval = merged.get(checkpointing.INTERVAL)
        retention = merged.get(checkpointing.RETENTION)
        return CheckpointSettings(
            interval=None if interval is None else _ms(interval),
            timeout=_ms(merged.get(checkpointing.TIMEOUT)),
            min_pause=_ms(merged.get(checkpointing.MIN_PAUSE)),
            max_concurrent=merged.get(checkpointing.MAX_CONCURRENT),
            overtaking=aligned_checkpoint_timeout(merged) is not None,
            tolerable_failures=merged.get(checkpointing.TOLERABLE_FAILURES),
            retain_on_cancel=retention is ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION,
            num_retained=merged.get(checkpointing.NUM_RETAINED),
            directory=merged.get(checkpointing.DIRECTORY) or self.checkpoint_directory,
            savepoint_directory=merged.get(checkpointing.SAVEPOINT_DIRECTORY) or self.savepoint_directory,
        )


def savepoints_beside(checkpoint_directory: str) -> str:
    """The default directory of savepoints: `savepoints` beside the one of checkpoints, in the job store."""
    store, slash, _ = checkpoint_directory.rstrip("/").rpartition("/")
    return f"{store}{slash}savepoints"


def _restart(merged: Configuration) -> RestartSettings:
    match restart_strategy(merged):
        case RestartStrategy.NONE:
            return RestartSettings(RestartKind.NONE)
        case RestartStrategy.FIXED_DELAY:
            return RestartSettings(
                RestartKind.FIXED_DELAY,
                attempts=merged.get(restart.FIXED_DELAY_ATTEMPTS),
                delay=_ms(merged.get(restart.FIXED_DELAY_DELAY)),
            )
        case RestartStrategy.FAILURE_RATE:
            return RestartSettings(
                RestartKind.FAILURE_RATE,
                attempts=merged.get(restart.FAILURE_RATE_MAX_FAILURES),
                delay=_ms(merged.get(restart.FAILURE_RATE_DELAY)),
                interval=_ms(merged.get(restart.FAILURE_RATE_INTERVAL)),
            )
        case RestartStrategy.EXPONENTIAL_DELAY:
            return RestartSettings(
                RestartKind.EXPONENTIAL_DELAY,
                attempts=merged.get(restart.EXPONENTIAL_ATTEMPTS),
                delay=_ms(merged.get(restart.EXPONENTIAL_INITIAL_BACKOFF)),
                max_delay=_ms(merged.get(restart.EXPONENTIAL_MAX_BACKOFF)),
                multiplier=merged.get(restart.EXPONENTIAL_MULTIPLIER),
                jitter=merged.get(restart.EXPONENTIAL_JITTER),
                stable_after=_ms(merged.get(restart.EXPONENTIAL_RESET_THRESHOLD)),
            )


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
