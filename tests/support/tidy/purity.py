"""Deciding modules know no wire, no clock, no chance, no thread: they get those as arguments."""

import ast
from collections.abc import Iterator

from tests.support.tidy.imports import imported_names
from tests.support.tidy.source import Finding, Source

DECIDING = (
    "dataflow/millstream_dataflow/",
    "jobmanager/millstream_jobmanager/core/",
    "taskmanager/millstream_taskmanager/core/",
    "taskmanager/millstream_taskmanager/exchange/credits.py",
    "taskmanager/millstream_taskmanager/exchange/frames.py",
    "taskmanager/millstream_taskmanager/task/alignment.py",
    "taskmanager/millstream_taskmanager/task/ending.py",
    "taskmanager/millstream_taskmanager/operators/valve.py",
)

_CLOCK = {"time"}
_CHANCE = {"random", "secrets"}
_WIRE = {"asyncio", "grpc", "select", "selectors", "socket", "ssl", "urllib"}
_THREADS = {"concurrent", "multiprocessing", "subprocess", "threading"}
FORBIDDEN_MODULES = _CLOCK | _CHANCE | _WIRE | _THREADS

# Judged by how a name ends, so `datetime.datetime.now` and `datetime.now` are one.
FORBIDDEN_CALLS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4"),
    *("np.random", "numpy.random"),
    *("open", "input", "print"),
}
ALLOWED_OF_OS = {"os.fspath", "os.PathLike"}

_MEND = "take it as an argument (the time as int milliseconds, chance as a seeded generator), do the I/O in the shell"


def impure(source: Source) -> Iterator[Finding]:
    """Clock, chance, wire, threads and files in a deciding module."""
    if not source.path.startswith(DECIDING):
        return
    for node in source.nodes:
        for name in imported_names(source, node):
            if name.partition(".")[0] in FORBIDDEN_MODULES:
                yield source.finding(getattr(node, "lineno", 1), f"a deciding module imports {name}", _MEND)
                break
        if isinstance(node, ast.Attribute | ast.Call) and (used := _forbidden_use(node)):
            yield source.finding(node.lineno, f"a deciding module uses {used}", _MEND)


def _forbidden_use(node: ast.Attribute | ast.Call) -> str:
    """The dotted name of a forbidden thing, or nothing."""
    if isinstance(node, ast.Call):
        # An attribute that is called is met as an attribute.
        return node.func.id if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS else ""
    name = ast.unparse(node)
    if name.startswith("os.") and name.count(".") == 1:
        return "" if name in ALLOWED_OF_OS else name
    return name if ".".join(name.split(".")[-2:]) in FORBIDDEN_CALLS else ""
