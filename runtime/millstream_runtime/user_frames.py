"""Which lines of a traceback are the user's: what they are shown is these, without our own around them.

Our frames say where we called the user's code, or where we waited for it: nobody who reads their traceback can use
them. Only the tracebacks of errors that are the user's, or that say all in their words, are cut; those of our own
mistakes stay whole.
"""

import linecache
import sysconfig
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import chain
from types import TracebackType
from typing import Final

from millstream_dataflow.errors import NonRecoverableError, SerializationError

OF_VALUES: Final = (NonRecoverableError, SerializationError)
"""Our own errors about the user's program and values."""

GENERATED: Final = "<millstream "
"""How the file name of code begins that is made while a job runs (`fusion`)."""

_CONNECTORS: Final = "millstream"
"""The package of the client, and of our own connectors, which call libraries for the user."""
_OURS: Final = frozenset(
    {_CONNECTORS, *(f"millstream_{name}" for name in ("dataflow", "proto", "runtime", "taskmanager", "jobmanager"))}
)
_FROZEN: Final = "<frozen "
_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple(_PATHS[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


class _Whose(Enum):
    OWN = "the user's own"
    LIBRARY = "a library's, called for the user"
    OURS = "ours, or what ours have called"


def source_line(error: BaseException) -> str:
    """`file:line: text` of the innermost line of the user's own code. Where there is none but the user's function is a
    library's, that one's; never a line of ours, or one that our own connectors have called.

    What a user's class raised while a value was serialised lies further in than our own error about the value.
    """
    trace = _lines(error.__traceback__)
    if isinstance(error, SerializationError) and error.__cause__ is not None:
        trace = chain(trace, _lines(error.__cause__.__traceback__))
    own = library = None
    for line, whose in _judged(trace):
        if whose is _Whose.OWN:
            own = line
        else:
            library = line if whose is _Whose.LIBRARY else None
    found = own or library
    if found is None:
        return ""
    file, number = found.tb_frame.f_code.co_filename, found.tb_lineno
    text = linecache.getline(file, number).strip()
    return f"{file}:{number}: {text}" if text else f"{file}:{number}"


def leave_to_user(error: BaseException) -> None:
    """Take our frames out of the traceback of an error that the user's code has raised, or that is about their values,
    and of those it came from, as far as Python shows them. Where no line is the user's nor a library's, which they gave
    us for a function, only an error that says all loses its frames.
    """
    for one in _shown(error):
        one.__traceback__ = _users_part(one, (_Whose.OWN, _Whose.LIBRARY), OF_VALUES)


def leave_to_caller(error: BaseException, explained: type[BaseException]) -> None:
    """The same of what leaves a call of the user's, where our own mistakes may come by too: only a line of the user's
    own tells them apart, or the class of an error that says all.
    """
    shown = list(_shown(error))
    for one in shown:
        one.__traceback__ = _users_part(one, (_Whose.OWN,), (explained, *OF_VALUES))
    origin = error.__cause__ or error.__context__
    if isinstance(error, explained) and origin is error.__context__ and not any(map(_is_users, shown[1:])):
        error.__cause__ = None  # not shown, and still there as the context


def _shown(error: BaseException) -> Iterator[BaseException]:
    """The error and those it came from, as far as Python shows them."""
    seen = set[int]()
    shown: BaseException | None = error
    while shown is not None and id(shown) not in seen:
        seen.add(id(shown))
        yield shown
        hidden = None if shown.__suppress_context__ else shown.__context__
        shown = hidden if shown.__cause__ is None else shown.__cause__


def _users_part(
    error: BaseException, theirs: tuple[_Whose, ...], explained: tuple[type[BaseException], ...]
) -> TracebackType | None:
    """What begins at the user's first line. An error of ours that says all in its words ends at their last one: where
    we noticed it is nobody's concern.
    """
    says_all = isinstance(error, explained)
    judged = list(_judged(_lines(error.__traceback__)))
    kinds = [whose for _, whose in judged]
    first = next((whose for whose in theirs if whose in kinds), None)
    if first is None:
        return None if says_all or _has_no_lines(judged) else error.__traceback__
    begin = kinds.index(first)
    if not says_all:
        return judged[begin][0]
    end = max(index for index, whose in enumerate(kinds) if whose is not _Whose.OURS) + 1
    part: TracebackType | None = None
    for line, _ in reversed(judged[begin:end]):
        part = TracebackType(part, line.tb_frame, line.tb_lasti, line.tb_lineno)
    return part


def _is_users(error: BaseException) -> bool:
    return any(whose is _Whose.OWN for _, whose in _judged(_lines(error.__traceback__)))


def _has_no_lines(judged: list[tuple[TracebackType, _Whose]]) -> bool:
    """Whether what was raised in a generated loop is a function's that isn't written in Python: `map(int)`."""
    return bool(judged) and judged[-1][0].tb_frame.f_code.co_filename.startswith(GENERATED)


def _lines(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _judged(trace: Iterator[TracebackType]) -> Iterator[tuple[TracebackType, _Whose]]:
    """Without those of Python's own import system, which are whose it was called by."""
    whose, caller = _Whose.OURS, ""
    for line in trace:
        file, module = line.tb_frame.f_code.co_filename, line.tb_frame.f_globals
        package = str(module.get("__name__", "")).partition(".")[0]
        if package in _OURS or file.startswith(GENERATED):
            whose, caller = _Whose.OURS, package
        elif file.startswith(_FROZEN):
            continue
        elif not _is_library(file, module):
            whose = _Whose.OWN
        else:
            whose = _Whose.OURS if caller == _CONNECTORS else _Whose.LIBRARY
        yield line, whose


def _is_library(file: str, module: Mapping[str, object]) -> bool:
    """A compiled module tells its place only in its own globals."""
    return file.startswith(_LIBRARIES) or str(module.get("__file__", "")).startswith(_LIBRARIES)
