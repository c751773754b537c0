"""`async def` where a function must answer at once.

Functions with state, timers or windows are called record by record: what a later record meets depends on what an
earlier one has left. So a coroutine of theirs is awaited before anything else is done in the worker, and an async
generator is gone through to its end; only records of asynchronous waits (`async_wait`) go on meanwhile. Nothing of
this is known to operators: each `async def` becomes a plain function before they get it, a method in its object.
"""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from inspect import isasyncgenfunction
from typing import Any, TypeVar, cast

from millstream_dataflow.functions import (
    AsyncFunction,
    FilterFunction,
    FlatMapFunction,
    Function,
    MapFunction,
    is_async,
)
from millstream_dataflow.functions.asynchronous import called
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.chain import ChainSpecification
from millstream_dataflow.operators.specifications import OperatorSpecification
from millstream_taskmanager.operators.waiting import TaskCoroutines

T = TypeVar("T")

_INTERFACES = "millstream_dataflow."
"""Where the methods are declared that operators call."""

_STAND_INS = ("millstream.", _INTERFACES)
"""Where classes are that stand for functions of the user's, which they call."""

_AWAITED: dict[type[Function], str] = {
    AsyncFunction: "async_invoke",
    MapFunction: "map",
    FlatMapFunction: "flat_map",
    FilterFunction: "filter",
}
"""The method whose answers are waited for asynchronously."""


def awaitable(function: object) -> Callable[..., Awaitable[Any]]:
    """What an asynchronous wait calls and awaits."""
    callback = getattr(function, _awaited_method(function), function)
    if isasyncgenfunction(called(callback)):
        return functools.partial(_all_of, cast("Callable[..., AsyncIterator[Any]]", callback))
    return cast("Callable[..., Awaitable[Any]]", callback)


def without_waits(chain: ChainSpecification, coroutines: TaskCoroutines) -> ChainSpecification:
    """The same operators, with functions that answer at once. Objects are changed: they must be this task's own."""
    nodes = [replace(node, specification=_plain(node.specification, coroutines)) for node in chain.nodes]
    return replace(chain, nodes=nodes)


def _plain(specification: OperatorSpecification, coroutines: TaskCoroutines) -> OperatorSpecification:
    if not is_dataclass(specification):
        return specification
    waits = isinstance(specification, AsyncWaitSpecification)
    changed: dict[str, Any] = {}
    for field in fields(specification):
        value: object = getattr(specification, field.name)
        if isinstance(value, Function):
            _answer_at_once(value, coroutines, set(), kept=_awaited_method(value) if waits else "")
        elif isinstance(value, OperatorSpecification):  # batch mode runs it within another
            if (inner := _plain(value, coroutines)) is not value:
                changed[field.name] = inner
        elif not waits:
            plain = _plainly(value, coroutines)
            if plain is not value:
                changed[field.name] = plain
    return replace(specification, **changed) if changed else specification


def _plainly(value: object, coroutines: TaskCoroutines) -> object:
    """A plain function in the place of an async one; of a pair, of both."""
    if isinstance(value, tuple | list):
        parts = cast("Sequence[object]", value)
        plain = tuple(_plainly(part, coroutines) for part in parts)
        return value if all(one is other for one, other in zip(plain, parts, strict=True)) else plain
    if callable(value) and is_async(value):
        return _at_once(cast("Callable[..., Any]", value), coroutines)
    return value


def _awaited_method(function: object) -> str:
    return next((name for base, name in _AWAITED.items() if isinstance(function, base)), "")


def _answer_at_once(function: Function, coroutines: TaskCoroutines, seen: set[int], *, kept: str = "") -> None:
    """Put a plain function in the place of each `async def` that operators call, but the one that is kept; in the
    functions that this one calls as well. `seen`: the objects in which that is done.
    """
    if id(function) in seen:
        return
    seen.add(id(function))
    for name in sorted(_interface(type(function)) - {kept}):
        method: object = getattr(function, name, None)
        if callable(method) and is_async(method):
            # The object's own, before that of its class; a frozen dataclass would refuse it in the usual way.
            object.__setattr__(function, name, _at_once(method, coroutines))
    of_ours = type(function).__module__.startswith(_STAND_INS)  # what a user's object holds it awaits itself
    for name, part in list(vars(function).items()):
        if isinstance(part, Function):
            _answer_at_once(part, coroutines, seen)
        elif of_ours and (plain := _plainly(part, coroutines)) is not part:
            object.__setattr__(function, name, plain)


def _interface(kind: type[Function]) -> set[str]:
    """The names of all methods that the bases of ours declare."""
    return {
        name
        for base in kind.__mro__
        if base.__module__.startswith(_INTERFACES)
        for name, member in vars(base).items()
        if callable(member) and not name.startswith("_")
    }


def _at_once(function: Callable[..., Any], coroutines: TaskCoroutines) -> Callable[..., Any]:
    """A plain function that gives what the other one does when it is awaited. Where a coroutine calls it, in the
    middle of its own work, that one may await it.
    """
    generates = isasyncgenfunction(called(function))

    @functools.wraps(function, updated=())
    def answer(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  # those of any function
        if coroutines.within:
            return function(*arguments, **named)
        whole = functools.partial(function, **named) if named else function
        return coroutines.run(_all_of, whole, *arguments) if generates else coroutines.run(whole, *arguments)

    return answer


async def _all_of(function: Callable[..., AsyncIterator[T]], *arguments: Any) -> list[T]:  # noqa: ANN401  # as above
    return [item async for item in function(*arguments)]
