"""Which lines of a traceback are the user's: what they are shown is these, without our own around them.

Our frames say where we called the user's code, or where we waited for it: nobody who reads their traceback can use
them. Only the tracebacks of errors that are the user's, or that say all in their words, are cut; those of our own
mistakes stay whole.
"""

import linecache
import sysconfig
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import chain, islice
from traceback import TracebackException
from types import FrameType, TracebackType
from typing import Final, NoReturn

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


def raise_for_user(error: BaseException) -> NoReturn:
    """Let an error out that is known to be the user's, with their part of its traceback: `leave_to_caller` leaves what
    lies behind this frame as it is.
    """
    for one in list(_shown(error)):
        cause = one.__cause__
        if isinstance(one, SerializationError) and cause is not None and not _is_own(cause):
            one.__cause__, one.__suppress_context__ = None, True  # the message repeats it
        one.__traceback__ = users_part(one)
    raise error


def _is_own(error: BaseException) -> bool:
    """Whether a line of the user's own raised it."""
    return any(whose is _Whose.OWN for _, whose in _judged(_lines(error.__traceback__)))


def leave_to_caller(error: BaseException, explained: type[BaseException]) -> None:
    """Take our frames out of the traceback of what leaves a call of the user's, and of what that came from, as far as
    Python shows it. Our own mistakes may come by here: only a line of the user's own tells them apart, or the class of
    an error that says all.
    """
    known = next((line for line in _lines(error.__traceback__) if _is_known(line)), None)
    if known is not None:
        error.__traceback__ = known.tb_next
        return
    for one in _shown(error):
        one.__traceback__ = _part(one, (_Whose.OWN,), (explained, *OF_VALUES))


def users_part(error: BaseException) -> TracebackType | None:
    """What of its traceback is for a user to read, when their code has raised it or it is about their values. One of a
    library's function, which they gave us, begins at our line that called it, for the mistake may be ours; where there
    is no Python behind a generated loop (`map(int)`), its line is all.
    """
    return _part(error, (_Whose.OWN, _Whose.LIBRARY), OF_VALUES)


def users_view(error: BaseException) -> TracebackException:
    """The same as Python prints it, with the errors it came from. The errors themselves stay as they are."""
    view = TracebackException.from_exception(error, compact=True)
    shown: TracebackException | None = view
    for one in _shown(error):
        if shown is not None:
            shown.stack = TracebackException(type(one), one, users_part(one), compact=True).stack
            shown = shown.__cause__ or shown.__context__
    return view


def stands_alone(error: BaseException) -> bool:
    """Whether no line of what it came from, as far as Python shows that, is the user's or a library's."""
    came_from = islice(_shown(error), 1, None)
    return all(whose is _Whose.OURS for one in came_from for _, whose in _judged(_lines(one.__traceback__)))


def is_ours(frame: FrameType | None) -> bool:
    """Whether our own code runs in it."""
    return frame is not None and _package(frame) in _OURS


def _shown(error: BaseException) -> Iterator[BaseException]:
    """The error and those it came from, as far as Python shows them."""
    seen = set[int]()
    shown: BaseException | None = error
    while shown is not None and id(shown) not in seen:
        seen.add(id(shown))
        yield shown
        hidden = None if shown.__suppress_context__ else shown.__context__
        shown = hidden if shown.__cause__ is None else shown.__cause__


def _is_known(line: TracebackType) -> bool:
    return line.tb_frame.f_code is raise_for_user.__code__


def _part(
    error: BaseException, theirs: tuple[_Whose, ...], explained: tuple[type[BaseException], ...]
) -> TracebackType | None:
    """What begins at the user's first line. An error of ours that says all in its words ends at their last one: where
    we noticed it is nobody's concern. What doesn't begin with a line of ours didn't come through our code.
    """
    says_all = isinstance(error, explained)
    judged = list(_judged(_lines(error.__traceback__)))
    kinds = [whose for _, whose in judged]
    first = next((whose for whose in theirs if whose in kinds), None)
    if first is None:
        no_lines = judged and _is_generated(judged[-1][0].tb_frame) and _Whose.LIBRARY in theirs
        return None if says_all else judged[-1][0] if no_lines else error.__traceback__
    begin = 0 if kinds[0] is not _Whose.OURS else kinds.index(first)
    if not says_all:
        return judged[begin if first is _Whose.OWN else max(begin - 1, 0)][0]
    end = max(index for index, whose in enumerate(kinds) if whose is not _Whose.OURS) + 1
    part: TracebackType | None = None
    for line, _ in reversed(judged[begin:end]):
        part = TracebackType(part, line.tb_frame, line.tb_lasti, line.tb_lineno)
    return part


def _lines(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _judged(trace: Iterator[TracebackType]) -> Iterator[tuple[TracebackType, _Whose]]:
    """Without those of Python's own import system, which are whose it was called by."""
    whose, caller = _Whose.OURS, ""
    for line in trace:
        file, module, package = line.tb_frame.f_code.co_filename, line.tb_frame.f_globals, _package(line.tb_frame)
        if package in _OURS or _is_generated(line.tb_frame):
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


def _is_generated(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(GENERATED)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
