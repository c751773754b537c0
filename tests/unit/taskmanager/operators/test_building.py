"""From a specification to a chain: what is declared of a record is known where it is needed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from millstream_dataflow.operators.specifications import MapBatchesSpecification, MapSpecification
from millstream_dataflow.types import TypeInformation, Types
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import Drawing, ListSource, VirtualJob


def job(types: Sequence[TypeInformation[Any] | None]) -> VirtualJob:
    """A chain of a source, a map to tuples and a function of columns."""
    drawing = Drawing()
    chain = drawing.source("source", ListSource(((1, 2, 3),)))
    chain.add(MapSpecification(lambda value: (f"n{value}", value)))
    chain.add(MapBatchesSpecification(_names))
    chain.nodes[:] = [replace(node, type=type_) for node, type_ in zip(chain.nodes, types, strict=True)]
    drawing.edge(chain, drawing.collect("out"))
    return VirtualJob(drawing)


def _names(columns: pa.RecordBatch) -> pa.RecordBatch:
    return columns.rename_columns(["name", "number"])


def test_rows_become_columns_inside_a_chain_by_their_declared_type() -> None:
    running = job([None, Types.TUPLE([Types.STRING(), Types.LONG()]), None])
    running.finish()
    assert [(row.name, row.number) for row in running.collected("out")] == [("n1", 1), ("n2", 2), ("n3", 3)]


def test_rows_of_no_declared_type_are_named() -> None:
    running = job([Types.LONG(), None, None])
    running.settle()
    [error] = running.errors
    assert isinstance(error, UserCodeError)
    assert "whose type isn't declared" in str(error)
