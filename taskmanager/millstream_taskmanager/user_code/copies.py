"""One record for more than one holder: all but one get a copy.

Consumers of one output: so what one does to a record never shows in another. And a function that emits what it keeps:
so what it does to it afterwards never shows in what it has given (law 4.5), nor what others do to that in what it
keeps. Columns can't be changed (`map_batches` sees to it), nor can values of Python's plain types and tuples of them:
they are shared. Nothing is copied where the program says that no function changes records (`pipeline.object-reuse`).

Measured for values of two or three plain fields, one by one, on a busy machine with Python 3.11, in microseconds: lists
0.6, dicts 0.8, NamedTuples 0.6, dataclasses 1.1, Rows 2.7; what goes by pickle 3 to 6.
"""

import copy
import copyreg
import datetime
import decimal
import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from types import AsyncGeneratorType, CoroutineType
from typing import Any, NoReturn

from millstream_dataflow.errors import InvalidTypesError, serialization_error
from millstream_dataflow.records import Batch, RowBatch
from millstream_dataflow.reprs import bounded_repr
from millstream_dataflow.tags import OutputTag
from millstream_dataflow.types import Row

IMMUTABLE: frozenset[type] = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta),
        *(decimal.Decimal, uuid.UUID),
    }
)


class _Bare:
    """As an object looks to C that has attributes, and nothing else."""


def copied(batch: Batch) -> Batch:
    """The batch for one more consumer. SerializationError when a record can't be copied."""
    if not isinstance(batch, RowBatch) or are_immutable(batch.values):
        return batch
    return RowBatch(_copies(batch.values), batch.timestamps)


def copied_singly(batch: Batch) -> Batch:
    """The same of records that may be one object, or have parts in common: each gets its own. SerializationError as
    above.
    """
    if not isinstance(batch, RowBatch) or are_immutable(batch.values):
        return batch
    return RowBatch(list(map(copy_of, batch.values)), batch.timestamps)


def copy_of(value: Any) -> Any:  # noqa: ANN401  # any record
    """One value for whoever must not share it; the same where nobody can change it. SerializationError as above."""
    kind: type = type(value)
    if kind in IMMUTABLE:
        return value
    if kind is dict:  # this and lists at once, without a call: half the time of the general way
        for key, part in value.items():
            if type(part) not in IMMUTABLE or type(key) not in IMMUTABLE:
                break
        else:
            return value.copy()
    elif kind is list and IMMUTABLE.issuperset(map(type, value)):
        return value.copy()
    return _way_of(kind)(value)


def is_immutable(value: Any) -> bool:  # noqa: ANN401  # any record
    """Whether nobody can change the value."""
    kind: type = type(value)
    if kind in IMMUTABLE:
        return True
    return (kind is tuple or _is_tuple(kind)) and _hold_plain(value)


def are_immutable(values: list[Any]) -> bool:
    """Whether nobody can change any of the values. Measured: 90 M/s for plain types, 18 M/s for pairs of them."""
    kinds = set(map(type, values))
    if kinds <= IMMUTABLE:
        return True
    return all(map(_is_tuple, kinds)) and set(map(type, chain.from_iterable(values))) <= IMMUTABLE


def _hold_plain(parts: Iterable[Any]) -> bool:
    """Whether nobody can change any of these. First at once: of a pair 0.2 us instead of 0.5."""
    return IMMUTABLE.issuperset(map(type, parts)) or all(map(is_immutable, parts))


# Asked of a record's class, of which a job has a handful; bounded, as a cache must not keep user classes for ever.
@lru_cache(maxsize=1024)
def _way_of(kind: type) -> Callable[[Any], Any]:
    """How values of a class are copied: the outermost alone, where nobody can change what it holds, or all of it."""
    if kind in (CoroutineType, AsyncGeneratorType):
        return _refuse_coroutine
    if kind is OutputTag:
        return _refuse_tag
    if _is_tuple(kind):
        return lambda value: value if _hold_plain(value) else _by_pickle(value)
    if kind in (list, set):
        return lambda value: value.copy() if _hold_plain(value) else _by_pickle(value)
    if kind is dict:
        return lambda value: value.copy() if _hold_plain((*value, *value.values())) else _by_pickle(value)
    if kind is Row:
        return lambda row: copy.copy(row) if _hold_plain(row) else _by_pickle(row)
    return _copy_of_bare if _is_bare(kind) else _by_pickle


def _refuse_coroutine(coroutine: Any) -> NoReturn:  # noqa: ANN401  # either of two
    name = coroutine.__qualname__
    if isinstance(coroutine, CoroutineType):
        coroutine.close()  # else Python says later, and elsewhere, that nobody has awaited it
    raise InvalidTypesError(
        f"a function gave a call of the async function {name} that nobody has awaited as a record; give {name} itself "
        "in the place of a lambda around it, or write `async def` and `await`"
    )


def _refuse_tag(tag: Any) -> NoReturn:  # noqa: ANN401  # as above
    raise InvalidTypesError(
        f"a function gave {tag!r} as a record; for a side output give a pair of it and the record: yield tag, record"
    )


def _copy_of_bare(value: Any) -> Any:  # noqa: ANN401  # any record
    attributes = value.__dict__
    if not _hold_plain(attributes.values()):
        return _by_pickle(value)
    twin = object.__new__(type(value))
    twin.__dict__.update(attributes)
    return twin


@lru_cache(maxsize=1024)  # as above
def _is_tuple(kind: type) -> bool:
    """Whether its values are their fields and nothing else: tuples, frozen sets, NamedTuples."""
    if kind is frozenset:
        return True
    return issubclass(kind, tuple) and not kind.__dictoffset__ and kind.__iter__ is tuple.__iter__


@lru_cache(maxsize=1024)  # as above
def _is_bare(kind: type) -> bool:
    """Whether its objects are their attributes and nothing else, and pickle would make them anew of just these, since
    the class doesn't say how: most dataclasses.
    """
    like = (kind.__basicsize__, kind.__dictoffset__, kind.__weakrefoffset__, kind.__itemsize__)
    if like != (_Bare.__basicsize__, _Bare.__dictoffset__, _Bare.__weakrefoffset__, _Bare.__itemsize__):
        return False
    own = ("__reduce__", "__reduce_ex__", "__getstate__", "__new__", "__getattribute__")
    said = ("__setstate__", "__getnewargs__", "__getnewargs_ex__")
    inherited = all(getattr(kind, name) is getattr(object, name) for name in own)
    return inherited and not any(hasattr(kind, name) for name in said) and kind not in copyreg.dispatch_table


def _by_pickle(value: Any) -> Any:  # noqa: ANN401  # any record
    return _copies([value])[0]


def _copies(values: list[Any]) -> list[Any]:
    """By pickle, as over a wire, at 1 to 4 M/s; what can't be pickled by `copy.deepcopy`, at 0.1."""
    with suppress(Exception):  # classes made in functions, locks, and whatever a user's class raises
        copies: list[Any] = pickle.loads(pickle.dumps(values, 5))  # noqa: S301  # our own
        return copies
    return list(map(_deep_copy, values))


def _deep_copy(value: Any) -> Any:  # noqa: ANN401  # any record
    try:
        return copy.deepcopy(value)
    except Exception as error:
        if isinstance(value, Iterator):
            raise InvalidTypesError(f"a function gave {bounded_repr(value)} as a record; {_MEND_OF_MANY}") from None
        what = f"{bounded_repr(value)} has more than one holder and can't be copied"
        raise serialization_error(what, error, _MEND) from error


_MEND = (
    "Keep locks, connections and open files in the function, not in records; or, where no function changes what it was "
    "given or has emitted, say so by pipeline.object-reuse: true"
)
_MEND_OF_MANY = "it can be taken apart once only: use flat_map() for several records, or make one of it by list(...)"
