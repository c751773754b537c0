"""Entries as bytes. A run is entries of one table and one key group, in one pickle (protocol 5).

    keys         in the user's form
    namespaces   parallel to them, as plain values; None: the table has none
    values       as the table stores them; if `apart`, a pickle each, of entries that were touched during a snapshot
    types        what was declared of keys and values, as the user would write it (`types`)

Objects that entries have in common are pickled once a run. Classes go by reference (law 12.1), so what is stored never
holds code; one that is made inside a function can't be found again, and is refused.
"""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.errors import serialization_error
from millstream_dataflow.reprs import bounded_repr, error_text
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.user_code.errors import FOUND_AGAIN


@dataclass(frozen=True, slots=True)
class Where:
    """Of which operator and table; for runs and for errors."""

    operator: str
    table: str
    title: str
    """The table as a person knows it: `state 'count'`."""


@dataclass(frozen=True, slots=True)
class Entries:
    """See the module. The columns are parallel."""

    keys: list[Any]
    namespaces: list[Any] | None
    values: list[Any]
    types: tuple[str, str]
    apart: bool = False


def encoded_run(where: Where, group: int, entries: Entries) -> KeyedRun:
    """Entries of one group. SerializationError when something in them can't be pickled."""
    keys, values = entries.keys, entries.values
    try:
        data = pickle.dumps((keys, entries.namespaces, values, entries.types, entries.apart), 5)
    except Exception as error:  # noqa: BLE001  # whatever the user's class raises
        refused = error
    else:
        return KeyedRun(where.table, group, len(keys), data)
    refusal, problem = _refusal(where, keys, values, refused)  # behind the block: its problem follows from no other
    raise refusal from problem


def encoded_value(where: Where, key: object, value: object) -> bytes:
    """One value by itself. SerializationError when it can't be pickled."""
    try:
        return pickle.dumps(value, 5)
    except Exception as error:  # noqa: BLE001  # as above
        refused = error
    refusal, problem = _refusal(where, [key], [value], refused)  # as above
    raise refusal from problem


def decoded_run(where: Where, run: KeyedRun) -> Entries:
    """The entries of a run, none of them apart. SerializationError when they can't be read."""
    try:
        keys, namespaces, values, types, apart = pickle.loads(run.data)  # noqa: S301  # our own, from a checksummed file
        return Entries(keys, namespaces, list(map(pickle.loads, values)) if apart else values, types)
    except Exception as error:
        what = f"operator {where.operator}: {where.title} can't be read from the checkpoint"
        raise serialization_error(what, error, FOUND_AGAIN) from error


def _refusal(
    where: Where, keys: Sequence[object], values: Sequence[object], error: Exception
) -> tuple[Exception, Exception]:
    """What is wrong and why, by the first entry that can't be pickled alone."""
    for key, value in zip(keys, values, strict=True):
        for what, thing in (("its key", key), ("its value", value)):
            try:
                pickle.dumps(thing, 5)
            except Exception as problem:  # noqa: BLE001  # as above
                of_key = f"operator {where.operator}: {where.title} of key {bounded_repr(key)}"
                text = f"{of_key} can't be stored, because {what} can't be pickled"
                return serialization_error(text, problem, _mend(thing, problem)), problem
    return serialization_error(f"operator {where.operator}: {where.title} can't be stored", error), error


def _mend(thing: object, problem: Exception) -> str:
    if "<locals>" in f"{type(thing).__qualname__} {error_text(problem)}":
        return "A class made inside a function can't be found again by its name; define it at the top of a module"
    return f"Keep a value of plain types or of a class defined at the top of a module instead of {bounded_repr(thing)}"
