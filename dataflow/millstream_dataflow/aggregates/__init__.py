"""Aggregates that are built in: `Count()`, `Sum("x")`, `Min`, `Max`, `Mean`. They go wherever an AggregateFunction
goes, and unlike a user's function they say what column they are of: so whole columns can be aggregated.

Null is SQL's: values that are null don't count; of none but null the sum, the mean, the least and the greatest are
null, and the count is 0. Whole numbers are added exactly, and a sum of more than 64 bits is an error (OverflowError).
Floats are added in the order in which they come, in columns batch by batch, so the last digits may differ from run to
run. NaN is greater than every number: so the greatest is NaN where one is, the least only where all are.

Accumulators are plain values of Python, and checkpoints hold nothing else.

Read in this order:

* `aggregate`  `Aggregate`, what all have in common
* `single`     the aggregates
* `combined`   several at once, as a Row; the key and the window as columns of it
* `groups`     the rows of a batch by what they belong to; `partials`, their accumulators, made of columns at once
"""

from millstream_dataflow.aggregates.aggregate import Aggregate
from millstream_dataflow.aggregates.combined import Combined, Key, WindowColumn, WindowEnd, WindowStart, WithWindow
from millstream_dataflow.aggregates.single import Count, Max, Mean, Min, Sum

__all__ = [
    "Aggregate",
    "Combined",
    "Count",
    "Key",
    "Max",
    "Mean",
    "Min",
    "Sum",
    "WindowColumn",
    "WindowEnd",
    "WindowStart",
    "WithWindow",
]
