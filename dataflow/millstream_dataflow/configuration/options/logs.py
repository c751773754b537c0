"""Where the processes log, how much, and how long it is kept."""

from typing import Final

from millstream_dataflow.configuration.checks import at_least, between
from millstream_dataflow.configuration.enums import LogLevel, LogTarget
from millstream_dataflow.configuration.option import Group, Option, Scope
from millstream_dataflow.configuration.parsers import INT, PATH, maybe, one_of
from millstream_dataflow.configuration.quantities import MEMORY

DIRECTORY: Final = Option(
    "env.log.dir",
    maybe(PATH),
    None,
    "The directory of the log files of the JobManager, the TaskManager and its tasks; without it the processes log to "
    "stderr and tasks to a temporary directory, which goes with the TaskManager. Its log names that of tasks.",
    Scope.CLUSTER,
)
TARGET: Final = Option(
    "env.log.target",
    maybe(one_of(LogTarget)),
    None,
    "The stream to which the processes log, whatever env.log.dir says (which tasks still log to). What goes to stdout "
    "is for a container's log: one line a record, line breaks within it written as \\n.",
    Scope.CLUSTER,
    own=True,
)
LEVEL: Final = Option(
    "env.log.level",
    one_of(LogLevel, {"WARNING": LogLevel.WARN}),
    LogLevel.INFO,
    "The least severe messages that are logged (--log-level).",
    Scope.CLUSTER,
)
MAX_SIZE: Final = Option(
    "env.log.max-size",
    MEMORY,
    100 << 20,
    "The size at which a log file is closed and a new one begun.",
    Scope.CLUSTER,
    unit="bytes",
    check=at_least(64 << 10, "64 kb"),
    own=True,
)
MAX_FILES: Final = Option(
    "env.log.max",
    INT,
    10,
    "How many closed log files of a process are kept.",
    Scope.CLUSTER,
    unit="files",
    check=between(1, 1000),
)

GROUP: Final = Group(
    "Logs", "Where the processes log, and how much of it is kept.", (DIRECTORY, TARGET, LEVEL, MAX_SIZE, MAX_FILES)
)
