"""The running reduction of each key."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.functions import ReduceFunction, RuntimeContext
from millstream_dataflow.keys import UnstableKeyError
from millstream_dataflow.operators.grouped import FinalReduceSpecification
from millstream_dataflow.operators.specifications import KeyedReduceSpecification, KeySelection
from millstream_dataflow.records import RowBatch, Watermark
from millstream_dataflow.records.controls import MAX_TIME
from millstream_dataflow.state import ValueStateDescriptor
from millstream_taskmanager.operators.final_reduce import FinalReduceOperator
from millstream_taskmanager.operators.keyed_reduce import KeyedReduceOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.tasks import OperatorBench


def opened(function: Any, key: Any = lambda value: value[0]) -> KeyedReduceOperator:  # noqa: ANN401  # functions of any kind
    operator = KeyedReduceOperator(KeyedReduceSpecification(function, KeySelection(key)))
    operator.open(OperatorBench().context())
    return operator


def values(operator: KeyedReduceOperator, *records: object) -> list[Any]:
    [batch] = operator.process(0, RowBatch(list(records), list(range(len(records)))))
    assert isinstance(batch, RowBatch)
    assert batch.timestamps == list(range(len(records)))
    return batch.values


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1), max_size=4))
def test_equals_a_naive_dict(batches: list[list[tuple[int, int]]]) -> None:
    operator = opened(lambda one, other: (one[0], one[1] + other[1]))
    naive: dict[int, int] = {}
    for batch in batches:
        expected = []
        for key, number in batch:
            naive[key] = naive.get(key, 0) + number
            expected.append((key, naive[key]))
        assert values(operator, *batch) == expected


def test_equal_keys_are_one() -> None:
    """Law 11: 1, 1.0 and True are one key, a NaN is one as well."""
    operator = opened(lambda one, other: (one[0], one[1] + other[1]))
    nan = float("nan")
    records = [(1, 1), (1.0, 2), (True, 3), (nan, 1), (float("nan"), 2), (date(2013, 1, 1), 5), (None, 7)]
    assert [record[1] for record in values(operator, *records)] == [1, 3, 6, 1, 3, 5, 7]


def test_what_goes_out_is_not_what_is_kept() -> None:
    """Law 4.5: an accumulator changed in place."""

    def merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        one["n"] += other["n"]
        return one

    operator = opened(merge, key=lambda record: record["k"])
    out = values(operator, {"k": "a", "n": 1}, {"k": "a", "n": 2}, {"k": "a", "n": 3})
    assert [record["n"] for record in out] == [1, 3, 6]
    out[-1]["n"] = 1000
    assert values(operator, {"k": "a", "n": 4})[0]["n"] == 10


class Sum(ReduceFunction[tuple[str, int]]):
    """Has a life."""

    opened = 0

    def open(self, runtime_context: RuntimeContext) -> None:
        Sum.opened += 1

    def reduce(self, value1: tuple[str, int], value2: tuple[str, int]) -> tuple[str, int]:
        return value1[0], value1[1] // value2[1]

    def close(self) -> None:
        Sum.opened -= 1


def test_an_error_names_the_record() -> None:
    operator = opened(Sum())
    assert Sum.opened == 1
    with pytest.raises(UserCodeError) as raised:
        values(operator, ("a", 4), ("b", 1), ("a", 0), ("a", 2))
    assert (raised.value.operator, raised.value.record) == ("Operator", "('a', 0)")
    operator.close()
    assert Sum.opened == 0


def test_an_unstable_key_names_the_record() -> None:
    with pytest.raises(UserCodeError) as raised:
        values(opened(lambda one, _: one), (1, 1), ({2}, 2))
    assert isinstance(raised.value.cause, UnstableKeyError)
    assert raised.value.record == "({2}, 2)"


class Counted(ReduceFunction[tuple[str, int]]):
    """Keeps in a state of the key how often it was called."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.calls = runtime_context.get_state(ValueStateDescriptor("calls", int))

    def reduce(self, value1: tuple[str, int], value2: tuple[str, int]) -> tuple[str, int]:
        self.calls.update((self.calls.value() or 0) + 1)
        return value1[0], int(self.calls.value() or 0) * 100 + value2[1]


def in_either_mode(mode: str, function: Any) -> Any:  # noqa: ANN401  # functions of any kind
    key = KeySelection(lambda value: value[0])
    operator = (
        KeyedReduceOperator(KeyedReduceSpecification(function, key))
        if mode == "streaming"
        else FinalReduceOperator(FinalReduceSpecification(function, key))
    )
    operator.open(OperatorBench().context())
    return operator


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_a_function_has_state_of_the_key(mode: str) -> None:
    operator = in_either_mode(mode, Counted())
    records = [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)]
    given: list[Any] = [*operator.process(0, RowBatch(records)), *operator.advance(Watermark(MAX_TIME))]
    last = dict(record for batch in given for record in batch.values)
    assert last == {"a": 203, "b": 102}


@pytest.mark.parametrize("mode", ["streaming", "batch"])
def test_a_function_that_returns_nothing_is_told(mode: str) -> None:
    operator = in_either_mode(mode, lambda _one, _other: None)
    with pytest.raises(UserCodeError, match=r"reduce\(\) returned None for two records; it must return the record"):
        list(operator.process(0, RowBatch([("a", 1), ("a", 2)])))
