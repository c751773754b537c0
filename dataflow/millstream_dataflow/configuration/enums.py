"""The words that configuration values choose from. Their texts are Flink's where Flink has the choice."""

import enum


class CheckpointingMode(enum.Enum):
    """How often a record may show in state after a failure: once, or at least once (barriers are not aligned)."""

    EXACTLY_ONCE = "EXACTLY_ONCE"
    AT_LEAST_ONCE = "AT_LEAST_ONCE"


class ExternalizedCheckpointRetention(enum.Enum):
    """What becomes of a job's checkpoints when it is cancelled; a job that FAILED keeps them in any case."""

    DELETE_ON_CANCELLATION = "DELETE_ON_CANCELLATION"
    RETAIN_ON_CANCELLATION = "RETAIN_ON_CANCELLATION"
    NO_EXTERNALIZED_CHECKPOINTS = "NO_EXTERNALIZED_CHECKPOINTS"


class CheckpointStorage(enum.Enum):
    """Where the bytes of checkpoints lie."""

    FILESYSTEM = "filesystem"


class StateBackend(enum.Enum):
    """Where keyed state lies while a job runs."""

    HASHMAP = "hashmap"


class RestartStrategy(enum.Enum):
    """What follows the failure of a region."""

    NONE = "none"
    FIXED_DELAY = "fixed-delay"
    FAILURE_RATE = "failure-rate"
    EXPONENTIAL_DELAY = "exponential-delay"


class RuntimeExecutionMode(enum.Enum):
    """Whether a bounded program runs as a stream or in stages; AUTOMATIC: in stages if all its sources are bounded."""

    STREAMING = "STREAMING"
    BATCH = "BATCH"
    AUTOMATIC = "AUTOMATIC"


class BatchShuffleMode(enum.Enum):
    """How tasks of a batch job exchange records: through files, stage by stage, or all at once."""

    ALL_EXCHANGES_BLOCKING = "ALL_EXCHANGES_BLOCKING"
    ALL_EXCHANGES_PIPELINED = "ALL_EXCHANGES_PIPELINED"


class ExecutionTarget(enum.Enum):
    """Where ``execute()`` runs a program."""

    EMBEDDED = "embedded"
    REMOTE = "remote"
    INLINE = "inline"


class HighAvailability(enum.Enum):
    """Who elects the leader among several JobManagers; NONE: there is one, which recovers from its own store."""

    NONE = "NONE"
    ZOOKEEPER = "zookeeper"


class ZooKeeperAcl(enum.Enum):
    """Who may read and change a cluster's nodes in ZooKeeper."""

    OPEN = "open"
    CREATOR = "creator"


class TlsVersion(enum.Enum):
    """Versions of TLS that are spoken at all."""

    TLS_1_2 = "TLSv1.2"
    TLS_1_3 = "TLSv1.3"


class OnImbalance(enum.Enum):
    """What follows a checkpoint whose record counts don't balance."""

    FAIL_JOB = "fail-job"
    WARN = "warn"


class LogTarget(enum.Enum):
    """The stream to which a process logs instead of files."""

    STDERR = "stderr"
    STDOUT = "stdout"


class LogLevel(enum.Enum):
    """The least severe messages that are logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"
