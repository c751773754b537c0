"""Whether what was stored goes with what a restored program declares of it (Flink: StateMigrationException).

A run says, as the user would write it, of which type its keys and its values were declared. What is declared alike now
isn't looked at. Where it is declared otherwise, what is there decides: every INT is a LONG, and reads as one; of STRING
it never was. Where nothing is declared now, anything fits, and nothing can be judged.

A class is known by its module and name, as pickle knows it: a script's own are of `__main__`, however the script is
run. Objects whose fields have changed since (`schemas`) are looked at as they are now.
"""

from collections.abc import Callable, Sequence
from typing import Any

from millstream_dataflow.reprs import short_repr
from millstream_dataflow.types import TypeInformation, Types
from millstream_dataflow.types.information import type_name
from millstream_taskmanager.state.key_space import KeySpace, StateError
from millstream_taskmanager.state.runs import Entries
from millstream_taskmanager.state.tables import Table

_MEND_OF_KEYS = "key the stream as before, or give the operator another uid"
_MEND_OF_VALUES = "declare it as before, or give the new one another name"


def check_types(table: Table, space: KeySpace, entries: Entries, shown: Callable[[Any], Any] | None = None) -> None:
    """StateError where restored entries don't fit what is declared now. `shown`: as Stored says."""
    of_keys, of_values = entries.types
    where = table.where
    if problem := _problem(of_keys, space.key_type, entries.keys):
        raise StateError(f"operator {where.operator}: the key of {where.title} {problem}; {_MEND_OF_KEYS}")
    if problem := _problem(of_values, table.type, entries.values, shown, changed=entries.changed):
        raise StateError(f"operator {where.operator}: {where.title} {problem}; {_MEND_OF_VALUES}")


def _problem(
    former: str,
    now: TypeInformation[Any],
    kept: Sequence[Any],
    shown: Callable[[Any], Any] | None = None,
    *,
    changed: bool = False,
) -> str:
    """`changed`: of classes in it that have other fields now."""
    if former == str(now) and not changed:
        return ""
    values = kept if shown is None else list(map(shown, kept))
    if now.all_fit(values):
        return ""
    value, problem = next((value, problem) for value in values if (problem := now.check(value)) is not None)
    if former == str(now):
        return f"holds objects of which not all fit their class as it is now: {problem}"
    before = "undeclared" if former == str(Types.ANY()) else f"as {former}"
    actual = f"{type_name(type(value))} {short_repr(value)}"
    return f"was stored {before} and is declared {now} now, but holds {actual}"
