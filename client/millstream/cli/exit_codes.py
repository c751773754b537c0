"""What the exit code of `millstream` tells the script that called it. `docs/exit-codes.md` says when each one comes."""

from enum import IntEnum, unique


@unique
class ExitCode(IntEnum):
    """One code for each thing that a caller would do differently."""

    FINISHED = 0
    FAILED = 1  # what Python gives for an uncaught exception as well: never retried blindly
    USAGE = 2  # click's own code for a wrong command line; a wrong configuration is the same mistake elsewhere
    CLUSTER_UNREACHABLE = 3  # no answer that decides: may be worth a retry, or a look at what came of it
    REFUSED = 4  # a job or a request was answered with no: retrying the same thing is useless
    INTERRUPTED = 130  # 128 + SIGINT, as shells count
    NOBODY_READS = 141  # 128 + SIGPIPE: what other tools end with when the pipe behind them is closed


HELP = """
\b
Exit codes:
  0    finished
  1    the job failed, or a process could not start or go on
  2    usage: an option or a value of the configuration that can't be used
  3    the cluster can't be reached, or can't do it now
  4    refused: the job, or what was asked of a job
  130  interrupted
  141  nobody reads the output any more
"""
"""For the command's help."""
