"""Errors that trying again can't heal, because they depend on nothing but the program and its input.

A restart strategy is for what may go better the next time: a lost machine, a service that doesn't answer. An error of
these classes ends the job at once, whatever the strategy says (Flink: `ThrowableType.NonRecoverableError`,
`SuppressRestartsException`). All other exceptions of a user's code are recoverable: nobody but its author knows.
"""


class NonRecoverableError(Exception):
    """The job must not be restarted. User code may raise it as well, or a class of its own that derives from it."""


class InvalidProgramError(NonRecoverableError, ValueError):
    """The program asks for something that can't be, which only the running job could find out."""


class InvalidTypesError(NonRecoverableError, TypeError):
    """A value isn't of the type that its place in the program needs."""


class NotSerializableError(NonRecoverableError, TypeError):
    """A value can't be turned into bytes (or back), and so can neither travel nor be stored."""
