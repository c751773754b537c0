"""From a compiled job to a cluster, over gRPC, and what a program can then do with its job.

Read in this order: `addresses` (where the JobManager is), `gateway` (its calls, with deadlines and retries),
`refusals` (its no as an exception), `uploads`, `executor` (blobs, then the graph), `following` (a job's details as
they change), `verdict` (its end as a result or an exception), `waiting` (who does what while a thread waits),
`output` (what tasks print), `records` (`execute_and_collect`), `job_client`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.submission.executor import RemoteExecutor

__all__ = ["RemoteExecutor"]


def __getattr__(name: str) -> object:
    """The executor when it is asked for: the command line needs `addresses` alone, and gRPC takes 130 ms to import."""
    if name != "RemoteExecutor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from millstream.submission.executor import RemoteExecutor  # noqa: PLC0415  # see the docstring

    return RemoteExecutor
