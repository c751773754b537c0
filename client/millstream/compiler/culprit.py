"""Which part of an object can't be pickled, and how a person would write the way to it: `self.client.lock`.

The pickler only names the type of what it stumbled over, which is of no help when a library made the object. So
whatever it refuses is taken apart as the pickler itself would (closures and globals of functions, the state that
`__reduce_ex__` gives, items of containers), and each part is tried alone, down to the last that fails.
"""

import dis
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, cast

from millstream.compiler.naming import with_article

Picklable = Callable[[object], bool]

MAX_DEPTH: Final = 24
MAX_PARTS: Final = 1_000
"""Of one object; a list of a million locks is described by its first thousand items."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """The innermost part that fails: the way to it, its type, and where the way begins where that must be said."""

    path: str
    type_name: str
    origin: str = ""

    def __str__(self) -> str:
        sentence = f"{self.path} is {with_article(self.type_name)}"
        return f"{sentence} ({self.origin})" if self.origin else sentence


@dataclass(frozen=True, slots=True)
class _Part:
    value: object
    path: str
    origin: str = ""


def find_culprit(value: object, path: str, picklable: Picklable) -> Culprit:
    """The innermost part of `value` that `picklable` refuses; `path` is what the user calls `value`."""
    current = _Part(value, path)
    seen = {id(value)}
    for _ in range(MAX_DEPTH):
        guilty = _first_guilty(current, seen, picklable)
        if guilty is None:
            break
        seen.add(id(guilty.value))
        current = guilty
    return Culprit(current.path, _type_name(current.value), current.origin)


def _first_guilty(whole: _Part, seen: set[int], picklable: Picklable) -> _Part | None:
    parts = (part for part in islice(_parts(whole), MAX_PARTS) if id(part.value) not in seen)
    return next((part for part in parts if not picklable(part.value)), None)


def _type_name(value: object) -> str:
    cls = type(value)
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")


def _parts(whole: _Part) -> Iterator[_Part]:
    """The parts that the pickler would go on with."""
    value = whole.value
    match value:
        case FunctionType():
            yield from _of_function(value, whole)
        case MethodType():
            yield _Part(value.__self__, "self", whole.origin)
            yield _Part(value.__func__, value.__func__.__name__, whole.origin)
        case partial():
            yield from _of_partial(value, whole)
        case dict():
            yield from _of_mapping(cast("dict[object, object]", value), whole)
        case list() | tuple() | set() | frozenset():
            yield from _of_items(cast("Sequence[object]", value), whole)
        case type():
            yield from _of_attributes(vars(value), _Part(value, value.__qualname__, whole.origin))
        case ModuleType():
            yield from _of_attributes(vars(value), _Part(value, value.__name__, whole.origin))
        case _:
            yield from _of_instance(value, whole)


def _of_function(function: FunctionType, whole: _Part) -> Iterator[_Part]:
    name = function.__qualname__.rpartition("<locals>.")[2]
    for variable, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            content = cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue
        yield _Part(content, variable, f"{variable} is a variable of the function around {name}")
    for variable in _globals_used(function.__code__):
        if variable in function.__globals__:
            yield _Part(function.__globals__[variable], variable, f"{variable} is a global that {name} uses")
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for default in defaults:
        yield _Part(default, f"a default of {name}", whole.origin)
    yield from _of_attributes(vars(function), whole)


def _globals_used(code: CodeType) -> list[str]:
    """Names of globals in a function and in the functions inside it, in order of appearance."""
    names = [str(step.argval) for step in dis.get_instructions(code) if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names += _globals_used(constant)
    return list(dict.fromkeys(names))


def _of_partial(value: "partial[Any]", whole: _Part) -> Iterator[_Part]:
    yield _Part(value.func, f"{whole.path}.func", whole.origin)
    for position, argument in enumerate(value.args):
        yield _Part(argument, f"{whole.path}.args[{position}]", whole.origin)
    for name, argument in value.keywords.items():
        yield _Part(argument, f"{whole.path}.keywords[{name!r}]", whole.origin)


def _of_mapping(value: Mapping[object, object], whole: _Part) -> Iterator[_Part]:
    for key, item in value.items():
        yield _Part(item, f"{whole.path}[{key!r:.40}]", whole.origin)
        yield _Part(key, f"a key of {whole.path}", whole.origin)


def _of_items(value: Sequence[object], whole: _Part) -> Iterator[_Part]:
    names = getattr(value, "_fields", ())  # of a NamedTuple
    for position, item in enumerate(value):
        step = f".{names[position]}" if position < len(names) else f"[{position}]"
        yield _Part(item, f"{whole.path}{step}", whole.origin)


def _of_attributes(attributes: Mapping[str, object], whole: _Part) -> Iterator[_Part]:
    for name, value in attributes.items():
        if name not in {"__dict__", "__weakref__", "__builtins__"}:
            yield _Part(value, f"{whole.path}.{name}", whole.origin)


def _of_instance(value: object, whole: _Part) -> Iterator[_Part]:
    """An object as its class wants it pickled; one that can't even be asked is the end of the way."""
    try:
        reduced: Any = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001  # user classes raise what they like, TypeError above all
        return
    if not isinstance(reduced, tuple):
        return
    parts: tuple[Any, ...] = (*reduced, None, None, None)
    yield from _of_state(parts[2], whole)
    for position, argument in enumerate(parts[1]):
        if not isinstance(argument, type):
            yield _Part(argument, f"argument {position} of {whole.path}", whole.origin)
    yield from _of_items(list(parts[3] or ()), whole)
    yield from _of_mapping(dict(parts[4] or ()), whole)
    yield _Part(type(value), type(value).__qualname__, f"the class of {whole.path}")


def _of_state(state: object, whole: _Part) -> Iterator[_Part]:
    """What a class gives as its state: attributes, or a pair of those in `__dict__` and those in slots, or its own."""
    for step in cast("tuple[object, ...]", state) if isinstance(state, tuple) else (state,):
        if isinstance(step, dict):
            yield from _of_attributes(cast("dict[str, object]", step), whole)
        elif step is not None:
            yield _Part(step, f"the state of {whole.path}", whole.origin)
