"""What a worker process is born with; everything else comes by its control socket."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Plain values, since they travel through the forkserver."""

    worker: str
    directory: str
    """The worker's own: what its tasks print, and links to its modules."""
    task_log_bytes: int
    """The most that is kept of what one task prints."""
    configuration: Mapping[str, str]
    """The cluster's own options; those of the job are in its graph."""
    results: str = ""
    """Where the workers of this TaskManager leave what later stages read."""
