"""``millstream recover``: the jobs of a cluster from its storage directory alone, where ZooKeeper's data are lost."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from millstream.cli.answers import Problem
from millstream.cli.connection import connected
from millstream.cli.exit_codes import ExitCode
from millstream.cli.options import json_option, with_jobmanager
from millstream.cli.shown import echo_json, instant, one_line
from millstream.submission.places import absolute
from millstream_dataflow.configuration import Configuration
from millstream_dataflow.configuration.options import recovery

if TYPE_CHECKING:
    from millstream.submission.gateway import Gateway
    from millstream_jobmanager.store.salvage import SalvagedJob

EXAMPLES = """
\b
Examples:
  millstream recover --from /mnt/millstream
  millstream recover --from s3://bucket/millstream --checkpoints s3://bucket/checkpoints --json
  millstream recover --from /mnt/millstream/default --submit
  millstream recover --from /mnt/millstream --submit 5f2c
"""


@dataclass
class FoundCheckpoint:
    """One that verifies."""

    path: str
    checkpoint: int
    epoch: int
    completed_at: int


@dataclass
class Finding:
    """What became known of a job; the fields of --json."""

    store: str
    job: str
    name: str
    state: str
    submitted_at: int
    ended_at: int
    checkpoints: str
    """The directory in which they were looked for."""
    checkpoint: FoundCheckpoint | None = None
    """The newest that verifies."""
    restore: str | None = None
    """The path with which the job goes on; empty: from its beginning; None when it can't or needn't."""
    command: str = ""
    problems: list[str] = field(default_factory=list[str])
    submitted: str = ""
    """Its state in the cluster, after --submit."""


@click.command("recover", epilog=EXAMPLES)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option(
    "--from",
    "directory",
    metavar="DIR",
    required=True,
    help="high-availability.storageDir, or one cluster's directory in it; a path or a URI.",
)
@click.option(
    "--checkpoints",
    metavar="DIR",
    help="Where checkpoints lie; without it, where the job's record or its configuration says.",
)
@click.option("--submit", is_flag=True, help="Submit the jobs that had not ended, from their latest checkpoints.")
@json_option
@with_jobmanager
def command(
    configuration: Configuration,
    jobs: tuple[str, ...],
    directory: str,
    checkpoints: str | None,
    *,
    submit: bool,
    as_json: bool,
) -> None:
    """Find the jobs of a cluster and the latest checkpoint of each in the storage directory, without ZooKeeper.

    Every byte of that checkpoint is read. A damaged one is named, and the next one that is whole is shown; whether the
    job may go on from that is for you to decide: what its sinks have committed since would be committed again. JOB is
    the beginning of an id; without one, all jobs are shown.

    With --submit the jobs that had not ended are submitted to the cluster under their own ids, with the functions that
    are stored: each from its newest checkpoint, or from where it began if it had none. A job that the cluster knows is
    left alone, so this may be repeated.

    Ends with 0 when all is well, 1 when something is damaged or could not be submitted, 2 when there is no job store in
    DIR, 3 when there is no cluster to submit to.
    """
    from millstream_jobmanager.store.salvage import salvaged_jobs  # noqa: PLC0415  # 100 ms that --help need not wait

    salvaged: list[tuple[SalvagedJob, Finding]] = []
    for store in _stores(absolute(directory.rstrip("/"))):
        for job in salvaged_jobs(store):
            if not jobs or job.job.startswith(jobs):
                salvaged.append((job, _finding(job, absolute(checkpoints.rstrip("/")) if checkpoints else "")))
    if submit:
        with connected(configuration) as gateway:
            for job, finding in salvaged:
                _submit(gateway, configuration, job, finding)
    findings = [finding for _, finding in salvaged]
    if as_json:
        echo_json(findings)
    else:
        _show(findings)
    if any(finding.problems for finding in findings):
        raise Problem("not everything is as it should be: see above", ExitCode.FAILED)


def _stores(directory: str) -> list[str]:
    from millstream_jobmanager.store.salvage import find_stores  # noqa: PLC0415  # as above

    try:
        stores = find_stores(directory)
    except OSError as error:
        raise Problem(f"{directory} can't be read: {error}", ExitCode.USAGE) from error
    if not stores:
        raise Problem(f"there is no job store in {directory}, nor in a directory of it", ExitCode.USAGE)
    return stores


# ------------------------------------------------------------------------------------------------ what is there


def _finding(salvaged: SalvagedJob, checkpoints: str) -> Finding:
    from millstream_runtime.checkpoint_files import CheckpointFileError  # noqa: PLC0415  # as above
    from millstream_runtime.states import JOB_STATES  # noqa: PLC0415  # as above

    record = salvaged.record
    problems = list(salvaged.damage)
    if record is None:
        return Finding(salvaged.store, salvaged.job, "", "UNKNOWN", 0, 0, checkpoints, problems=problems)
    place = checkpoints or _directory(salvaged, problems)
    finding = Finding(
        salvaged.store, record.job, record.name, record.state.name, record.submitted_at, record.ended_at, place
    )
    finding.problems = problems
    if JOB_STATES.is_final(record.state):
        problems.clear()  # it needs nothing any more
        return finding
    try:
        newest = _look(finding, max((point.checkpoint for point in record.checkpoints), default=0))
    except CheckpointFileError as error:
        problems.append(str(error))
        return finding
    if newest:
        finding.restore = newest
    elif newest is not None and not problems:
        finding.restore = record.restore.path if record.restore else ""
    if finding.checkpoint is not None:
        finding.command = f"millstream run -s {shlex.quote(finding.checkpoint.path)} SCRIPT"
    return finding


def _directory(salvaged: SalvagedJob, problems: list[str]) -> str:
    """Where the job's checkpoints lie: where its record has some, else as its own configuration says, else in the store
    (a cluster whose configuration names another directory has no checkpoint of this job).
    """
    from millstream_dataflow.configuration.rules import checkpoint_directory  # noqa: PLC0415  # as above
    from millstream_dataflow.records import SnapshotKind  # noqa: PLC0415  # as above
    from millstream_jobmanager.store.salvage import salvaged_graph  # noqa: PLC0415  # as above
    from millstream_jobmanager.store.sealed import DamagedError  # noqa: PLC0415  # as above

    assert salvaged.record is not None
    for point in reversed(salvaged.record.checkpoints):
        if point.kind is not SnapshotKind.SAVEPOINT:
            return point.path.rsplit("/", 2)[0]
    try:
        settings = salvaged_graph(salvaged.store, salvaged.record).configuration
    except (DamagedError, OSError) as error:
        problems.append(str(error))
        settings = {}
    return checkpoint_directory(Configuration.from_strings(settings), salvaged.store)


def _look(finding: Finding, known: int) -> str | None:
    """The newest checkpoint; empty when there was none, None when it is damaged or gone. Sets the newest whole one."""
    from millstream_dataflow.identity import JobId  # noqa: PLC0415  # as above
    from millstream_runtime.checkpoint_files import (  # noqa: PLC0415  # as above
        CheckpointFileError,
        latest_checkpoints,
        load_metadata,
        verify_checkpoint,
    )

    paths = latest_checkpoints(finding.checkpoints, JobId(finding.job))
    for path in paths:
        try:
            metadata = load_metadata(path)
            verify_checkpoint(path)
        except CheckpointFileError as error:
            finding.problems.append(f"{path} is damaged: {error}")
            continue
        finding.checkpoint = FoundCheckpoint(path, metadata.checkpoint, metadata.epoch, metadata.completed_at)
        break
    found = finding.checkpoint
    if known and (found is None or found.checkpoint < known) and path_of(known) not in map(_last, paths):
        finding.problems.append(f"checkpoint {known} of its record is not in {finding.checkpoints}/{finding.job}")
        return None
    if not paths:
        return ""
    return paths[0] if found is not None and found.path == paths[0] else None
