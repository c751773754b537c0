"""Events and commands as a person reads them in a story: names and numbers, no class around each of them."""

from dataclasses import fields, is_dataclass
from enum import Enum

from millstream_dataflow.identity import RegionAttempt, SessionId, SubtaskId, TaskId
from millstream_dataflow.job_graph import BlobRef, JobGraph
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.messages.session import Register, TaskReport
from millstream_runtime.messages.snapshots import CheckpointMetadata, TaskSnapshot

_LONGEST = 170


def brief(event: object) -> str:
    """One line."""
    return _brief(event)[:_LONGEST]


def _brief(value: object) -> str:  # noqa: C901, PLR0911, PLR0912  # one arm a kind
    match value:
        case RegionAttempt():
            return f"region {value.region} attempt {value.number}"
        case TaskId():
            return f"{value.subtask}@{value.attempt.number}"
        case SubtaskId():
            return str(value)
        case SessionId():
            return f"{value.taskmanager}#{value.number}"
        case JobRecord():
            attempts = ", ".join(f"{region.attempt.region}@{region.attempt.number}" for region in value.regions)
            points = [int(point.checkpoint) for point in value.checkpoints]
            return f"version {value.version}, {value.state.name}, {value.intent.name}, regions {attempts}, {points}"
        case Register():
            tasks = ", ".join(f"{_brief(report.task)} {report.state.name}" for report in value.tasks)
            return f"epoch seen {value.epoch_seen}, tasks: {tasks}"
        case CheckpointMetadata():
            return f"metadata of {value.checkpoint}"
        case TaskSnapshot() | JobGraph() | BlobRef():
            return f"its {type(value).__name__}"
        case TaskReport():
            return f"{_brief(value.task)} {value.state.name}{f', ended: {value.ended.name}' if value.ended else ''}"
        case Enum():
            return value.name
        case tuple():
            return f"({', '.join(map(_brief, value))})"
        case str() if len(value) >= 32:
            return value.replace("j" * 32, "job")
        case bytes():
            return f"{len(value)} bytes"
        case _:
            return _parts(value)


def _parts(value: object) -> str:
    if is_dataclass(value):
        parts = [_brief(getattr(value, field.name)) for field in fields(value) if field.name not in ("job", "nonce")]
        return f"{type(value).__name__}({', '.join(part for part in parts if part)})"
    return str(value)
