"""What a function gave that can't be what its operation makes of it, found when that has raised: so it costs nothing
before.
"""

from types import TracebackType

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.reprs import bounded_repr

_GIVEN = ("emitted", "items")
"""How variables of ours begin that hold what a function gave, to be taken apart into records."""
_MEND = "yield the records, or return a list of them, or None where there are none; to give one for each, use map()"


def explained(error: BaseException) -> BaseException:
    """The error that says it, in the place of Python's own; any other as it is."""
    if type(error) is not TypeError or not str(error).endswith("object is not iterable"):
        return error
    frame = _last(error.__traceback__)
    if frame is None or not _is_ours(frame):
        return error
    for name, value in frame.tb_frame.f_locals.items():
        if name.startswith(_GIVEN) and str(error) == f"'{type(value).__name__}' object is not iterable":
            given = f"{type(value).__qualname__} {bounded_repr(value)}"
            return InvalidTypesError(f"a function that gives any number of records returned {given}; {_MEND}")
    return error


def _last(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _is_ours(trace: TracebackType) -> bool:
    """A module of the operators, or a generated loop of theirs, which has no module."""
    name: str = trace.tb_frame.f_globals.get("__name__", "")
    return name.startswith("millstream_taskmanager.operators.") or (
        not name and trace.tb_frame.f_code.co_filename.startswith("<millstream ")
    )
