"""Types: what a stream's user says about its values, so that they travel fast and misfits are named (law 9.4).

Read in this order:

* `information`  `TypeInformation`, what every type can tell: does a value fit, may it travel as msgpack, be a key
* `scalars`      one value: numbers, text, times, bytes, anything
* `composites`   tuples, rows, lists, maps, and values that may be absent
* `classes`      the user's dataclasses, NamedTuples and enums
* `factory`      `Types`, the names by which a user makes them (PyFlink's)
* `hints`        `from_hint`, from Python's annotations to types
* `arrow`        `arrow_type`, the column that holds such values
* `completion`   what an operator makes of values that nearly fit: names for a Row, a float of an int
* `row`          `Row`, a record with or without field names

A type itself converts nothing. A value that fits arrives as it was sent, in value and in type; one that doesn't, and
can't be completed, is an error.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from millstream_dataflow.types.factory import Types
from millstream_dataflow.types.hints import declared_type, from_hint
from millstream_dataflow.types.information import TypeInformation
from millstream_dataflow.types.row import Row, RowKind

if TYPE_CHECKING:
    from millstream_dataflow.types.arrow import all_rows_fit, arrow_type

__all__ = ["Row", "RowKind", "TypeInformation", "Types", "all_rows_fit", "arrow_type", "declared_type", "from_hint"]


def __getattr__(name: str) -> object:
    """What is said of columns when it is asked for: a program that has only rows needs no Arrow."""
    if name not in {"all_rows_fit", "arrow_type"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module("millstream_dataflow.types.arrow"), name)
    return value
