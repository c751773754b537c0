"""What the exit code of `millstream` tells the script that called it."""

from enum import IntEnum, unique


@unique
class ExitCode(IntEnum):
    """One code for each thing that a caller would do differently."""

    FINISHED = 0
    JOB_FAILED = 1  # what Python gives for an uncaught exception as well: never retried blindly
    USAGE = 2  # click's own code for a wrong command line
    CLUSTER_UNREACHABLE = 3  # may be worth a retry
    REFUSED = 4  # the cluster answered no: retrying the same thing is useless
    INTERRUPTED = 130  # 128 + SIGINT, as shells count
