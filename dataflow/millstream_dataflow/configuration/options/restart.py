"""What follows the failure of a region: how often and after what delay it is restarted."""

from datetime import timedelta
from typing import Final

from millstream_dataflow.configuration.checks import at_least, between
from millstream_dataflow.configuration.enums import RestartStrategy
from millstream_dataflow.configuration.option import FlinkDifference, Group, Option, Scope
from millstream_dataflow.configuration.parsers import FLOAT, INT, maybe, one_of
from millstream_dataflow.configuration.quantities import DURATION

STRATEGY: Final = Option(
    "restart-strategy.type",
    maybe(
        one_of(
            RestartStrategy,
            {
                "off": RestartStrategy.NONE,
                "disable": RestartStrategy.NONE,
                "fixeddelay": RestartStrategy.FIXED_DELAY,
                "failurerate": RestartStrategy.FAILURE_RATE,
                "exponentialdelay": RestartStrategy.EXPONENTIAL_DELAY,
            },
        ),
        word="default",
    ),
    None,
    "What follows a failure; by default exponential-delay for a job with a checkpoint interval, none for others.",
    Scope.JOB,
    deprecated_keys=("restart-strategy",),
)
FIXED_DELAY_ATTEMPTS: Final = Option(
    "restart-strategy.fixed-delay.attempts",
    INT,
    1,
    "How many restarts fixed-delay makes before the job fails.",
    Scope.JOB,
    unit="restarts",
    check=at_least(0),
)
FIXED_DELAY_DELAY: Final = Option(
    "restart-strategy.fixed-delay.delay",
    DURATION,
    timedelta(seconds=1),
    "How long fixed-delay waits before each restart.",
    Scope.JOB,
)
FAILURE_RATE_MAX_FAILURES: Final = Option(
    "restart-strategy.failure-rate.max-failures-per-interval",
    INT,
    1,
    "How many failures within the interval failure-rate answers with a restart; one more fails the job.",
    Scope.JOB,
    unit="failures",
    check=at_least(1),
)
FAILURE_RATE_INTERVAL: Final = Option(
    "restart-strategy.failure-rate.failure-rate-interval",
    DURATION,
    timedelta(minutes=1),
    "The sliding interval in which failure-rate counts.",
    Scope.JOB,
    check=at_least(timedelta(milliseconds=1), "1 ms"),
)
FAILURE_RATE_DELAY: Final = Option(
    "restart-strategy.failure-rate.delay",
    DURATION,
    timedelta(seconds=1),
    "How long failure-rate waits before each restart.",
    Scope.JOB,
)
EXPONENTIAL_INITIAL_BACKOFF: Final = Option(
    "restart-strategy.exponential-delay.initial-backoff",
    DURATION,
    timedelta(seconds=1),
    "The first delay of exponential-delay.",
    Scope.JOB,
    check=at_least(timedelta(milliseconds=1), "1 ms"),
    flink=FlinkDifference("the first restart after a stable run has no delay, the one after it has this"),
)
EXPONENTIAL_MAX_BACKOFF: Final = Option(
    "restart-strategy.exponential-delay.max-backoff",
    DURATION,
    timedelta(minutes=1),
    "The longest delay of exponential-delay.",
    Scope.JOB,
    check=at_least(timedelta(milliseconds=1), "1 ms"),
)
EXPONENTIAL_MULTIPLIER: Final = Option(
    "restart-strategy.exponential-delay.backoff-multiplier",
    FLOAT,
    1.5,
    "By how much each delay of exponential-delay is longer than the one before.",
    Scope.JOB,
    check=between(1.0, 1000.0),
)
EXPONENTIAL_RESET_THRESHOLD: Final = Option(
    "restart-strategy.exponential-delay.reset-backoff-threshold",
    DURATION,
    timedelta(hours=1),
    "How long a region must run without a failure to count as stable, so that exponential-delay begins anew.",
    Scope.JOB,
)
EXPONENTIAL_JITTER: Final = Option(
    "restart-strategy.exponential-delay.jitter-factor",
    FLOAT,
    0.1,
    "The part of a delay by which exponential-delay shortens or lengthens it at random.",
    Scope.JOB,
    check=between(0.0, 1.0),
)
EXPONENTIAL_ATTEMPTS: Final = Option(
    "restart-strategy.exponential-delay.attempts-before-reset-backoff",
    maybe(INT, word="infinite"),
    None,
    "How many restarts exponential-delay makes without a stable run between them before the job fails.",
    Scope.JOB,
    unit="restarts",
    check=at_least(1),
)

GROUP: Final = Group(
    "Restarts",
    "What follows the failure of a region of a job. Failures that depend on nothing but the program and its input end "
    "the job at once, whatever the strategy: a path that isn't there at the first look of a job that has never run, an "
    "unstable key, a value that doesn't fit its declared type or can't be pickled, a malformed record of a source that "
    "is to fail at it, a file whose content is damaged, and a function that raises NonRecoverableError. Every other "
    "exception of a function is followed by a restart, and so are files that vanish later.",
    (
        STRATEGY,
        FIXED_DELAY_ATTEMPTS,
        FIXED_DELAY_DELAY,
        FAILURE_RATE_MAX_FAILURES,
        FAILURE_RATE_INTERVAL,
        FAILURE_RATE_DELAY,
        EXPONENTIAL_INITIAL_BACKOFF,
        EXPONENTIAL_MAX_BACKOFF,
        EXPONENTIAL_MULTIPLIER,
        EXPONENTIAL_RESET_THRESHOLD,
        EXPONENTIAL_JITTER,
        EXPONENTIAL_ATTEMPTS,
    ),
)
