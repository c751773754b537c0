"""From what a user gave for two streams to what the runtime calls: a function for each stream, or for pairs of records.

As `resolve`: the client asks so as to refuse at once, the worker so as to run. Beside an object of a function class a
pair of plain functions will do, one for each stream.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeAlias, cast

from millstream_dataflow.functions.asynchronous import called
from millstream_dataflow.functions.broadcast import (
    BaseBroadcastProcessFunction,
    BroadcastProcessFunction,
    KeyedBroadcastProcessFunction,
    KeyedStateFunction,
)
from millstream_dataflow.functions.co import (
    CoFlatMapFunction,
    CoMapFunction,
    CoProcessFunction,
    KeyedCoProcessFunction,
)
from millstream_dataflow.functions.function import Function
from millstream_dataflow.functions.joins import CoGroupFunction, FlatJoinFunction, JoinFunction, ProcessJoinFunction
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.functions.resolve import Callback, check_callable, check_other_methods, described

Emitting: TypeAlias = Callable[..., Emitted[Any]]


@dataclass(frozen=True, slots=True)
class TwoFunctions:
    """What is called with a record of the first stream, with one of the second, and at a timer, if there are any."""

    first: Callback
    second: Callback
    on_timer: Emitting | None = None

    @property
    def both(self) -> tuple[Callback, Callback]:
        """By input."""
        return self.first, self.second


@dataclass(frozen=True, slots=True)
class _Kind:
    """One operation on two streams: which classes it takes, and which methods are called with what."""

    operation: str
    bases: tuple[type[Function], ...]
    methods: tuple[str, str]
    arguments: tuple[str, ...]
    may_generate: bool = True

    @property
    def takes(self) -> str:
        classes = " or ".join(base.__name__ for base in self.bases)
        of_each = f"a pair of functions of ({', '.join(self.arguments)}), one for each stream"
        return f"{self.operation} takes a {classes}, or {of_each}"


_CONTEXT = ("value", "ctx")
_PROCESS = ("process_element1", "process_element2")
_BROADCAST = ("process_element", "process_broadcast_element")

_CO_MAP = _Kind("map on connected streams", (CoMapFunction,), ("map1", "map2"), ("value",), may_generate=False)
_CO_FLAT_MAP = _Kind("flat_map on connected streams", (CoFlatMapFunction,), ("flat_map1", "flat_map2"), ("value",))
_CO_PROCESS = _Kind("process on connected streams", (CoProcessFunction,), _PROCESS, _CONTEXT)
_KEYED_CO_PROCESS = _Kind(
    "process on connected streams with keys", (KeyedCoProcessFunction, CoProcessFunction), _PROCESS, _CONTEXT
)
_BROADCAST_PROCESS = _Kind("process with a broadcast stream", (BroadcastProcessFunction,), _BROADCAST, _CONTEXT)
_KEYED_BROADCAST_PROCESS = _Kind(
    "process on a keyed stream with a broadcast one", (KeyedBroadcastProcessFunction,), _BROADCAST, _CONTEXT
)

_KINDS = (_CO_MAP, _CO_FLAT_MAP, _CO_PROCESS, _KEYED_CO_PROCESS, _BROADCAST_PROCESS, _KEYED_BROADCAST_PROCESS)


def resolve_co_map(function: object) -> TwoFunctions:
    """From a value of each stream to its record."""
    return _resolve(_CO_MAP, function)


def resolve_co_flat_map(function: object) -> TwoFunctions:
    """From a value of each stream to its records."""
    return _resolve(_CO_FLAT_MAP, function)


def resolve_co_process(function: object) -> TwoFunctions:
    """From a value of each stream and what is around it to its records."""
    return _resolve(_CO_PROCESS, function)


def resolve_keyed_co_process(function: object) -> TwoFunctions:
    """The same; timers only of a KeyedCoProcessFunction."""
    return _resolve(_KEYED_CO_PROCESS, function)


def resolve_broadcast_process(function: object) -> TwoFunctions:
    """The first is called with what isn't broadcast."""
    return _resolve(_BROADCAST_PROCESS, function)


def resolve_keyed_broadcast_process(function: object) -> TwoFunctions:
    """The same; timers only of a KeyedBroadcastProcessFunction."""
    return _resolve(_KEYED_BROADCAST_PROCESS, function)


def resolve_keyed_state_function(function: object) -> Callable[[Any, Any], None]:
    """What `apply_to_keyed_state` calls with a key and its state."""
    takes = "apply_to_keyed_state takes a KeyedStateFunction or a function of (key, state)"
    method: object = function.process if isinstance(function, KeyedStateFunction) else function
    if not callable(method) or (method is function and not _is_plain(function)):
        raise TypeError(f"{takes}, but got {described(function)}")
    check_callable(takes, method, ("key", "state"), may_generate=False, may_wait=False)
    call: Callback = method
    return call


# ------------------------------------------------------------------------------------------- pairs of records


def resolve_join(function: object) -> Callable[[Any, Any], Iterable[Any] | None]:
    """The callable from two records to any number. What a plain function returns is one record; one that yields gives
    each that it yields.
    """
    takes = "a join takes a JoinFunction, a FlatJoinFunction or a function of (first, second)"
    arguments = ("first", "second")
    if isinstance(function, FlatJoinFunction):
        check_callable(f"join ({described(function)})", function.join, arguments, may_generate=True)
        check_other_methods(function, FlatJoinFunction)
        return cast("Callback", function.join)  # `async def` too: whoever calls it has made it plain
    one: object = function.join if isinstance(function, JoinFunction) else function
    if not callable(one) or (one is function and not _is_plain(function)):
        raise TypeError(f"{takes}, but got {described(function)}{_made(function, (JoinFunction, FlatJoinFunction))}")
    check_callable(takes, one, arguments, may_generate=not isinstance(function, JoinFunction))
    if isinstance(function, JoinFunction):
        check_other_methods(function, JoinFunction)
    call: Callback = one
    return call if is_generator(call) else _One(call)


def resolve_co_group(function: object) -> Callable[[Iterable[Any], Iterable[Any]], Iterable[Any] | None]:
    """The callable from two groups of records to any number."""
    takes = "co_group takes a CoGroupFunction or a function of (first, second)"
    return _of_both(takes, CoGroupFunction, "co_group", ("first", "second"), function)


def resolve_process_join(function: object) -> Emitting:
    """The callable from two records and what is around them to any number."""
    takes = "process of an interval join takes a ProcessJoinFunction or a function of (left, right, ctx)"
    return _of_both(takes, ProcessJoinFunction, "process_element", ("left", "right", "ctx"), function)


@dataclass(frozen=True, slots=True)
class _One:
    """One record out for each pair."""

    function: Callable[[Any, Any], Any]

    def __call__(self, first: object, second: object) -> tuple[Any]:
        return (self.function(first, second),)


def _of_both(takes: str, base: type[Function], method: str, arguments: Sequence[str], function: object) -> Callback:
    is_object = isinstance(function, base)
    call: object = getattr(function, method) if is_object else function
    if not callable(call) or not (is_object or _is_plain(function)):
        raise TypeError(f"{takes}, but got {described(function)}{_made(function, (base,))}")
    check_callable(takes, call, arguments, may_generate=True)
    if isinstance(function, base):
        check_other_methods(function, base)
    return call


# ----------------------------------------------------------------------------------------------------- streams


def _resolve(kind: _Kind, function: object) -> TwoFunctions:
    if isinstance(function, kind.bases):
        calls: list[Callback] = [getattr(function, method) for method in kind.methods]
        for call in calls:
            check_callable(
                f"{kind.operation} ({described(function)})", call, kind.arguments, may_generate=kind.may_generate
            )
        check_other_methods(function, next(base for base in kind.bases if isinstance(function, base)))
        return TwoFunctions(calls[0], calls[1], getattr(function, "on_timer", None))
    if not isinstance(function, tuple | list) or len(cast("Sequence[object]", function)) != 2:
        _refuse(kind, function)
    pair = cast("Sequence[object]", function)
    for part in pair:
        if not callable(part) or not _is_plain(part):
            _refuse(kind, part)
        check_callable(kind.takes, part, kind.arguments, may_generate=kind.may_generate)
    return TwoFunctions(*cast("tuple[Callback, Callback]", tuple(pair)))


def _refuse(kind: _Kind, function: object) -> NoReturn:
    mend = _made(function, kind.bases)
    if not mend and isinstance(function, KeyedCoProcessFunction | KeyedBroadcastProcessFunction):
        mend = "; its keys come from key_by, called on both streams, or behind connect"
        if isinstance(function, BaseBroadcastProcessFunction):
            mend = "; its keys come from key_by, called before connect"
    elif not mend and kind is _KEYED_BROADCAST_PROCESS and isinstance(function, BroadcastProcessFunction):
        mend = "; derive it from KeyedBroadcastProcessFunction, or connect the stream without key_by"
    elif not mend and isinstance(function, Function):
        fitting = [f"; {other.operation} takes it" for other in _KINDS if isinstance(function, other.bases)]
        mend = fitting[0] if fitting else ""
    elif not mend and callable(function):
        mend = "; give one for each stream: (first, second)"
    raise TypeError(f"{kind.takes}, but got {described(function)}{mend}")


def _is_plain(function: object) -> bool:
    """Whether it has nothing to do with our classes, whose methods are called, not they themselves."""
    return not (isinstance(function, Function | KeyedStateFunction) or _is_ours(function))


def _is_ours(function: object) -> bool:
    return isinstance(function, type) and issubclass(function, Function | KeyedStateFunction)


def _made(function: object, bases: tuple[type, ...]) -> str:
    """What to do about a class in the place of an object of it."""
    if isinstance(function, type) and issubclass(function, bases):
        return f"; give an object of it: {function.__name__}()"
    return ""


def is_generator(function: Callback) -> bool:
    """Whether calling it gives what it yields."""
    while isinstance(function, partial):
        function = function.func
    if inspect.isasyncgenfunction(called(inspect.unwrap(function))):  # it may have been made to answer at once
        return True
    return inspect.isgeneratorfunction(function if inspect.isroutine(function) else type(function).__call__)
