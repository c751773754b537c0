"""An error in a user's code, with the case around it: which operator, which record, which line of the user's own.

The user's exception itself is kept as it is, with its traceback: inline execution lets it out unchanged, a worker
reports the Failure that is made of it.
"""

import linecache
import reprlib
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from operator import length_hint
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

import millstream_dataflow
from millstream_runtime.messages.failures import Failure, FailureKind

T = TypeVar("T")

_RECORD_LIMIT = 1_000  # characters: enough to find the record, little enough for a log line and a message (law 3.3)
_TRACEBACK_LIMIT = 16_000


class NoRecord:
    """In the place of a record: the code was not at work on one."""

    def __repr__(self) -> str:
        return ""


NO_RECORD: Final = NoRecord()


class UserCodeError(Exception):
    """A user's code raised. `cause` is its exception; `record` is what it was called with.

    `kind` is another than USER where a connector failed for reasons that are not the program's.
    """

    def __init__(
        self, cause: Exception, operator: str, record: object = NO_RECORD, kind: FailureKind = FailureKind.USER
    ) -> None:
        super().__init__(cause, operator)
        self.cause = cause
        self.kind = kind
        self.operator = operator
        self.record = bounded_repr(record)

    def __str__(self) -> str:
        return str(self.failure())

    def failure(self) -> Failure:
        """As a value that crosses processes."""
        return Failure(
            self.kind,
            f"{type(self.cause).__name__}: {self.cause}",
            operator=self.operator,
            record=self.record,
            source_line=source_line(self.cause.__traceback__),
            traceback="".join(traceback.format_exception(self.cause))[-_TRACEBACK_LIMIT:],
        )


class UnsupportedOperatorError(Exception):
    """This version has nothing that runs such an operator; the job is refused before it starts."""


class UserCode:
    """Within a `with` the user's code is at work: what it raises becomes a UserCodeError. For the error of a record
    see there.
    """

    __slots__ = ("_external", "_operator")

    def __init__(self, operator: str, external: type[Exception] | None = None) -> None:
        """`external`: the errors for which not the program but the machine is to blame."""
        self._operator = operator
        self._external = external

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, UserCodeError):
            return
        external = self._external is not None and isinstance(error, self._external)
        kind = FailureKind.EXTERNAL if external else FailureKind.USER
        raise UserCodeError(error, self._operator, kind=kind) from error


def connector_code(operator: str) -> UserCode:
    """The same for a source or a sink: a file that is gone is nobody's mistake."""
    return UserCode(operator, OSError)


def failure_of(error: Exception) -> Failure:
    """Any exception of a task as a value: the user's with its case, every other as our own mistake."""
    if isinstance(error, UserCodeError):
        return error.failure()
    text = "".join(traceback.format_exception(error))[-_TRACEBACK_LIMIT:]
    return Failure(FailureKind.INTERNAL, f"{type(error).__name__}: {error}", traceback=text)


def bounded_repr(record: object) -> str:
    """A record as a person sees it; one that a user's `__repr__` can't break."""
    try:
        text = repr(record) if isinstance(record, str | int | float | NoRecord) else _SHORT.repr(record)
    except Exception as problem:  # noqa: BLE001  # the error about the record must not be hidden by its repr
        return f"<its repr raised {type(problem).__name__}>"
    return text if len(text) <= _RECORD_LIMIT else f"{text[:_RECORD_LIMIT]}..."


# A record is shown whole in all ordinary cases; what is cut are collections in it.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _RECORD_LIMIT
_SHORT.maxtuple = _SHORT.maxlist = _SHORT.maxdict = _SHORT.maxset = _SHORT.maxfrozenset = 50
_SHORT.maxlong = 200


def last_given(values: Sequence[T], iterator: Iterator[T]) -> T:
    """What an iterator over a list gave last: the record at hand when code that went over it raised. Costs nothing
    before.
    """
    return values[len(values) - length_hint(iterator) - 1]


# ------------------------------------------------------------------------------------------- the user's own line

_OURS = (str(Path(millstream_dataflow.__file__).parent), str(Path(__file__).parents[1]))
GENERATED: Final = "<millstream "
"""How the file name of code begins that is made while a job runs (`fusion`)."""
_NO_FILES = (GENERATED, "<frozen ")
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def source_line(trace: TracebackType | None) -> str:
    """`file:line: text` of the innermost line of the user's own code; of a library's, where the user's has none."""
    lines = [(file, line) for file, line in _lines(trace) if not file.startswith(_OURS + _NO_FILES)]
    own = [(file, line) for file, line in lines if not file.startswith(_LIBRARIES)]
    if not lines:
        return ""
    file, line = (own or lines)[-1]
    text = linecache.getline(file, line).strip()
    return f"{file}:{line}: {text}" if text else f"{file}:{line}"


def _lines(trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
