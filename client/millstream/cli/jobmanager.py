"""``millstream jobmanager``: the process that plans jobs and coordinates their checkpoints."""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from millstream.cli.answers import Problem
from millstream.cli.exit_codes import ExitCode
from millstream.cli.options import ConfigurationProblem, with_configuration, with_log_level
from millstream.cli.serving import say, serve, until_told
from millstream_dataflow.configuration import Configuration, ConfigurationError, Origin
from millstream_dataflow.configuration import Problem as Mistake
from millstream_dataflow.configuration.enums import HighAvailability
from millstream_dataflow.configuration.options import high_availability, jobmanager
from millstream_dataflow.configuration.rules import checkpoint_directory
from millstream_runtime.configuration import job_store_directory
from millstream_runtime.named_directory import is_missing, missing_above

if TYPE_CHECKING:
    from millstream_jobmanager.leadership.office import Election
    from millstream_jobmanager.service.server import JobManagerService

EXAMPLES = """
\b
Examples:
  millstream jobmanager
  millstream jobmanager --port 0 -D high-availability.storageDir=/var/lib/millstream
  millstream jobmanager --host 0.0.0.0 -D security.insecure=true
"""


@click.command("jobmanager", epilog=EXAMPLES)
@click.option("--host", metavar="HOST", help="The address to listen on; the same as -D jobmanager.bind-host=HOST.")
@click.option("--port", type=int, metavar="PORT", help="0 takes a free one; the same as -D jobmanager.rpc.port=PORT.")
@with_configuration
@with_log_level
def command(configuration: Configuration, host: str | None, port: int | None) -> None:
    """Start a JobManager, and run until it is told to end (SIGTERM, Ctrl-C).

    Its jobs survive it: a JobManager that is started again with the same high-availability.storageDir carries them on.
    Ends with 0 when it was told to, 2 when an option or a value of the configuration can't be used, 1 when it can't
    start or go on all the same: its port is taken, another JobManager has the job store.
    """
    try:
        if host is not None:
            configuration = configuration.with_(jobmanager.BIND_HOST, host, Origin.command_line("--host"))
        if port is not None:
            configuration = configuration.with_(jobmanager.RPC_PORT, port, Origin.command_line("--port"))
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    serve("jobmanager", configuration, lambda: _run(configuration))


async def _run(configuration: Configuration) -> None:
    # Not at the top: the verb's help is printed without them, and they take 300 ms.
    from millstream_jobmanager.service.addresses import ListenAddress  # noqa: PLC0415  # see above
    from millstream_jobmanager.service.server import JobManagerService  # noqa: PLC0415  # see above
    from millstream_jobmanager.service.startup import StartupError  # noqa: PLC0415  # see above
    from millstream_jobmanager.store import StoreError, StoreWriteError  # noqa: PLC0415  # see above

    try:
        place, election = _election(configuration)
        address = ListenAddress.configured(configuration)
        checkpoints = checkpoint_directory(configuration, place)
        service = await JobManagerService.start(configuration, address, election, checkpoints)
    except StoreWriteError as error:
        raise ConfigurationProblem(unusable(configuration, str(error))) from error
    except (StartupError, StoreError, OSError) as error:
        raise Problem(str(error), ExitCode.FAILED) from error
    say(f"JobManager listens on {service.target}; its jobs lie in {place}")
    if not await until_told(service, _life(service)):
        raise Problem("another JobManager has taken over the job store; this one has ended", ExitCode.FAILED)


def _election(configuration: Configuration) -> "tuple[str, Election]":
    """The directory of the job store, and who elects the leader. Inside the running loop."""
    if configuration.get(high_availability.TYPE) is HighAvailability.ZOOKEEPER:
        # Only here, for kazoo takes 100 ms.
        from millstream_jobmanager.leadership.choice import candidate, shared_directory  # noqa: PLC0415  # see above

        return shared_directory(configuration), candidate(configuration)
    from millstream_jobmanager.leadership.single import SingleElection  # noqa: PLC0415  # see _run
    from millstream_jobmanager.store import LocalJobStore  # noqa: PLC0415  # see _run

    directory = local_directory(configuration)
    return str(directory), SingleElection(LocalJobStore(directory))


async def _life(service: "JobManagerService") -> None:
    """Until it is deposed for good; Problem for what isn't a mistake of ours."""
    from millstream_jobmanager.service.startup import StartupError  # noqa: PLC0415  # see _run
    from millstream_jobmanager.store import StoreError  # noqa: PLC0415  # see _run
    from millstream_runtime.leadership.errors import ZooKeeperDeniedError  # noqa: PLC0415  # see _run

    try:
        await service.wait_deposed()
    except (StartupError, StoreError, ZooKeeperDeniedError) as error:
        raise Problem(str(error), ExitCode.FAILED) from error


def local_directory(configuration: Configuration) -> Path:
    """The job store's, which is a path or a file:// URI in this version. ConfigurationError when there can be none."""
    location = job_store_directory(configuration, os.environ)
    parts = urlsplit(location)
    if parts.scheme and (parts.scheme != "file" or parts.netloc):
        raise unusable(configuration, f"a job store can't lie behind {parts.scheme}:// in this version")
    directory = Path(unquote(parts.path) if parts.scheme else location)
    there = next(place for place in (directory, *directory.absolute().parents) if not is_missing(place))
    try:
        is_directory = stat.S_ISDIR(there.stat().st_mode)
    except OSError as error:
        raise unusable(configuration, f"{there}: {error.strerror or error}") from error
    if not is_directory:
        raise unusable(configuration, f"{there} is no directory")
    if configuration.get(high_availability.STORAGE_DIR) and (missing := missing_above(directory)) is not None:
        raise unusable(configuration, f"there is no {missing}, and only the last part of the path is made")
    return directory


def unusable(configuration: Configuration, reason: str) -> ConfigurationError:
    """Why the job store can't lie where it should."""
    option = high_availability.STORAGE_DIR
    mend = "name a directory of this machine, or one that is mounted, that this user may write to"
    location = job_store_directory(configuration, os.environ)
    return ConfigurationError(Mistake(reason, mend, option.key, location, configuration.origin(option)))
