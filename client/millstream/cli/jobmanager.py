"""``millstream jobmanager``: the process that plans jobs and coordinates their checkpoints."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click

from millstream.cli.answers import Problem
from millstream.cli.exit_codes import ExitCode
from millstream.cli.options import with_configuration, with_log_level
from millstream.cli.serving import say, serve, until_told
from millstream_dataflow.configuration import Configuration, ConfigurationError, Origin
from millstream_dataflow.configuration import Problem as Mistake
from millstream_dataflow.configuration.options import high_availability, jobmanager
from millstream_dataflow.configuration.rules import checkpoint_directory
from millstream_runtime.configuration import job_store_directory

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
    from millstream_jobmanager.store import LocalJobStore, StoreError  # noqa: PLC0415  # see above

    directory = local_directory(configuration)
    checkpoints = checkpoint_directory(configuration, str(directory))
    try:
        store = LocalJobStore(directory)
        address = ListenAddress.configured(configuration)
        service = await JobManagerService.start(configuration, address, store, checkpoints)
    except (StartupError, StoreError, OSError) as error:
        raise Problem(str(error), ExitCode.REFUSED) from error
    say(f"JobManager listens on {service.target}; its jobs lie in {directory}")
    if not await until_told(service, service.wait_deposed()):
        raise Problem("another JobManager has taken over the job store; this one has ended", ExitCode.REFUSED)


def local_directory(configuration: Configuration) -> Path:
    """The job store's, which is a path or a file:// URI in this version."""
    location = job_store_directory(configuration, os.environ)
    parts = urlsplit(location)
    if not parts.scheme:
        return Path(location)
    if parts.scheme == "file" and not parts.netloc:
        return Path(unquote(parts.path))
    option = high_availability.STORAGE_DIR
    mend = "name a directory of this machine, or one that is mounted"
    reason = f"a job store can't lie behind {parts.scheme}:// in this version"
    raise ConfigurationError(Mistake(reason, mend, option.key, location, configuration.origin(option)))
