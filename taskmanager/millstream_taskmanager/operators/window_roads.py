"""Which operator windows have: one for all keys together, one of these that takes
columns, or one in which each key's window has its own life.
"""

from millstream_dataflow.operators.windows import WindowSpecification
from millstream_taskmanager.operators.column_window import ColumnWindowOperator, takes_columns
from millstream_taskmanager.operators.keyed import KeyedOperator
from millstream_taskmanager.operators.window import WindowOperator
from millstream_taskmanager.operators.window_of_keys import KeyedWindowOperator


def window_operator(specification: WindowSpecification, *, reuse: bool) -> KeyedOperator:
    """The operator. `reuse`: as Collector says."""
    if takes_columns(specification):
        return ColumnWindowOperator(specification, reuse=reuse)
    road = WindowOperator if specification.fires_whole else KeyedWindowOperator
    return road(specification, reuse=reuse)
