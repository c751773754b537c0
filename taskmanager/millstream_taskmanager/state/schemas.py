"""The fields of the classes of stored values, then and now (Flink, "State Schema Evolution").

Known are dataclasses and NamedTuples whose objects pickle makes by itself. One that has had fields added, with a
default or a factory of defaults, or removed is read all the same: what was removed is left out, what was added gets its
default, a new one for each object. Everything else is a `SchemaError`: a field without a default, a class that is gone
or has another name. A class that says itself how its objects are stored (`__setstate__`, `__reduce__`) is asked, as
always with pickle.

A key's fields are what it is hashed by (law 11), and so where it lies: they can't change.
"""

import copyreg
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import lru_cache
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, cast

from millstream_dataflow.errors import NonRecoverableError

_MISSING: Final = type(MISSING)  # a class that came to a worker by value has one of its own
TUPLE: Final = "tuple"
LIST: Final = "list"
ATTRIBUTES: Final = "attributes"
"""In which form pickle writes an object: the values of a NamedTuple; those of a dataclass that is frozen and has slots,
in the order of its fields; attributes by their names.
"""


class SchemaError(NonRecoverableError, TypeError):
    """A stored value can't be read as an object of the class of that name as it is now."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What is stored of a class, once for all its objects in a pickle."""

    module: str
    name: str
    form: str
    fields: tuple[str, ...]

    @property
    def title(self) -> str:
        """The class as a person knows it."""
        return f"{self.module}.{self.name}"


# Asked of a value's class, of which a job has a handful; bounded, as a cache must not keep user classes for ever.
@lru_cache(maxsize=1024)
def schema_of(cls: type) -> Schema | None:
    """The class as it is now; None where pickle or the class itself knows what to do."""
    if cls in copyreg.dispatch_table or _says_itself(cls, "__reduce_ex__", "__reduce__"):
        return None
    if _is_named_tuple(cls):
        return Schema(cls.__module__, cls.__qualname__, TUPLE, tuple(cast("Any", cls)._fields))
    if not is_dataclass(cls) or hasattr(cls, "__getnewargs__") or hasattr(cls, "__getnewargs_ex__"):
        return None
    names = tuple(field.name for field in fields(cast("Any", cls)))
    if not _says_itself(cls, "__getstate__") and not hasattr(cls, "__setstate__"):
        return Schema(cls.__module__, cls.__qualname__, ATTRIBUTES, names)
    if _is_of_dataclasses(cls, "__getstate__") and _is_of_dataclasses(cls, "__setstate__"):
        return Schema(cls.__module__, cls.__qualname__, LIST, names)
    return None


def _says_itself(cls: type, *methods: str) -> bool:
    return any(getattr(cls, method) is not getattr(object, method) for method in methods)


def _is_of_dataclasses(cls: type, method: str) -> bool:
    """Whether `@dataclass(frozen=True, slots=True)` has made the method."""
    return getattr(getattr(cls, method, None), "__module__", "") == "dataclasses"


def _is_named_tuple(cls: type) -> bool:
    """Whether its objects are made of their values alone, as the class that NamedTuple made says it."""
    if not issubclass(cls, tuple):
        return False
    made = next((base for base in cls.__mro__ if "_fields" in vars(base)), None)
    arguments = None if made is None else vars(made).get("__getnewargs__")
    return arguments is not None and getattr(cls, "__getnewargs__", None) is arguments


# ------------------------------------------------------------------------------------------------ from then to now


class Change:
    """From the values of a class as it was to its objects as they are now."""

    def __init__(self, former: Schema, cls: type, present: Schema) -> None:
        """SchemaError where there is no way."""
        self.cls = cls
        self._former = former
        self._present = present
        if present.form == TUPLE and former.form != TUPLE:
            raise SchemaError(f"the class {former.title} was a dataclass and is a NamedTuple now; keep it a dataclass")
        self._defaults = _defaults(former, cls, present)

    def made(self, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401  # an object of the class
        """The object that pickle begins with. Others than NamedTuples are filled by what follows, if there is any."""
        if self._former.form != TUPLE:
            made = cast("Any", self.cls).__new__(self.cls, *arguments)
            return made if self._former.fields else self._filled(made, {})
        values = dict(zip(self._former.fields, arguments, strict=True))
        if self._present.form != TUPLE:
            return self._filled(cast("Any", self.cls).__new__(self.cls), values)
        values |= {name: default() for name, default in self._defaults.items()}
        return tuple.__new__(cast("Any", self.cls), [values[name] for name in self._present.fields])

    def fill(self, made: object, state: Any) -> None:  # noqa: ANN401  # as it was pickled
        """Give an object its attributes."""
        if self._present.form == TUPLE:  # it has its fields, and these stand beside them
            vars(made).update(self._values(state))
        else:
            self._filled(made, self._values(state))

    def _values(self, state: Any) -> dict[str, Any]:  # noqa: ANN401  # as above
        if self._former.form == LIST:
            return dict(zip(self._former.fields, state, strict=True))
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        return {**(attributes or {}), **(slots or {})}

    def _filled(self, made: Any, values: dict[str, Any]) -> Any:  # noqa: ANN401  # an object of the class
        """A field that had no value then has none now; what stood beside the fields still does."""
        for name, default in self._defaults.items():
            values.setdefault(name, default())
        beside = getattr(made, "__dict__", None)
        for name, value in values.items():
            if name in self._present.fields:
                object.__setattr__(made, name, value)
            elif beside is not None and name not in self._former.fields:
                beside[name] = value
        return made


def _defaults(former: Schema, cls: type, present: Schema) -> dict[str, Callable[[], Any]]:
    """What makes the value of each field that was added."""
    added = [name for name in present.fields if name not in former.fields]
    found = {name: default for name, default in _all_defaults(cls, present) if name in added}
    if missing := [name for name in added if name not in found]:
        what = f"the class {former.title} has the field {missing[0]!r} now, which stored objects of it don't have"
        raise SchemaError(f"{what} and which has no default; give it one, or take it out again")
    return found


def _all_defaults(cls: Any, present: Schema) -> Iterable[tuple[str, Callable[[], Any]]]:  # noqa: ANN401  # a class of the user
    if present.form == TUPLE:
        for name, value in cls._field_defaults.items():
            yield name, _always(value)
        return
    for field in fields(cls):
        factory: Any = field.default_factory
        if not isinstance(factory, _MISSING):
            yield field.name, factory
        elif not isinstance(field.default, _MISSING):
            yield field.name, _always(field.default)


def _always(value: object) -> Callable[[], object]:
    return lambda: value


def changes(formers: Iterable[Schema]) -> Mapping[type, Change]:
    """What has changed in these classes, by class. SchemaError where their objects can't be read any more."""
    found: dict[type, Change] = {}
    for former in formers:
        cls = _class_of(former)
        present = schema_of(cls)
        if present is None:
            if former.form != ATTRIBUTES and not hasattr(cls, "__setstate__"):
                kind = "NamedTuple" if former.form == TUPLE else "dataclass"
                raise SchemaError(f"the class {former.title} was a {kind} and is none now; keep it one")
        elif (present.form, present.fields) != (former.form, former.fields):
            found[cls] = Change(former, cls, present)
    return found


def _class_of(former: Schema) -> type:
    try:
        found: object = attrgetter(former.name)(import_module(former.module))
    except (ImportError, AttributeError):
        found = None
    if not isinstance(found, type):
        mend = "keep the class, under the module and name that it had; one that is renamed is another one"
        raise SchemaError(f"there is no class {former.title}, and objects of it are stored; {mend}")
    return found


def held(value: Any, classes: Iterable[type]) -> type | None:  # noqa: ANN401  # a key, or a part of one
    """The first of these classes that a key is made of."""
    wanted = tuple(classes)
    if type(value) in wanted:
        return type(value)
    parts: Iterable[Any] = ()
    if isinstance(value, tuple):
        parts = value
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name, None) for field in fields(value)]
    return next((found for part in parts if (found := held(part, wanted)) is not None), None)
