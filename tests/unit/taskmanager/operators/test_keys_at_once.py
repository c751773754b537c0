"""Batch mode: reductions and aligned windows get the records of some keys together; each gives what is its own."""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import ProcessWindowFunction
from millstream_dataflow.operators.grouped import batch_form
from millstream_dataflow.operators.specifications import (
    KeyedReduceSpecification,
    KeySelection,
    OperatorSpecification,
    WindowSpecification,
)
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.windows import TimeWindow, TumblingEventTimeWindows
from millstream_taskmanager.operators.final_reduce import FinalReduceOperator
from millstream_taskmanager.operators.registry import OperatorSettings, make
from tests.support.tasks import OperatorBench

KEY = KeySelection(lambda record: record[0])
AT_ONCE = FinalReduceOperator.keys_at_once
Record = tuple[Any, int]


def summed(one: Record, other: Record) -> Record:
    return one[0], one[1] + other[1]


def results(specification: OperatorSpecification, *batches: RowBatch, memory: int = 1 << 30) -> list[Any]:
    """What it gives for these batches, with times."""
    operator = make(batch_form(specification), OperatorSettings(sort_memory=memory))
    operator.open(OperatorBench().context())
    for batch in batches:
        assert list(operator.process(0, batch)) == []
    given_: list[Any] = []
    for output in operator.advance(Watermark(MAX_TIME)):
        assert isinstance(output, RowBatch)
        times: Sequence[int | None] = output.timestamps or [None] * len(output)
        given_ += zip(output.values, times, strict=True)
    assert list(operator.finish()) == []
    assert operator.received == operator.processed == sum(map(len, batches))
    return given_


REDUCE = KeyedReduceSpecification(summed, KEY)
WINDOWS = WindowSpecification(KEY, TumblingEventTimeWindows.of(10), reduce=summed)


@given(
    st.lists(st.tuples(st.integers(0, 3 * AT_ONCE), st.integers(0, 25)), max_size=400),
    st.sampled_from([1, 1 << 30]),
    st.sampled_from([1, 7, 400]),
)
def test_each_key_has_what_is_its_own(records: list[tuple[int, int]], memory: int, size: int) -> None:
    rows = [(key, 1) for key, _ in records]
    times = [time for _, time in records]
    batches = [RowBatch(rows[at : at + size], times[at : at + size]) for at in range(0, len(rows), size)]
    counts = Counter(key for key, _ in records)
    last: dict[int, int] = {}
    for key, time in records:
        last[key] = max(time, last.get(key, 0))
    reduced = results(REDUCE, *batches, memory=memory)
    assert sorted(reduced) == sorted(((key, count), last[key]) for key, count in counts.items())
    windows = Counter((key, time // 10) for key, time in records)
    found = results(WINDOWS, *batches, memory=memory)
    assert sorted(found) == sorted(((key, count), window * 10 + 9) for (key, window), count in windows.items())


@pytest.mark.parametrize("specification", [REDUCE, WINDOWS], ids=["reduce", "windows"])
def test_keys_of_one_hash_are_two(specification: OperatorSpecification) -> None:
    twin = struct.unpack("<q", struct.pack("<d", 1.5))[0]
    rows = [(1.5, 1), (twin, 10), (1.5, 2), (twin, 20)]
    found = results(specification, RowBatch(rows, [1, 2, 3, 4]), memory=1)
    assert sorted(value for value, _ in found) == [(1.5, 3), (twin, 30)]


def test_a_key_may_have_records_with_times_and_without() -> None:
    found = results(REDUCE, RowBatch([("a", 1), ("b", 2)], [5, 6]), RowBatch([("a", 4), ("c", 8)]))
    assert sorted(found, key=str) == [(("a", 5), 5), (("b", 2), 6), (("c", 8), None)]


def test_few_keys_are_in_memory_at_a_time() -> None:
    """Of one block: so many keys that are large must not be there together."""
    held: list[set[Any]] = []

    class Shown(ProcessWindowFunction[Record, Any, Any, TimeWindow]):
        def process(
            self, key: object, context: ProcessWindowFunction.Context[TimeWindow], elements: Iterable[Record]
        ) -> Iterator[Any]:
            inner: Any = operator.inner  # type: ignore[attr-defined]  # the operator of streaming mode
            held.append({one for table in inner.backend._tables.values() for one in table.identities()})
            yield key, len(list(elements))

    windows = WindowSpecification(KEY, TumblingEventTimeWindows.of(10), process=Shown())
    operator = make(batch_form(windows), OperatorSettings())
    operator.open(OperatorBench().context())
    small = [(f"small {number}", "") for number in range(1_000)]
    large = [(number, "x" * 1_000) for number in range(20) for _ in range(500)]
    list(operator.process(0, RowBatch([*small, *large], [0] * 11_000)))
    given_ = [value for output in operator.advance(Watermark(MAX_TIME)) for value in output.values]  # type: ignore[union-attr]  # it gives batches alone
    assert sorted(given_, key=str) == sorted(
        [(key, 1) for key, _ in small] + [(number, 500) for number in range(20)], key=str
    )
    assert max(map(len, held)) == AT_ONCE
    assert max(len({key for key in keys if isinstance(key, int)}) for keys in held) <= 3
