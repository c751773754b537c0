"""Steady names for classes that travel by value, so that the same program gives the same bytes; and the files of code
that travels by value, so that an error on a worker shows the user's line.

cloudpickle marks such a class (and a TypeVar) by a random id, by which a process that loads it twice recognises it.
Here the id is made of module and qualified name before cloudpickle makes one. Two classes of one name that live at
the same time (a notebook cell that ran again) get different ids.
"""

import hashlib
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from itertools import count
from types import CodeType
from typing import Any, TypeVar, cast

import cloudpickle  # type: ignore[import-untyped]  # it has no types
from cloudpickle import cloudpickle as _internals

from millstream_dataflow.forerunners import forerunners

# Private to cloudpickle, which is pinned below its next major version; a test fails if one of them is gone.
_internal = cast("Any", _internals)
_by_class: MutableMapping[object, str] = _internal._DYNAMIC_CLASS_TRACKER_BY_CLASS  # noqa: SLF001  # no public way
_by_id: MutableMapping[str, object] = _internal._DYNAMIC_CLASS_TRACKER_BY_ID  # noqa: SLF001  # no public way
_NO_FILE = "<dynamic-code>"  # what cloudpickle writes instead
_MSGSPEC_CACHE = "__msgspec_cache__"  # on a class that msgspec has looked at; can't be pickled, and is made anew
_lock: AbstractContextManager[object] = _internal._DYNAMIC_CLASS_TRACKER_LOCK  # noqa: SLF001  # no public way


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """cloudpickle's, but for the ids of classes and the file names of code, which it drops."""

    def reducer_override(self, obj: Any) -> Any:  # noqa: ANN401  # the signature of pickle
        """Called for every object that is not of a built-in type."""
        if isinstance(obj, type | TypeVar):
            _name(obj)
            if isinstance(obj, type) and _MSGSPEC_CACHE in vars(obj):
                type.__delattr__(obj, _MSGSPEC_CACHE)
        if isinstance(obj, CodeType):
            make, parts = _internal._code_reduce(obj)  # noqa: SLF001  # no public way
            return make, tuple(obj.co_filename if part == _NO_FILE else part for part in parts)
        return super().reducer_override(obj)


def travelled(module: str, qualified_name: str) -> type | None:
    """The class of that name which was pickled by value, the last one of several; None if there is none."""
    found: list[type] = []
    for twins in count():
        cls = _by_id.get(_digest(f"{module}\0{qualified_name}", twins))
        if not isinstance(cls, type):
            break
        found.append(cls)
    former = forerunners(found)
    return next((cls for cls in reversed(found) if cls not in former), None)


def _name(cls: Any) -> None:  # noqa: ANN401  # a class or a TypeVar
    if cls in _by_class:
        return
    qualified = f"{cls.__module__}\0{getattr(cls, '__qualname__', cls.__name__)}"
    with _lock:
        twins = 0
        while _by_id.get(name := _digest(qualified, twins), cls) is not cls:
            twins += 1
        _by_class[cls] = name
        _by_id[name] = cls


def _digest(qualified: str, twins: int) -> str:
    return hashlib.sha256(f"{qualified}\0{twins}".encode()).hexdigest()[:32]
