"""From what a user gave to what the runtime calls. The client asks so as to refuse at once, the worker so as to run.

Wherever a function object goes, a plain callable does too. What is refused is what could only fail or surprise later: a
class where an object belongs, another kind of function, a generator that would itself become the record, a coroutine
where nothing can be awaited, a function that can't take that many arguments. TypeError says which operation, what came,
and what to do.

An `async def` is resolved like any other; whoever calls it sees to its being awaited (`is_async`).
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final, NoReturn, TypeAlias

from millstream_dataflow.functions.aggregate import AggregateFunction
from millstream_dataflow.functions.asynchronous import AsyncFunction, called, is_async
from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.process import Emitted, KeyedProcessFunction, ProcessFunction
from millstream_dataflow.functions.rows import (
    FilterFunction,
    FlatMapFunction,
    KeySelector,
    MapFunction,
    Partitioner,
    ReduceFunction,
)
from millstream_dataflow.functions.window import (
    AllWindowFunction,
    ProcessAllWindowFunction,
    ProcessWindowFunction,
    WindowFunction,
)
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.windows import Window

Callback: TypeAlias = Callable[..., Any]
_Emitting: TypeAlias = Callable[..., Emitted[Any]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One operation: what it takes, and which method of it is called with what."""

    operation: str
    base: type[Function]
    method: str
    arguments: tuple[str, ...]
    may_generate: bool = False
    may_wait: bool = True
    """Whether an `async def` will do."""
    has_life: bool = True
    """Whether its `open` and `close` are called."""

    @property
    def takes(self) -> str:
        article = "an" if self.base.__name__[0] in "AEIOU" else "a"
        return f"{self.operation} takes {article} {self.base.__name__} or a function of ({', '.join(self.arguments)})"


_MAP = _Kind("map", MapFunction, "map", ("value",))
_FLAT_MAP = _Kind("flat_map", FlatMapFunction, "flat_map", ("value",), may_generate=True)
_FILTER = _Kind("filter", FilterFunction, "filter", ("value",))
_REDUCE = _Kind("reduce", ReduceFunction, "reduce", ("value1", "value2"))
_KEY_BY = _Kind("key_by", KeySelector, "get_key", ("value",), may_wait=False, has_life=False)
_PARTITION = _Kind(
    "partition_custom", Partitioner, "partition", ("key", "num_partitions"), may_wait=False, has_life=False
)
_PROCESS = _Kind("process", ProcessFunction, "process_element", ("value", "ctx"), may_generate=True)
_KEYED_PROCESS = _Kind(
    "process on a keyed stream", KeyedProcessFunction, "process_element", ("value", "ctx"), may_generate=True
)
_WINDOW = _Kind(
    "process on a window", ProcessWindowFunction, "process", ("key", "context", "elements"), may_generate=True
)
APPLY = _Kind("apply on a window", WindowFunction, "apply", ("key", "window", "inputs"), may_generate=True)
APPLY_ALL = _Kind(
    "apply on a window of all records", AllWindowFunction, "apply", ("window", "inputs"), may_generate=True
)
PROCESS_ALL = _Kind(
    "process on a window of all records",
    ProcessAllWindowFunction,
    "process",
    ("context", "elements"),
    may_generate=True,
)
_AGGREGATE = _Kind("aggregate", AggregateFunction, "add", ("value", "accumulator"))
_ASYNC = _Kind("an asynchronous wait", AsyncFunction, "async_invoke", ("value",), may_generate=True)

_KINDS = (
    _MAP,
    _FLAT_MAP,
    _FILTER,
    _REDUCE,
    _KEY_BY,
    _PARTITION,
    _PROCESS,
    _KEYED_PROCESS,
    _WINDOW,
    APPLY,
    APPLY_ALL,
    PROCESS_ALL,
    _AGGREGATE,
    _ASYNC,
)

_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("runtime_context",),
    "close": (),
    "on_timer": ("timestamp", "ctx"),
    "clear": ("context",),
    "timeout": ("value",),
}
"""Methods that some classes let their users leave out, and what they are called with."""


def resolve_map(function: object) -> Callable[[Any], Any]:
    """The callable from a value to its record."""
    return _resolve(_MAP, function)


def resolve_flat_map(function: object) -> Callable[[Any], Iterable[Any] | None]:
    """The callable from a value to its records."""
    return _resolve(_FLAT_MAP, function)


def resolve_filter(function: object) -> Callable[[Any], Any]:
    """The callable that is true of the values to keep."""
    return _resolve(_FILTER, function)


def resolve_reduce(function: object) -> Callable[[Any, Any], Any]:
    """The callable from two values to one."""
    return _resolve(_REDUCE, function)


def resolve_key_selector(function: object) -> Callable[[Any], Any]:
    """The callable from a value to its key."""
    return _resolve(_KEY_BY, function)


def resolve_partitioner(function: object) -> Callable[[Any, int], int]:
    """The callable from a key and a number of partitions to a partition."""
    return _resolve(_PARTITION, function)


def resolve_map_batches(function: object) -> Callable[[Any], Any]:
    """The callable from a `pyarrow.RecordBatch` to another; there is no class for it."""
    takes = "map_batches takes a function of (batch)"
    if isinstance(function, Function) or not callable(function):
        raise TypeError(f"{takes}, but got {_described(function)}")
    _check_callable(takes, function, ("batch",), may_generate=False, may_wait=True)
    return function


def resolve_async(function: object) -> Callable[[Any], Any]:
    """The callable whose answer for a value is awaited, or gone through by `async for`."""
    callback = _resolve(_ASYNC, function)
    if not is_async(callback):
        what = f"an asynchronous wait awaits its function, but {_described(function)} is no async def"
        raise TypeError(f"{what}; write it as one, or use map, flat_map or filter, which take plain functions")
    return callback


def resolve_process(function: object) -> ProcessFunction[Any, Any]:
    """The function object; a plain callable gets one around it."""
    callback = _resolve(_PROCESS, function)
    return function if isinstance(function, ProcessFunction) else _PlainProcess(callback)


def resolve_keyed_process(function: object) -> KeyedProcessFunction[Any, Any, Any]:
    """The function object; a plain callable gets one around it, which has no timers."""
    callback = _resolve(_KEYED_PROCESS, function)
    return function if isinstance(function, KeyedProcessFunction) else _PlainKeyedProcess(callback)


def resolve_process_window(function: object) -> ProcessWindowFunction[Any, Any, Any, Any]:
    """The function object; a plain callable gets one around it."""
    callback = _resolve(_WINDOW, function)
    return function if isinstance(function, ProcessWindowFunction) else _PlainProcessWindow(callback)


def resolve_aggregate(function: object) -> AggregateFunction[Any, Any, Any]:
    """The function object: an aggregate is made of four methods, so no plain callable will do."""
    if not isinstance(function, AggregateFunction):
        _refuse_kind(_AGGREGATE, "aggregate takes an AggregateFunction", function)
    _resolve(_AGGREGATE, function)
    return function


class _PlainProcess(ProcessFunction[Any, Any]):
    """A callable as the method that the runtime calls."""

    def __init__(self, callback: _Emitting) -> None:
        self._callback = callback

    def process_element(self, value: object, ctx: ProcessFunction.Context) -> Emitted[Any]:
        return self._callback(value, ctx)


class _PlainKeyedProcess(KeyedProcessFunction[Any, Any, Any]):
    """As above."""

    def __init__(self, callback: _Emitting) -> None:
        self._callback = callback

    def process_element(self, value: object, ctx: KeyedProcessFunction.Context) -> Emitted[Any]:
        return self._callback(value, ctx)


class _PlainProcessWindow(ProcessWindowFunction[Any, Any, Any, Window]):
    """As above."""

    def __init__(self, callback: _Emitting) -> None:
        self._callback = callback

    def process(
        self, key: object, context: ProcessWindowFunction.Context[Window], elements: Iterable[Any]
    ) -> Emitted[Any]:
        return self._callback(key, context, elements)


def _resolve(kind: _Kind, function: object) -> Callback:
    if isinstance(function, kind.base):
        if not kind.has_life:
            _refuse_life(kind, function)
        method: Callback = getattr(function, kind.method)
        _check_as(kind, f"{kind.operation} ({_described(function)})", method)
        check_other_methods(function, kind.base)
        return method
    is_class_of_ours = isinstance(function, type) and issubclass(function, Function)
    if isinstance(function, Function) or is_class_of_ours or not callable(function):
        _refuse_kind(kind, kind.takes, function)
    _check_as(kind, kind.takes, function)
    return function


def _refuse_kind(kind: _Kind, takes: str, function: object) -> NoReturn:
    cls = function if isinstance(function, type) else type(function)
    if cls is function and issubclass(cls, kind.base):
        mend = f"; give an object of it: {cls.__name__}()"
    else:
        fitting = [f"{other.operation} takes it" for other in _KINDS if issubclass(cls, other.base)]
        mend = f"; {fitting[0]}" if fitting else ""
    raise TypeError(f"{takes}, but got {_described(function)}{mend}")


def _refuse_life(kind: _Kind, function: Function) -> None:
    """Each task that sends or takes records by key asks, and none of them has it for its own: as in Flink."""
    for name in ("open", "close"):
        if getattr(type(function), name) is not getattr(Function, name):
            what = f"{kind.operation} ({_described(function)}) calls {kind.method} alone, and never {name}"
            raise TypeError(f"{what}; make what it needs at its first call, or find it in a map before")


def _check_as(kind: _Kind, takes: str, function: Callback) -> None:
    _check_callable(takes, function, kind.arguments, may_generate=kind.may_generate, may_wait=kind.may_wait)


def _check_callable(
    takes: str, function: Callback, arguments: Sequence[str], *, may_generate: bool, may_wait: bool
) -> None:
    code = called(function)
    if is_async(function) and not may_wait:
        raise TypeError(
            f"{takes}, but {_described(function)} is async, and nothing is awaited there; write it as a plain def, and "
            "do what must be awaited in a map before"
        )
    if (inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code)) and not may_generate:
        raise TypeError(
            f"{takes}, but {_described(function)} yields; return the result, or use flat_map to give several"
        )
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins don't tell
        return
    try:
        signature.bind(*arguments)
    except TypeError as problem:
        what = f"{_described(function)} takes {signature}: {problem}"
        raise TypeError(f"{takes}, called with ({', '.join(arguments)}), but {what}") from None


def _described(function: object) -> str:
    """What came, with the place of a function whose name says little."""
    if isinstance(function, type):
        return f"the class {function.__qualname__}"
    if isinstance(function, Function):
        base = next(c.__name__ for c in type(function).__mro__ if c.__module__.startswith("millstream_dataflow."))
        return f"the {base} {type(function).__qualname__}"
    code = getattr(function, "__code__", None)
    if not callable(function) or code is None:
        return short_repr(function)
    return f"{getattr(function, '__qualname__', 'function')} ({PurePath(code.co_filename).name}:{code.co_firstlineno})"


def check_callable(
    takes: str, function: Callback, arguments: Sequence[str], *, may_generate: bool, may_wait: bool = True
) -> None:
    """TypeError for a function that can't be called so, for what resolves its functions elsewhere (`resolve_two`)."""
    _check_callable(takes, function, arguments, may_generate=may_generate, may_wait=may_wait)


def check_other_methods(function: Function, base: type[Function]) -> None:
    """TypeError for a method that can't be called as the class says. It would show when the job has started, or much
    later: when the first timer fires, say.
    """
    for name, arguments in _OTHERS.items():
        declared = getattr(base, name, None)
        if declared is not None and getattr(type(function), name) is not declared:
            what = f"{name} of {_described(function)}"
            _check_callable(what, getattr(function, name), arguments, may_generate=True, may_wait=True)


def described(function: object) -> str:
    """What came, in the words of all refusals."""
    return _described(function)


def resolved(kind: _Kind, function: object) -> Callback:
    """What is called of a function of that kind, for those who resolve elsewhere; TypeError as the module says."""
    return _resolve(kind, function)
