"""From what a user gave for windows to what the runtime calls, as `resolve` does for all others.

A plain callable of `apply` looks like one of `process`: three arguments. So the client makes a function object of it at
once, by `as_window_function` and its like.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

from millstream_dataflow.functions.process import Emitted, Given
from millstream_dataflow.functions.resolve import (
    APPLY,
    APPLY_ALL,
    PROCESS_ALL,
    resolve_process_window,
    resolved,
)
from millstream_dataflow.functions.window import (
    AllWindowFunction,
    ProcessAllWindowFunction,
    ProcessWindowFunction,
    WindowFunction,
)
from millstream_dataflow.windows import Window


def resolve_window_function(function: object) -> ProcessWindowFunction[Any, Any, Any, Any]:
    """Any function of windows as a ProcessWindowFunction: what it is called with that it doesn't take is left out."""
    match function:
        case WindowFunction():
            resolved(APPLY, function)
            return _Applied(function)
        case AllWindowFunction():
            resolved(APPLY_ALL, function)
            return _AppliedToAll(function)
        case ProcessAllWindowFunction():
            resolved(PROCESS_ALL, function)
            return _ProcessedAll(function)
        case _:
            return resolve_process_window(function)


def as_window_function(function: object) -> WindowFunction[Any, Any, Any, Any]:
    """The function object that `apply` takes; a plain callable gets one around it."""
    callback = resolved(APPLY, function)
    return function if isinstance(function, WindowFunction) else _PlainWindow(callback)


def as_all_window_function(function: object) -> AllWindowFunction[Any, Any, Any]:
    """The same of `apply` on windows of all records."""
    callback = resolved(APPLY_ALL, function)
    return function if isinstance(function, AllWindowFunction) else _PlainAllWindow(callback)


def as_process_all_function(function: object) -> ProcessAllWindowFunction[Any, Any, Any]:
    """The same of `process` on windows of all records."""
    callback = resolved(PROCESS_ALL, function)
    return function if isinstance(function, ProcessAllWindowFunction) else _PlainProcessAll(callback)


def wants_clear(function: ProcessWindowFunction[Any, Any, Any, Any]) -> bool:
    """Whether the user's function wants to hear of windows that are forgotten."""
    if isinstance(function, _ProcessedAll):
        return type(function.function).clear is not ProcessAllWindowFunction.clear
    return type(function).clear is not ProcessWindowFunction.clear


class _Applied(ProcessWindowFunction[Any, Any, Any, Window]):
    """A WindowFunction as the runtime calls it."""

    def __init__(self, function: WindowFunction[Any, Any, Any, Any]) -> None:
        self._apply = function.apply

    def process(
        self, key: object, context: ProcessWindowFunction.Context[Window], elements: Iterable[Any]
    ) -> Given[Any]:
        return self._apply(key, context.window(), elements)


class _AppliedToAll(ProcessWindowFunction[Any, Any, Any, Window]):
    """An AllWindowFunction as the runtime calls it."""

    def __init__(self, function: AllWindowFunction[Any, Any, Any]) -> None:
        self._apply = function.apply

    def process(
        self, key: object, context: ProcessWindowFunction.Context[Window], elements: Iterable[Any]
    ) -> Given[Any]:
        return self._apply(context.window(), elements)


class _ProcessedAll(ProcessWindowFunction[Any, Any, Any, Window]):
    """A ProcessAllWindowFunction as the runtime calls it, whose surroundings of a window serve both kinds."""

    def __init__(self, function: ProcessAllWindowFunction[Any, Any, Any]) -> None:
        self.function = function

    def process(
        self, key: object, context: ProcessWindowFunction.Context[Window], elements: Iterable[Any]
    ) -> Given[Any]:
        return self.function.process(cast("Any", context), elements)

    def clear(self, context: ProcessWindowFunction.Context[Any]) -> None:
        self.function.clear(cast("Any", context))


class _PlainWindow(WindowFunction[Any, Any, Any, Any]):
    """A callable as the method that is called."""

    def __init__(self, callback: Callable[..., Emitted[Any]]) -> None:
        self._callback = callback
        self.__name__ = _name(callback)  # what plans call it

    def apply(self, key: object, window: object, inputs: Iterable[Any]) -> Given[Any]:
        return self._callback(key, window, inputs)


class _PlainAllWindow(AllWindowFunction[Any, Any, Any]):
    """As above."""

    def __init__(self, callback: Callable[..., Emitted[Any]]) -> None:
        self._callback = callback
        self.__name__ = _name(callback)

    def apply(self, window: object, inputs: Iterable[Any]) -> Given[Any]:
        return self._callback(window, inputs)


class _PlainProcessAll(ProcessAllWindowFunction[Any, Any, Any]):
    """As above."""

    def __init__(self, callback: Callable[..., Emitted[Any]]) -> None:
        self._callback = callback
        self.__name__ = _name(callback)

    def process(self, context: ProcessAllWindowFunction.Context[Any], elements: Iterable[Any]) -> Given[Any]:
        return self._callback(context, elements)


def _name(function: Any) -> str:  # noqa: ANN401  # whatever the user gave
    name: str = getattr(function, "__name__", "") or type(function).__name__
    return name
