"""What is wrong with a record of which an expression can't be computed. Each depends on the record alone, so a restart
would come to the same record again.
"""

from millstream_dataflow.errors import NonRecoverableError


class DivisionByZeroError(NonRecoverableError, ZeroDivisionError):
    """A number was to be divided by zero."""


class TooManyBitsError(NonRecoverableError, OverflowError):
    """A whole number has more bits than its type: 64, or those of the target of a cast."""


class UncastableError(NonRecoverableError, ValueError):
    """A value that says nothing in the type that it was to be cast to, such as the text 'x' as a number."""
