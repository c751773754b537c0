"""``millstream run``: a program, and the job that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from millstream.cli.answers import told_by_exit_code
from millstream.cli.interrupts import ends_raise_too
from millstream.cli.options import json_option, with_jobmanager, with_log_level
from millstream.cli.program import require_job, run_program
from millstream.cli.progress import Progress, progress_on_stderr
from millstream.cli.shown import echo_json_line, one_line
from millstream.compiler.source_files import of_script
from millstream.errors import ClusterUnreachableError, JobNotFoundError
from millstream.execution.context import ProgramContext
from millstream.execution.executor import executor_for
from millstream.submission.standard_streams import tell
from millstream_dataflow.configuration import Configuration, Origin
from millstream_dataflow.configuration.enums import ExecutionTarget
from millstream_dataflow.configuration.options import client, execution, recovery
from millstream_runtime.states import JOB_STATES

if TYPE_CHECKING:
    from millstream.execution.job_client import JobClient
    from millstream_dataflow.identity import Digest
    from millstream_dataflow.job_graph import JobGraph

_NEEDED = ("millstream.datastream.environment", "millstream.compiler.job_graph", "millstream_runtime.messages.codec")
"""By every program, so before the collector goes to work (see `collector`). gRPC comes at the first `execute`."""

_LOOK_S = 2.0
"""For a look at what becomes of a job; whoever has pressed Ctrl-C waits for it."""

EXAMPLES = """
\b
Examples:
  millstream run job.py
  millstream run -d -p 3 -s /savepoints/savepoint-5f2c job.py --input flights.csv
  millstream run --inline job.py
  millstream run --pyflink written_for_pyflink.py
"""


def _set(configuration: Configuration, option: Any, value: object, name: str) -> Configuration:  # noqa: ANN401  # of any type
    return configuration.with_(option, value, Origin.command_line(name))


def configured(configuration: Configuration, given: Mapping[str, Any]) -> Configuration:
    """The configuration with what the verb's own options say."""
    if not configuration.is_set(client.TARGET):
        configuration = _set(configuration, client.TARGET, ExecutionTarget.REMOTE, "millstream run")
    if given["inline"]:
        configuration = _set(configuration, client.TARGET, ExecutionTarget.INLINE, "--inline")
    if given["detached"]:
        if configuration.get(client.TARGET) is not ExecutionTarget.REMOTE:
            target = (
                f"{client.TARGET.key} = {configuration.text(client.TARGET)} ({configuration.origin(client.TARGET)})"
            )
            raise click.UsageError(f"-d needs a cluster, for the job would end with this command: {target}")
        configuration = _set(configuration, client.ATTACHED, value=False, name="-d")
    if given["parallelism"] is not None:
        configuration = _set(configuration, execution.PARALLELISM, given["parallelism"], "-p")
    if given["savepoint"] is not None:
        configuration = configuration.with_text(recovery.PATH.key, given["savepoint"], Origin.command_line("-s"))
    if given["allow_non_restored_state"]:
        configuration = _set(configuration, recovery.IGNORE_UNCLAIMED_STATE, value=True, name="-n")
    if given["accept_duplicates"]:
        configuration = _set(configuration, recovery.ACCEPT_DUPLICATES, value=True, name="--accept-duplicates")
    return configuration


@click.command("run", epilog=EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.argument("script", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-d", "--detached", is_flag=True, help="Return when the job is accepted; it runs on.")
@click.option("-p", "--parallelism", type=int, metavar="N", help="The parallelism of operators that name none.")
@click.option(
    "-s",
    "--from-savepoint",
    "--fromSavepoint",
    "savepoint",
    metavar="PATH",
    help="Start from this savepoint or checkpoint.",
)
@click.option(
    "-n",
    "--allow-non-restored-state",
    "--allowNonRestoredState",
    is_flag=True,
    help="Drop state of the savepoint that no operator of the program claims.",
)
@click.option(
    "--accept-duplicates",
    is_flag=True,
    help="Start from a checkpoint that isn't the newest, though sinks have committed since.",
)
@click.option(
    "-pyfs",
    "--py-files",
    "--pyFiles",
    "py_files",
    metavar="FILES",
    default="",
    help="Modules, folders, zips or wheels that the workers import from, with commas between them.",
)
@click.option("--pyflink", is_flag=True, help="SCRIPT was written for PyFlink: its imports find Millstream's classes.")
@click.option("--inline", is_flag=True, help="Run the job in this very process and thread, for a debugger.")
@click.option(
    "--cancel-on-exit",
    is_flag=True,
    help="Ctrl-C cancels the job instead of leaving it running; so do SIGTERM and a closed terminal.",
)
@json_option
@with_jobmanager
@with_log_level
def command(
    configuration: Configuration,
    script: Path,
    arguments: tuple[str, ...],
    *,
    cancel_on_exit: bool,
    as_json: bool,
    **given: Any,  # noqa: ANN401  # the other options
) -> None:
    """Run the program SCRIPT with its ARGUMENTS, and wait for the job that it asks for.

    The job runs on the cluster at jobmanager.rpc.address unless execution.target says otherwise. Ends with 0 when the
    job has finished, 1 when it or the script failed, 2 when an option or a value of the configuration can't be used or
    the script never called execute(), 3 when no cluster answers or takes the job now, 4 when it is refused, 130 when
    you interrupt it and 141 when nobody reads its output any more: then the job runs on. What the script passes to
    sys.exit() is kept.

    With --json every job that is submitted is an object with its id and name, on a line of its own (JSON lines), for a
    program may ask for several.
    """
    with told_by_exit_code():
        configuration = configured(configuration, given)
    executor = _WatchedExecutor(progress_on_stderr(), as_json=as_json)
    files = of_script(script, [Path(name) for name in given["py_files"].split(",") if name])
    context = ProgramContext(configuration, files, executor)
    for module in _NEEDED:
        import_module(module)
    if given["pyflink"]:
        import_module("millstream.pyflink").install()
    with ends_raise_too() if cancel_on_exit else nullcontext():
        try:
            run_program(script, arguments, context)
        except (KeyboardInterrupt, BrokenPipeError):
            with told_by_exit_code():
                executor.interrupted(cancel=cancel_on_exit)
            raise
        except SystemExit as leaving:
            if leaving.code or not context.jobs:  # a program that only showed its help is no mistake
                raise
        finally:
            executor.close()
    require_job(context, script)


class _WatchedExecutor:
    """Runs jobs where the program's configuration says, and shows how they go."""

    def __init__(self, progress: Progress, *, as_json: bool) -> None:
        self.progress = progress
        self._as_json = as_json
        self._jobs: list[_RemoteJob] = []

    def submit(self, graph: JobGraph, blobs: Mapping[Digest, bytes], configuration: Configuration) -> JobClient:
        """See Executor."""
        target = configuration.get(client.TARGET)
        if target is ExecutionTarget.REMOTE:
            # Before it is there, for Ctrl-C may come when it has been accepted and this isn't known here yet.
            self._jobs.append(_RemoteJob(graph, configuration))
        job = executor_for(configuration).submit(graph, blobs, configuration)
        if target is not ExecutionTarget.INLINE:
            from millstream.submission.job_client import RemoteJobClient  # noqa: PLC0415  # inline needs no gRPC

            if isinstance(job, RemoteJobClient):
                job.observe(self.progress.changed)
        self._say_submitted(graph, attached=configuration.get(client.ATTACHED))
        return job

    def _say_submitted(self, graph: JobGraph, *, attached: bool) -> None:
        """At once: the program may do much before it ends, and may not end well."""
        said = f'Job "{one_line(graph.name)}" was submitted; its id is {graph.job}'
        try:
            if self._as_json:
                echo_json_line({"job": graph.job, "name": graph.name})
            elif not attached:
                click.echo(said)
        except OSError:
            tell(said)  # it runs on, and nobody else says how it is called
            raise

    def interrupted(self, *, cancel: bool) -> None:
        """Ctrl-C: jobs of a cluster go on, unless it was said that they shouldn't. Others have ended with it."""
        self.close()
        for job in self._jobs:
            job.leave(cancel=cancel)

    def close(self) -> None:
        """Nothing more will be shown."""
        with suppress(OSError):  # the terminal may be gone
            self.progress.close()


@dataclass(frozen=True, slots=True)
class _RemoteJob:
    graph: JobGraph
    configuration: Configuration

    def leave(self, *, cancel: bool) -> None:
        """Cancel it, or say how that is done. A JobManager that is away is waited for only to cancel."""
        from millstream.submission.gateway import Gateway  # noqa: PLC0415  # inline needs no gRPC
        from millstream.submission.job_client import cancel as end  # noqa: PLC0415  # as above
        from millstream.submission.routes import route_of  # noqa: PLC0415  # as above

        job, named = self.graph.job, f'job "{one_line(self.graph.name)}" ({self.graph.job})'
        timeout = self.configuration.get(client.TIMEOUT).total_seconds()
        gateway = Gateway(
            route_of(self.configuration),
            timeout if cancel else min(timeout, _LOOK_S),
            waiting=tell if cancel else None,
        )
        try:
            if JOB_STATES.is_final(gateway.details(job).status.state):
                return
            if cancel:
                tell(f"Cancelling {named}")
                end(gateway, job)
            else:
                tell(f'Job "{one_line(self.graph.name)}" runs on; millstream cancel {job} ends it')
        except JobNotFoundError:
            return  # it wasn't submitted yet
        except ClusterUnreachableError:
            if cancel:
                raise
            tell(f"The JobManager is away; if {named} was submitted it runs on, and millstream cancel {job} ends it")
        finally:
            gateway.close()
