"""Functions that look as if they kept state beside that of keys, and that nobody would ask for it."""

from typing import Final

from millstream.datastream.call_site import call_site
from millstream.errors import ArgumentError
from millstream_dataflow.functions import Function
from millstream_dataflow.state import CheckpointedFunction

_METHODS: Final = ("initialize_state", "snapshot_state")


def refuse_unasked_state(function: object) -> None:
    """ArgumentError for one with the methods of a CheckpointedFunction that isn't one: its state would be lost."""
    if not isinstance(function, Function) or isinstance(function, CheckpointedFunction):
        return
    if all(callable(getattr(function, method, None)) for method in _METHODS):
        name, base = type(function).__qualname__, type(function).__mro__[1].__name__
        what = f"{name} has {' and '.join(_METHODS)}, but is no CheckpointedFunction, so that nobody calls them"
        mend = f"derive it from both: class {type(function).__name__}({base}, CheckpointedFunction)"
        raise ArgumentError(what, mend, defined_at=call_site())
