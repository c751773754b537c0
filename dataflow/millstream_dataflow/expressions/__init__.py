"""Expressions over the columns of a stream: `col("price") * 2`, `col("name").lower() == "ann"`.

An expression is a value that says what to compute, frozen and picklable. It is computed over columns (`columns`, by
pyarrow and numpy) or record by record (`rows`: tuples, Rows, NamedTuples, dataclasses, dicts), and means the same there
and here. What it means, once for both:

* **Whole numbers** have 64 bits. A result that has more is an error (OverflowError), never another number. **Floats**
  have 64 bits; one that is too big is infinite. A whole number that meets a float becomes one, in arithmetic and
  comparisons.
* `/` divides floats, whatever it is given; `//` and `%` are Python's, towards minus infinity. To divide by zero is an
  error (ZeroDivisionError), of floats as well.
* **Null** (None) is SQL's: what is computed of it is null, a comparison too; `&` and `|` know that `false & null` is
  false and `true | null` is true. `filter` keeps what is true. NaN is a float like others, equal to none, no null.
* **Nothing is guessed**: a text is no number, True isn't 1, a time with a zone and one without can't be compared
  (InvalidTypesError). Decimals, lists, maps and other objects pass through `col`, and can be asked for null; more can't
  be done with them.
* **Texts** are Python's: `lower`, `upper`, `strip` and positions count code points.
* `if_else` computes each branch only for the records that take it.

Where a record can't be computed the error says why, in the same words for both forms: the operator asks `rows` again.

Read in this order:

* `nodes`      `col`, `lit`, `if_else` and all that can be done with an expression
* `errors`     what a record can be refused for
* `kinds`      the sorts of values that expressions tell apart
* `functions`  every function: how it is written, what it takes, what it gives
* `schema`     `Schema`, the columns of a declared type; `inference`, an expression's type from it
* `records`    fields of records of any class
* `casts`      from one kind to another, value by value
* `row_functions`, `rows`         record by record
* `column_functions`, `columns`   over Arrow columns
* `selector`   an expression as the key of a stream; `selection`, several as a new record
"""

from importlib import import_module
from typing import TYPE_CHECKING

from millstream_dataflow.expressions.inference import Inferred, infer
from millstream_dataflow.expressions.nodes import Expression, col, if_else, lit
from millstream_dataflow.expressions.rows import row_function
from millstream_dataflow.expressions.schema import Schema
from millstream_dataflow.expressions.selection import Selection
from millstream_dataflow.expressions.selector import ColumnKey

if TYPE_CHECKING:
    from millstream_dataflow.expressions.columns import evaluated, mask

__all__ = [
    "ColumnKey",
    "Expression",
    "Inferred",
    "Schema",
    "Selection",
    "col",
    "evaluated",
    "if_else",
    "infer",
    "lit",
    "mask",
    "row_function",
]


def __getattr__(name: str) -> object:
    """What needs Arrow is imported when it is asked for: workers do, a program doesn't."""
    if name not in {"evaluated", "mask"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module("millstream_dataflow.expressions.columns"), name)
    return value
