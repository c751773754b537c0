"""An error in a user's code, with the case around it: which operator, which record, which line of the user's own.

User code may raise whatever Python has, `KeyboardInterrupt` and `sys.exit()` too, and in a worker all of it is a
failure like any other: so where user code is called `BaseException` is caught. No `yield` of ours stands in such a
place, or the `GeneratorExit` with which we close our own generators would be taken for the user's: `attributed` pulls
the loops that yield.

The user's exception itself is kept as it was raised: inline execution lets it out, a worker reports the Failure that is
made of it, with the part of its traceback that is the user's.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from traceback import TracebackException
from typing import Final, TypeVar

from millstream_dataflow.errors import NonRecoverableError, SerializationError
from millstream_dataflow.identity import RegionAttempt
from millstream_dataflow.reprs import MESSAGE_LIMIT, bounded, bounded_repr, error_text, short_repr
from millstream_runtime.messages.failures import TRACEBACK_LIMIT, Failure, FailureKind
from millstream_runtime.user_frames import OF_VALUES, source_line, users_part, users_view
from millstream_taskmanager.user_code.forks import leave_if_forked

T = TypeVar("T")


class NoRecord:
    """In the place of a record: the code was not at work on one."""

    def __repr__(self) -> str:
        return ""


NO_RECORD: Final = NoRecord()

FOUND_AGAIN: Final = "Its classes must be found under the module and name that they had when it was stored"
"""What helps where a checkpoint's values can't be unpickled."""


class FunctionExitError(Exception):
    """A user's code called `sys.exit()`. A function ends no process: it has failed, as by any other exception."""


def _function_exit(leaving: SystemExit) -> FunctionExitError:
    """The error in the place of an exit, raised where it was."""
    error = FunctionExitError(f"a function called sys.exit({'' if leaving.code is None else short_repr(leaving.code)})")
    return error.with_traceback(leaving.__traceback__)


class UserCodeError(Exception):
    """A user's code raised. `cause` is its exception; `record` is what it was called with.

    `kind` is another than USER where a connector failed for reasons that are not the program's. `restartable` is False
    where trying again can't help (NonRecoverableError, or a connector's word).
    """

    def __init__(
        self,
        cause: BaseException,
        operator: str,
        record: object = NO_RECORD,
        kind: FailureKind = FailureKind.USER,
        *,
        restartable: bool = True,
    ) -> None:
        leave_if_forked(cause)
        super().__init__(cause, operator)
        self.cause = _function_exit(cause) if isinstance(cause, SystemExit) else cause
        self.kind = kind
        self.operator = operator
        self.record = "" if record is NO_RECORD else bounded_repr(record)
        self.restartable = restartable and not isinstance(cause, NonRecoverableError)

    def __str__(self) -> str:
        return str(self.failure())

    @property
    def says_all(self) -> bool:
        """Whether its words do: where our own code noticed that a file is damaged, say, is nobody's concern."""
        no_line = not source_line(self.cause)
        return no_line and (users_part(self.cause) is None or _is_explained(self.cause))

    def failure(self) -> Failure:
        """As a value that crosses processes. One that says all has no traceback."""
        return Failure(
            self.kind,
            error_text(self.cause),
            operator=self.operator,
            record=self.record,
            source_line=source_line(self.cause),
            traceback="" if self.says_all else _text(users_view(_told(self.cause)))[-TRACEBACK_LIMIT:],
            restartable=self.restartable,
        )


def _told(error: BaseException) -> BaseException:
    """Whose traceback is shown beside the message: where no line of our own error about a value is the user's, that of
    what their class has raised, which the message repeats.
    """
    bare = isinstance(error, SerializationError) and users_part(error) is None
    return error.__cause__ if bare and error.__cause__ is not None else error


class ResultError(Exception):
    """What a finished stage has left can't be read. `lost`: the attempt that has to run again; None: it may go the next
    time, for its TaskManager can't be reached.
    """

    def __init__(self, text: str, lost: RegionAttempt | None) -> None:
        super().__init__(text)
        self._text = text
        self._lost = lost

    def failure(self) -> Failure:
        """As a value that crosses processes."""
        return Failure(FailureKind.EXTERNAL, self._text, result=self._lost, secondary=self._lost is None)


class UnsupportedOperatorError(NonRecoverableError):
    """This version has nothing that runs such an operator; the job is refused before it starts."""


class UserCode:
    """Within a `with` the user's code is at work: what it raises becomes a UserCodeError. For the error of a record
    see there.
    """

    __slots__ = ("_operator",)

    def __init__(self, operator: str) -> None:
        self._operator = operator

    def __enter__(self) -> None:
        leave_if_forked()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        leave_if_forked(error)
        if error is not None and not isinstance(error, UserCodeError):
            raise self._named(error) from error

    def _named(self, error: BaseException) -> UserCodeError:
        return UserCodeError(error, self._operator)


class ConnectorCode(UserCode):
    """The same for a source or a sink: a file that is gone is nobody's mistake, and may come back.

    At the `first_look` of a job that has never run it is a mistake: the path that the program names isn't there.
    """

    __slots__ = ("_first_look",)

    def __init__(self, operator: str, *, first_look: bool = False) -> None:
        super().__init__(operator)
        self._first_look = first_look

    def _named(self, error: BaseException) -> UserCodeError:
        if not isinstance(error, OSError):
            return UserCodeError(error, self._operator)
        misnamed = isinstance(error, _NOT_THERE) or error.errno == errno.EPROTONOSUPPORT
        restartable = not (self._first_look and misnamed)
        return UserCodeError(error, self._operator, kind=FailureKind.EXTERNAL, restartable=restartable)


_NOT_THERE = (FileNotFoundError, NotADirectoryError, PermissionError)


def _is_explained(error: BaseException) -> bool:
    """Whether its words say all, when no user code has raised it. What a disk that is full says names no file."""
    return isinstance(error, OF_VALUES + _NOT_THERE) or (isinstance(error, OSError) and error.filename is not None)


class Naming(UserCode):
    """Within a `with` our code is at work on an operator's values: what they are to blame for names the operator."""

    __slots__ = ()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OF_VALUES):
            raise self._named(error) from error


def attributed(slices: Iterator[T], named: Callable[[BaseException], UserCodeError]) -> Iterator[T]:
    """What a loop over the user's code yields. What is raised in it becomes the error that `named` makes of it."""
    while True:
        try:
            item = next(slices)
        except StopIteration:
            leave_if_forked()
            return
        except BaseException as error:
            raise named(error) from error
        leave_if_forked()
        yield item


def user_error(error: BaseException, operator: str) -> Exception:
    """What has ended a task. What is no Exception was raised by user code, in a place where nobody has named it."""
    leave_if_forked(error)
    return error if isinstance(error, Exception) else UserCodeError(error, operator)


def failure_of(error: BaseException) -> Failure:
    """Any exception of a task as a value: the user's with its case, every other as our own mistake."""
    error = user_error(error, "")
    if isinstance(error, OF_VALUES):  # of an operator that nobody has named
        error = UserCodeError(error, "")
    if isinstance(error, UserCodeError | ResultError):
        return error.failure()
    return Failure(FailureKind.INTERNAL, error_text(error), traceback=traceback_text(error)[-TRACEBACK_LIMIT:])


def traceback_text(error: BaseException) -> str:
    """As Python prints it, the user's with their part alone; but no part of it, a message of the user's among them, has
    more than `MESSAGE_LIMIT` characters.
    """
    if isinstance(error, UserCodeError):
        return _text(users_view(error.cause))
    if isinstance(error, OF_VALUES):
        return _text(users_view(error))
    return _text(TracebackException.from_exception(error, compact=True))


def _text(shown: TracebackException) -> str:
    return "".join(f"{bounded(part[:-1], MESSAGE_LIMIT)}\n" for part in shown.format())


def last_given(values: Sequence[T], iterator: Iterator[T]) -> T:
    """What an iterator over a list gave last: the record at hand when code that went over it raised. Costs nothing
    before.
    """
    return values[len(values) - length_hint(iterator) - 1]
