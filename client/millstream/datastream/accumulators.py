"""Accumulators that several windows would share: results of one would be in those of another."""

from contextlib import suppress
from typing import Final, cast

from millstream.datastream.call_site import call_site
from millstream.errors import ArgumentError
from millstream_dataflow.functions import AggregateFunction

_NOTHING: Final = object()


def refuse_shared_accumulators(function: object) -> None:
    """ArgumentError for an AggregateFunction whose `create_accumulator` gives the same list, dict or object again, as
    one does that was made once for all. What can't be changed may be one for all: numbers, tuples, None.
    """
    if not isinstance(function, AggregateFunction):
        return
    first = second = _NOTHING
    with suppress(Exception):  # it may need what open() makes: then nothing is known
        first, second = function.create_accumulator(), function.create_accumulator()
    if first is second is not _NOTHING and _may_change(first):
        name = type(function).__qualname__
        what = f"create_accumulator of {name} gave the same {type(first).__qualname__} twice, so windows would share it"
        raise ArgumentError(what, "make a new one in create_accumulator()", defined_at=call_site())


def _may_change(value: object) -> bool:
    """What has no hash can be changed; what has one by its identity may be."""
    by = cast("object", type(value).__hash__)
    return value is not None and (by is None or by is object.__hash__)
