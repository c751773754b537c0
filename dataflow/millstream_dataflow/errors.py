"""Errors that trying again can't heal, because they depend on nothing but the program and its input.

A restart strategy is for what may go better the next time: a lost machine, a service that doesn't answer. An error of
these classes ends the job at once, whatever the strategy says (Flink: `ThrowableType.NonRecoverableError`,
`SuppressRestartsException`). All other exceptions of a user's code are recoverable: nobody but its author knows.

Code of the user's runs also where a value is pickled, copied or unpickled (`__reduce__`, `__getstate__`). What it
raises there is judged in one place, `serialization_error`.
"""

import pickle
from typing import Final

from millstream_dataflow.reprs import error_text


class NonRecoverableError(Exception):
    """The job must not be restarted. User code may raise it as well, or a class of its own that derives from it."""


class InvalidProgramError(NonRecoverableError, ValueError):
    """The program asks for something that can't be, which only the running job could find out."""


class InvalidTypesError(NonRecoverableError, TypeError):
    """A value isn't of the type that its place in the program needs."""


class SerializationError(Exception):
    """A value could not be turned into bytes, copied, or made of its bytes again, and may be the next time: its class
    reads a file, say. `__cause__` is what was raised meanwhile.
    """


class NotSerializableError(SerializationError, NonRecoverableError, TypeError):
    """It never can be, and so the value can neither travel nor be stored."""


_RECURRING: Final = (
    *(pickle.PicklingError, TypeError, AttributeError, RecursionError, ImportError),
    NonRecoverableError,  # the class says so itself
)
"""What pickle raises for a value that has no form in bytes, or for a class that can't be found by its name. It depends
on nothing but the value; an OSError or a MemoryError does.
"""


def serialization_error(what: str, cause: Exception, mend: str = "") -> SerializationError:
    """What to raise where a value was pickled, copied or unpickled and `cause` was raised: NotSerializableError if that
    will happen every time, SerializationError if it may go away.

    `what` says what can't be done to which value. `mend` is advice about a value that never can.
    """
    text = f"{what}: {error_text(cause)}"
    if isinstance(cause, _RECURRING):
        error: SerializationError = NotSerializableError(f"{text}. {mend}" if mend else text)
    else:
        error = SerializationError(text)
    error.__cause__ = cause  # also where nobody raises it: its traceback leads to the user's own line
    return error
