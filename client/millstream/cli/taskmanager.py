"""``millstream taskmanager``: the process whose slots run tasks."""

import errno
import os
from pathlib import Path
from urllib.parse import quote

import click

from millstream.cli.answers import Problem
from millstream.cli.exit_codes import ExitCode
from millstream.cli.options import with_jobmanager, with_log_level
from millstream.cli.serving import say, serve, until_told
from millstream.connectors import PRELOADED
from millstream.submission.addresses import target_of
from millstream_dataflow.configuration import Configuration, ConfigurationError, Origin
from millstream_dataflow.configuration.enums import HighAvailability
from millstream_dataflow.configuration.options import high_availability, taskmanager
from millstream_dataflow.words import counted
from millstream_runtime.configuration import job_store_directory

EXAMPLES = """
\b
Examples:
  millstream taskmanager --slots 2
  millstream taskmanager --slots 8 -m jobs.example.com:6123
"""


@click.command("taskmanager", epilog=EXAMPLES)
@click.option("--slots", type=int, metavar="N", help="The same as -D taskmanager.numberOfTaskSlots=N.")
@with_jobmanager
@with_log_level
def command(configuration: Configuration, slots: int | None) -> None:
    """Start a TaskManager, and run until it is told to end (SIGTERM, Ctrl-C).

    Each slot runs one subtask of every vertex of a job, in a worker process of its own. The JobManager may come later.
    At SIGTERM it first has its tasks go on elsewhere, for taskmanager.shutdown-timeout at most; Ctrl-C, and a second
    signal, end it at once.
    Ends with 0 when it was told to, 2 when an option or a value of the configuration can't be used, 1 when it can't
    start or go on all the same: its port is taken.
    """
    if slots is not None:
        origin = Origin.command_line("--slots")
        try:
            configuration = configuration.with_(taskmanager.NUMBER_OF_TASK_SLOTS, slots, origin)
        except ConfigurationError as error:
            raise click.UsageError(str(error)) from error
    serve("taskmanager", configuration, lambda: _run(configuration))


async def _run(configuration: Configuration) -> None:
    from millstream_taskmanager.processes import spawning  # noqa: PLC0415  # --help has no use for it

    elected = configuration.get(high_availability.TYPE) is HighAvailability.ZOOKEEPER
    target = None if elected else target_of(configuration)
    # It says which TaskManager this is across its starts; a second one beside it takes the next number there. Clusters
    # that know each other by an id have numbers of their own.
    directory = Path(job_store_directory(Configuration(), os.environ)) / "taskmanagers"
    directory = directory / quote(configuration.get(high_availability.CLUSTER_ID), safe="") if elected else directory
    try:
        # Before our own imports, for it has as many; and before gRPC has threads (law 13.1).
        with spawning.SpawnedForkServer(PRELOADED) as forkserver:
            from millstream_taskmanager.service import TaskManagerService  # noqa: PLC0415  # 300 ms, see above

            service = await TaskManagerService.start(configuration, target, directory, forkserver)
    except (RuntimeError, OSError, ConfigurationError, spawning.ForkServerError) as error:
        raise Problem(str(error), _code(error)) from error
    slots = configuration.get(taskmanager.NUMBER_OF_TASK_SLOTS)
    whom = "the JobManager that ZooKeeper names" if target is None else f"the JobManager at {target}"
    say(f"TaskManager with {counted(slots, 'slot')} runs, for {whom}")
    await until_told(service, service.wait(), service.leave)


def _code(error: Exception) -> ExitCode:
    """Of a start that failed: a value that can't be used, or one that may well be used another time or elsewhere."""
    from millstream_taskmanager.service.directories import NoDirectoryError  # noqa: PLC0415  # as in _run

    cause = error.__cause__
    taken = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
    wrong = isinstance(error, ConfigurationError | NoDirectoryError) and not taken
    return ExitCode.USAGE if wrong else ExitCode.FAILED
