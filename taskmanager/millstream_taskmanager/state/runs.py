"""Entries as bytes. A run is entries of one table and one key group, in one pickle (`pickles`).

    keys         in the user's form
    namespaces   parallel to them, as plain values; None: the table has none
    values       as the table stores them; if `apart`, a pickle each, of entries that were touched during a snapshot
    types        what was declared of keys and values, as the user would write it (`types`)

Objects that entries have in common are pickled once a run. Classes go by reference (law 12.1), so what is stored never
holds code; one that is made inside a function can't be found again, and is refused.
"""

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.errors import NonRecoverableError, serialization_error
from millstream_dataflow.reprs import bounded_repr, error_text
from millstream_runtime.checkpoint_files.contents import KeyedRun
from millstream_taskmanager.state.pickles import Reader, Writer, dumps
from millstream_taskmanager.state.schemas import SchemaError, held
from millstream_taskmanager.user_code.errors import FOUND_AGAIN


class StateError(NonRecoverableError):
    """Keyed state can't be stored, read or had as it was asked for. Says which operator, state and key."""


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
    changed: bool = False
    """Whether values were read as objects of a class whose fields have changed since."""


def encoded_run(where: Where, group: int, entries: Entries) -> KeyedRun:
    """Entries of one group. SerializationError when something in them can't be pickled."""
    keys, values = entries.keys, entries.values
    try:
        data = dumps((keys, entries.namespaces, values, entries.types, entries.apart))
    except Exception as error:  # noqa: BLE001  # whatever the user's class raises
        refused = error
    else:
        return KeyedRun(where.table, group, len(keys), data)
    refusal, problem = _refusal(where, keys, values, refused)  # behind the block: its problem follows from no other
    raise refusal from problem


def encoded_value(where: Where, key: object, value: object, writer: Writer) -> bytes:
    """One value by itself. SerializationError when it can't be pickled."""
    try:
        return writer.bytes_of(value)
    except Exception as error:  # noqa: BLE001  # as above
        refused = error
    refusal, problem = _refusal(where, [key], [value], refused)  # as above
    raise refusal from problem


def decoded_run(where: Where, run: KeyedRun) -> Entries:
    """The entries of a run, none of them apart. SerializationError when they can't be read, StateError when the classes
    that they are of have changed beyond what a value can follow.
    """
    try:
        reader = Reader()
        keys, namespaces, values, types, apart = reader.value_of(run.data)
        if apart:
            values = list(map(reader.value_of, values))
    except SchemaError as error:
        raise StateError(f"operator {where.operator}: {where.title} can't be restored: {error}") from error
    except Exception as error:
        what = f"operator {where.operator}: {where.title} can't be read from the checkpoint"
        raise serialization_error(what, error, FOUND_AGAIN) from error
    if reader.changed:
        _refuse_keys(where, keys, reader.changed)
    return Entries(keys, namespaces, values, types, changed=bool(reader.changed))


def _refuse_keys(where: Where, keys: Sequence[object], changed: Iterable[type]) -> None:
    """A key with other fields is another key, of another key group (law 11)."""
    for key in keys:
        if (cls := held(key, changed)) is not None:
            what = f"operator {where.operator}: {where.title} has keys of the class {cls.__module__}.{cls.__qualname__}"
            mend = "take the change back, or key the stream by what stays and give the operator another uid"
            raise StateError(f"{what}, whose fields have changed, and a key is found by all of its fields; {mend}")


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
