"""Processing time comes from an injected clock: the machine's is read in a few places, each with its reason."""

import ast
from collections.abc import Iterator, Mapping

from tests.support.tidy.source import Finding, Source

WALL_CLOCKS: Mapping[str, str] = {
    "client/millstream/cli/security.py": "certificates are valid from now on",
    "client/millstream/inline.py": "the clock of inline execution, given to its tasks",
    "jobmanager/millstream_jobmanager/service/shell.py": "the clock of the core, given to it with each event",
    "jobmanager/millstream_jobmanager/store/local.py": "file ages, held against those that the file system says",
    "runtime/millstream_runtime/security/checking.py": "certificates that have run out are named",
    "taskmanager/millstream_taskmanager/worker/loop.py": "the clock of a worker, given to its tasks",
}
"""Who may read it."""

_READS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}

_MEND = "ask the clock that the part was given (`context.now()`, `doors.now()`, `turn.now`), in whole milliseconds"


def wall_clock_reads(source: Source) -> Iterator[Finding]:
    """The machine's clock, read where one was given: such a part can't be tested, and restarts decide otherwise."""
    if not source.module or source.path in WALL_CLOCKS:
        return
    for node in source.nodes:
        if isinstance(node, ast.Attribute):
            name = ".".join(ast.unparse(node).split(".")[-2:])
            if name in _READS:
                yield source.finding(node.lineno, f"{name} is read", _MEND)
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            names = {f"time.{alias.name}" for alias in node.names}
            if names & _READS:
                yield source.finding(node.lineno, "the machine's clock is imported by itself", _MEND)
