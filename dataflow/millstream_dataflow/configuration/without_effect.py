"""Keys of Flink that Millstream has no option for: which of them are let through, and which are not.

A configuration written for Flink should start here unchanged where that is honest. So keys that rule machinery
Millstream does not have (the JVM, Pekko, Netty's buffers) are accepted, and named once as *without effect*. Keys
whose absence would change what a job or a cluster guarantees (Kerberos, state on disk) are
*refused* with the reason, since running without them in silence would be a lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from millstream_dataflow.configuration.option import environment_name


@dataclass(frozen=True)
class Family:
    """One key of Flink, or with a dot at the end all keys below it; ``reason`` in a few words."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}*" if self.name.endswith(".") else self.name

    def covers(self, key: str) -> bool:
        """Whether ``key`` belongs to the family."""
        return key.startswith(self.name) if self.name.endswith(".") else key == self.name

    def covers_variable(self, variable: str) -> bool:
        """Whether the environment variable ``variable`` stands for a key of the family."""
        name = environment_name(self.name)
        return variable.startswith(name) if self.name.endswith(".") else variable == name


def _families(reason: str, *names: str) -> tuple[Family, ...]:
    return tuple(Family(name, reason) for name in names)


WITHOUT_EFFECT: Final[tuple[Family, ...]] = (
    *_families("there is no JVM", "env.java.", "env.ssh.", "env.hadoop.", "env.yarn.", "env.hbase.", "jmx.server."),
    *_families("there are no JVM class loaders", "classloader.", "plugin.classloader."),
    *_families("jobs are Python, without jars", "pipeline.jars", "pipeline.classpaths"),
    *_families("processes take the memory they need", "jobmanager.memory.", "taskmanager.memory."),
    *_families("processes have no heap of a fixed size", "jobmanager.heap.", "taskmanager.heap."),
    *_families(
        "TLS is the one of Python and gRPC",
        "security.ssl.provider",
        "security.ssl.internal.session-cache-size",
        "security.ssl.internal.session-timeout",
        "security.ssl.internal.handshake-timeout",
        "security.ssl.internal.close-notify-flush-timeout",
    ),
    *_families("a JobManager has one port, jobmanager.rpc.port", "high-availability.jobmanager.port"),
    *_families(
        "connections to ZooKeeper are tried again without an end",
        "high-availability.zookeeper.client.max-retry-attempts",
        "high-availability.zookeeper.client.retry-wait",
        "high-availability.zookeeper.client.ensemble-tracker",
    ),
    *_families(
        "the nodes of a cluster lie below its own, in fixed places",
        "high-availability.zookeeper.path.jobgraphs",
        "high-availability.zookeeper.path.checkpoints",
        "high-availability.zookeeper.path.latch",
        "high-availability.zookeeper.path.leader",
        "high-availability.zookeeper.path.mesos-workers",
        "high-availability.zookeeper.path.running-registry",
    ),
    *_families("control connections are gRPC", "pekko.", "akka.", "heartbeat.rpc-failure-threshold"),
    *_families("functions run in the task's own process", "python."),
    *_families("functions and artifacts travel over gRPC", "blob."),
    *_families("failover is always by region", "jobmanager.execution.failover-strategy"),
    *_families("there is one scheduler", "jobmanager.scheduler", "jobmanager.adaptive-scheduler.", "scheduler-mode"),
    *_families("a TaskManager has one data port, and a stream to the JobManager", "taskmanager.rpc."),
    *_families("a TaskManager waits for its JobManager without an end", "taskmanager.registration.timeout"),
    *_families(
        "a worker that does not end is killed",
        "task.cancellation.timers.timeout",
        "task.cancellation.interval",
        "task.cancellation-interval",
    ),
    *_families(
        "checkpoints always go on when some tasks have finished",
        "execution.checkpointing.checkpoints-after-tasks-finish",
        "execution.checkpointing.checkpoints-after-tasks-finish.enabled",
    ),
    *_families(
        "credits are bytes: see taskmanager.network.memory.exclusive-bytes-per-channel and floating-bytes-per-gate",
        "taskmanager.network.memory.buffers-per-channel",
        "taskmanager.network.memory.floating-buffers-per-gate",
        "taskmanager.network.memory.max-buffers-per-channel",
        "taskmanager.network.memory.max-overdraft-buffers-per-gate",
        "taskmanager.network.memory.read-buffer.required-per-gate.max",
        "taskmanager.network.memory.fraction",
        "taskmanager.network.memory.min",
        "taskmanager.network.memory.max",
        "taskmanager.network.numberOfBuffers",
    ),
    *_families(
        "a channel has about 200 ms of its task's work under way by itself, and what is emitted at once",
        "taskmanager.network.memory.buffer-debloat.",
    ),
    *_families(
        "data connections are Unix sockets and TCP of our own",
        "taskmanager.network.netty.",
        "taskmanager.network.request-backoff.",
        "taskmanager.network.partition-request-timeout",
        "taskmanager.network.max-num-tcp-connections",
        "taskmanager.network.tcp-connection.",
        "taskmanager.network.retries",
        "taskmanager.network.bind-policy",
        "taskmanager.network.detailed-metrics",
    ),
    *_families(
        "what a stage of a batch job gives the next lies in files of one form",
        "taskmanager.network.batch-shuffle.",
        "taskmanager.network.blocking-shuffle.",
        "taskmanager.network.hybrid-shuffle.",
        "taskmanager.network.sort-shuffle.",
        "taskmanager.network.compression.codec",
    ),
    *_families(
        "the stages of a batch job are as wide as the program says, and a new leader knows what they have left",
        "execution.batch.adaptive.",
        "execution.batch.speculative.",
        "execution.batch.job-recovery.",
    ),
    *_families("batches are sent when their task has no more input", "execution.buffer-timeout.enabled"),
    *_families(
        "rows have no Java serializers",
        "pipeline.force-avro",
        "pipeline.force-kryo",
        "pipeline.generic-types",
        "pipeline.serialization-config",
        "pipeline.registered-kryo-types",
        "pipeline.registered-pojo-types",
        "pipeline.default-kryo-serializers",
        "pipeline.closure-cleaner-level",
    ),
    *_families("snapshots are always asynchronous", "state.backend.async"),
    *_families(
        "checkpoints of the hashmap backend hold the whole state",
        "execution.checkpointing.incremental",
        "state.backend.incremental",
    ),
    *_families(
        "checkpoint files have a writer of our own",
        "execution.checkpointing.write-buffer-size",
        "execution.checkpointing.file-merging.",
        "execution.checkpointing.snapshot-compression",
    ),
    *_families("checkpoints are deleted by threads of their own", "execution.checkpointing.cleaner.parallel-mode"),
    *_families(
        "state is restored from the checkpoint's storage alone",
        "execution.checkpointing.local-backup.",
        "execution.state-recovery.from-local",
    ),
    *_families("no source says that it works off a backlog", "execution.checkpointing.interval-during-backlog"),
    *_families("streams can't feed themselves", "execution.checkpointing.unaligned.forced"),
    *_families(
        "each task's records in flight lie in its own file",
        "execution.checkpointing.unaligned.max-subtasks-per-channel-state-file",
    ),
    *_families(
        "a barrier waits for the timers that fire, but not for credit",
        "execution.checkpointing.unaligned.interruptible-timers.enabled",
    ),
    *_families("there is no REST endpoint or dashboard in this version", "rest.", "web.", "historyserver."),
    *_families("there are no metrics reporters in this version", "metrics.", "traces.", "events."),
    *_families("there are no Table API and SQL in this version", "table.", "sql-client.", "sql-gateway."),
    *_families("the processes are started by hand", "kubernetes.", "yarn.", "containerized."),
)
"""Accepted and named once. No entry covers the key of an option, and a test holds that."""

_KINDS = ("internal", "rest")
_STORES = ("keystore", "truststore")
_OF_JAVA = ("password", "type")

REFUSED: Final[tuple[Family, ...]] = (
    *_families(
        "a checkpoint is restored with its records in flight, or not at all",
        "execution.checkpointing.recover-without-channel-state.checkpoint-id",
    ),
    *_families(
        "a batch job always groups the input of keyed operators, so that the state of one key is in memory",
        "execution.sorted-inputs.enabled",
        "execution.batch-state-backend.enabled",
    ),
    *_families("ZooKeeper elects the leader, not Kubernetes", "high-availability.kubernetes."),
    *_families(
        "certificates are PEM files, said for each kind of connection: security.ssl.internal.* and security.ssl.rest.*",
        *(f"security.ssl.{name}" for name in ("enabled", "keystore", "keystore-password", "key-password")),
        *(f"security.ssl.{name}" for name in ("truststore", "truststore-password", "algorithms", "verify-hostname")),
        *(f"security.ssl.{kind}.{store}-{what}" for kind in _KINDS for store in _STORES for what in _OF_JAVA),
        *(f"security.ssl.{kind}.cert." for kind in _KINDS),
    ),
    *_families("there is no Kerberos in this version", "security.kerberos.", "security.delegation."),
    *_families(
        "keyed state lies in memory in this version",
        "state.backend.rocksdb.",
        "state.backend.forst.",
        "state.backend.changelog.",
        "state.changelog.",
    ),
    *_families("file systems take their settings from the environment of the process", "s3.", "s3a.", "fs.", "gs."),
)
"""Refused with the reason: without them a job or a cluster would not do what its configuration says."""


def without_effect(key: str) -> Family | None:
    """The family of keys without effect that ``key`` belongs to."""
    return next((family for family in WITHOUT_EFFECT if family.covers(key)), None)


def refused(key: str) -> Family | None:
    """The family of refused keys that ``key`` belongs to."""
    return next((family for family in REFUSED if family.covers(key)), None)


def family_of_variable(variable: str) -> Family | None:
    """The family, of either kind, that an environment variable stands for."""
    return next((family for family in (*WITHOUT_EFFECT, *REFUSED) if family.covers_variable(variable)), None)
