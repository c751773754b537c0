"""The embedded cluster: a JobManager and a TaskManager for one program, gone without a trace when it ends.

Both run in one child process with one event loop, beside worker processes as on any cluster, and are reached over a
Unix socket in a private directory. Read `executor` (what a program calls), `clusters` (which cluster takes a job),
`cluster` and `process` (the child from outside), `descendants` (what it leaves for a moment), `ahead` (a child before
its job), `orders` (what is said over its pipes), then `child` and `__main__` (inside).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.embedded.executor import EmbeddedExecutor

__all__ = ["EmbeddedExecutor"]


def __getattr__(name: str) -> object:
    """The executor when it is asked for: the child, which is this package's `__main__`, has no use for it."""
    if name != "EmbeddedExecutor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from millstream.embedded.executor import EmbeddedExecutor  # noqa: PLC0415  # see the docstring

    return EmbeddedExecutor
