"""From a compiled job to a cluster, over gRPC, and what a program can then do with its job.

Read in this order: `quiet` (gRPC, which all others take from there), `addresses` (where the JobManager is),
`shown_tokens` (what a call shows), `access` (how a channel is made), `connection` (of one JobManager), `routes`
(whose), `gateway` (its calls, with deadlines and retries), `refusals` (its no as an exception), `uploads`, `executor`
(blobs, then the graph), `following` (a job's details as they change), `verdict` (its end as a result or an exception),
`standard_streams`, `brief` (ends that need no traceback), `waiting` (who does what while a thread waits),
`program_streams`, `output` (what tasks print), `records` (`execute_and_collect`), `places` (of savepoints),
`job_client`.
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
