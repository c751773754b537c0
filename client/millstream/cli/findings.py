"""What becomes known of jobs from a storage directory alone, and how they go on: for ``millstream recover``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream.errors import MillstreamError
from millstream.submission.executor import submit_job
from millstream_dataflow.configuration import Configuration, ConfigurationError
from millstream_dataflow.configuration.options import recovery
from millstream_dataflow.configuration.rules import checkpoint_directory
from millstream_dataflow.identity import JobId
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.store.salvage import SalvagedJob, salvaged_blobs, salvaged_graph
from millstream_jobmanager.store.sealed import DamagedError
from millstream_runtime.checkpoint_files import (
    CheckpointFileError,
    latest_checkpoints,
    load_metadata,
    verify_checkpoint,
)
from millstream_runtime.messages.record import Intent, JobRecord
from millstream_runtime.states import JOB_STATES

if TYPE_CHECKING:
    from millstream.submission.gateway import Gateway


@dataclass
class FoundCheckpoint:
    """One of which every byte was read."""

    path: str
    checkpoint: int
    epoch: int
    completed_at: int
    newest: bool
    """There is none after it, not even a damaged one."""


@dataclass
class Finding:
    """Of one job; as --json shows it."""

    store: str
    job: str
    name: str = ""
    state: str = "UNKNOWN"
    intent: str = ""
    submitted_at: int = 0
    ended_at: int = 0
    checkpoints: str = ""
    """The directory in which they were looked for."""
    checkpoint: FoundCheckpoint | None = None
    problems: list[str] = field(default_factory=list[str])
    savepoints: list[str] = field(default_factory=list[str])
    """That somebody asked for, and got; they aren't read."""
    command: str = ""
    known: str = ""
    """Its state in the cluster, where that has it already."""
    submitted: str = ""
    """Its state in the cluster, once it was submitted."""


def find(salvaged: SalvagedJob, checkpoints: str) -> Finding:
    """All about a job. `checkpoints`: where they lie, if somebody knows better than its record."""
    finding, record = Finding(salvaged.store, salvaged.job, checkpoints=checkpoints), salvaged.record
    finding.problems += salvaged.damage
    if record is None:
        return finding
    finding.name, finding.state, finding.intent = record.name, record.state.name, record.intent.name
    finding.submitted_at, finding.ended_at = record.submitted_at, record.ended_at
    try:
        finding.checkpoints = checkpoints or _directory(salvaged.store, record)
        paths = latest_checkpoints(finding.checkpoints, JobId(finding.job))
        _look(finding, paths)
    except (CheckpointFileError, ConfigurationError, DamagedError, OSError) as error:
        finding.problems.append(str(error))
    else:
        if (
            not JOB_STATES.is_final(record.state)
            and (last := _last(record))
            and last.rsplit("/", 1)[1] not in {path.rsplit("/", 1)[1] for path in paths}
        ):
            finding.problems.append(f"checkpoint {last} of its record isn't there; --checkpoints says where it is")
    finding.savepoints = [result.path for result in record.results if result.path]
    if finding.checkpoint is not None:
        finding.command = f"millstream run -s {shlex.quote(finding.checkpoint.path)} SCRIPT"
    return finding


def _look(finding: Finding, paths: list[str]) -> None:
    """The newest that is whole."""
    for path in paths:
        try:
            metadata = load_metadata(path)
            verify_checkpoint(path)
        except CheckpointFileError as error:
            finding.problems.append(f"checkpoint {path} is damaged: {error}")
        else:
            newest = path == paths[0]
            finding.checkpoint = FoundCheckpoint(
                path, metadata.checkpoint, metadata.epoch, metadata.completed_at, newest
            )
            return


def _last(record: JobRecord) -> str:
    points = [point.path for point in record.checkpoints if point.kind is not SnapshotKind.SAVEPOINT]
    return points[-1] if points else ""


def _directory(store: str, record: JobRecord) -> str:
    """Where its record has a checkpoint; before the first one, as its own configuration says, else in the store."""
    if last := _last(record):
        return last.rsplit("/", 2)[0]
    return checkpoint_directory(Configuration.from_strings(salvaged_graph(store, record).configuration), store)


def submit(gateway: Gateway, salvaged: SalvagedJob, finding: Finding) -> None:
    """Under its own id, from its newest checkpoint; what keeps it from that becomes a problem of the finding.

    A job that has ended, that somebody wanted to end or that the cluster has is left alone.
    """
    record = salvaged.record
    if record is None or finding.known or JOB_STATES.is_final(record.state) or record.intent is not Intent.RUN:
        return
    if finding.problems:
        finding.problems.append(f"job {finding.job} was not submitted")
        return
    started = record.restore.path if record.restore is not None else ""
    path = finding.checkpoint.path if finding.checkpoint is not None else started
    configuration = Configuration().with_(recovery.PATH, path) if path else Configuration()
    try:
        graph = salvaged_graph(salvaged.store, record)
        status = submit_job(gateway, graph, salvaged_blobs(salvaged.store, graph), configuration)
    except (DamagedError, OSError, MillstreamError) as error:
        finding.problems.append(f"job {finding.job} was not submitted: {error}")
    else:
        finding.submitted = status.state.name
