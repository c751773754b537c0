"""Every record goes to exactly one channel (broadcast: to all), in order, and to the one that a naive reading gives."""

import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_dataflow.identity import EdgeId
from millstream_dataflow.job_graph import Partitioning
from millstream_dataflow.keys import UnstableKeyError, key_group, key_hash, subtask_of
from millstream_dataflow.operators.chain import ChainOutput
from millstream_dataflow.operators.specifications import KeySelection
from millstream_dataflow.records import Batch, ColumnBatch, RowBatch
from millstream_taskmanager.exchange.partitioners import Partitioner, Place, make_partitioner
from millstream_taskmanager.user_code.errors import UserCodeError

MAX_PARALLELISM = 128


def partitioner(
    partitioning: Partitioning,
    channels: int,
    *,
    subtask: int = 0,
    custom: Callable[[Any, int], int] | None = None,
    reuse: bool = False,
) -> Partitioner:
    output = ChainOutput(EdgeId(0), 0, key=KeySelection(lambda value: value), partitioner=custom)
    place = Place(subtask, channels, MAX_PARALLELISM, "Source")
    return make_partitioner(partitioning, output, place, np.random.default_rng(7), reuse=reuse)


def dealt(partitioner_: Partitioner, batch: Batch, channels: int) -> list[list[tuple[Any, int | None]]]:
    """What each channel gets, as (value, time)."""
    got: list[list[tuple[Any, int | None]]] = [[] for _ in range(channels)]
    for channel, part in partitioner_.deal(batch):
        assert len(part) > 0
        got[channel] += rows(part)
    return got


def rows(batch: Batch) -> list[tuple[Any, int | None]]:
    values = batch.values if isinstance(batch, RowBatch) else batch.columns.column(0).to_pylist()
    times = [None] * len(values) if batch.timestamps is None else [int(time) for time in batch.timestamps]
    return list(zip(values, times, strict=True))


def columns(batch: RowBatch) -> ColumnBatch:
    times = None if batch.timestamps is None else np.array(batch.timestamps, np.int64)
    return ColumnBatch(pa.RecordBatch.from_pydict({"value": pa.array(batch.values, pa.int64())}), times)


@st.composite
def batches(draw: st.DrawFn) -> RowBatch:
    values = draw(st.lists(st.integers(-1000, 1000), min_size=1, max_size=60))
    return RowBatch(values, list(range(len(values))) if draw(st.booleans()) else None)


SINGLE = st.sampled_from(sorted(set(Partitioning) - {Partitioning.BROADCAST, Partitioning.SPLITS}, key=str))


@given(SINGLE, st.integers(1, 9), st.lists(batches(), max_size=4), st.booleans())
def test_each_record_to_one_channel_in_order(
    partitioning: Partitioning, channels: int, given_: list[RowBatch], as_columns: bool
) -> None:
    dealer = partitioner(partitioning, channels, custom=lambda key, n: key % n)
    for batch in given_:
        whole = columns(batch) if as_columns and not dealer.rows_only else batch
        got = dealt(dealer, whole, channels)
        merged = sorted(row for channel in got for row in channel)
        assert merged == sorted(rows(batch))
        if batch.timestamps is not None:
            assert all(channel == sorted(channel, key=lambda row: row[1] or 0) for channel in got)


@given(st.integers(1, 9), batches())
def test_broadcast_gives_all_to_all(channels: int, batch: RowBatch) -> None:
    assert dealt(partitioner(Partitioning.BROADCAST, channels), batch, channels) == [rows(batch)] * channels


def test_broadcast_gives_each_channel_its_own() -> None:
    """The batch may wait in a channel to another process, not encoded yet, while a task of this one changes its own."""
    sent: list[list[int]] = []
    for channel, part in partitioner(Partitioning.BROADCAST, 3).deal(RowBatch([[1], [2]], [5, 6])):
        assert rows(part) == [([1], 5), ([2], 6)]
        assert isinstance(part, RowBatch)
        for value in part.values:
            value.append(channel)
        sent += part.values
    assert sent == [[1, 0], [2, 0], [1, 1], [2, 1], [1, 2], [2, 2]]


@pytest.mark.parametrize(
    ("batch", "reuse"), [(RowBatch([[1]]), True), (RowBatch([(1, "a")]), False), (columns(RowBatch([1])), False)]
)
def test_broadcast_shares_what_nobody_changes(batch: Batch, reuse: bool) -> None:
    assert all(part is batch for _, part in partitioner(Partitioning.BROADCAST, 3, reuse=reuse).deal(batch))


def test_broadcast_names_who_gave_what_cannot_be_copied() -> None:
    with pytest.raises(UserCodeError, match=r"lock.*can't be copied") as raised:
        list(partitioner(Partitioning.BROADCAST, 2).deal(RowBatch([threading.Lock()])))
    assert raised.value.operator == "Source"


@given(st.integers(1, 9), batches())
def test_hash_is_the_owner_of_the_key(channels: int, batch: RowBatch) -> None:
    got = dealt(partitioner(Partitioning.HASH, channels), batch, channels)
    naive: list[list[tuple[Any, int | None]]] = [[] for _ in range(channels)]
    for row in rows(batch):
        naive[subtask_of(key_group(key_hash(row[0]), MAX_PARALLELISM), channels, MAX_PARALLELISM)].append(row)
    assert got == naive


@given(
    st.sampled_from([Partitioning.REBALANCE, Partitioning.RESCALE]),
    st.integers(1, 9),
    st.integers(0, 20),
    st.lists(batches(), max_size=3),
)
def test_round_robin_goes_on_from_batch_to_batch(
    partitioning: Partitioning, channels: int, subtask: int, given_: list[RowBatch]
) -> None:
    dealer = partitioner(partitioning, channels, subtask=subtask)
    following = subtask
    for batch in given_:
        naive: list[list[tuple[Any, int | None]]] = [[] for _ in range(channels)]
        for row in rows(batch):
            naive[following % channels].append(row)
            following += 1
        assert dealt(dealer, batch, channels) == naive


@given(st.integers(1, 9), batches())
def test_custom_asks_the_user(channels: int, batch: RowBatch) -> None:
    got = dealt(partitioner(Partitioning.CUSTOM, channels, custom=lambda key, n: key % n), batch, channels)
    assert all(value % channels == number for number, channel in enumerate(got) for value, _ in channel)


def test_global_is_the_first_and_forward_the_only_one() -> None:
    batch = RowBatch([1, 2, 3])
    for partitioning in (Partitioning.GLOBAL, Partitioning.FORWARD):
        [(channel, part)] = partitioner(partitioning, 3).deal(batch)
        assert channel == 0
        assert part is batch, "by reference"


def test_shuffle_is_the_same_under_the_same_seed() -> None:
    batch = RowBatch(list(range(50)))
    first, second = (dealt(partitioner(Partitioning.SHUFFLE, 4), batch, 4) for _ in range(2))
    assert first == second
    assert all(first)


def test_an_unstable_key_names_operator_and_record() -> None:
    with pytest.raises(UserCodeError) as raised:
        list(partitioner(Partitioning.HASH, 2).deal(RowBatch([1, 2.5, {3}, 4])))
    assert isinstance(raised.value.cause, UnstableKeyError)
    assert (raised.value.operator, raised.value.record) == ("Source", "{3}")


def test_a_partitioner_that_raises_names_the_record() -> None:
    dealer = partitioner(Partitioning.CUSTOM, 2, custom=lambda key, n: n // key % n)
    with pytest.raises(UserCodeError) as raised:
        list(dealer.deal(RowBatch([5, 1, 0, 2])))
    assert isinstance(raised.value.cause, ZeroDivisionError)
    assert raised.value.record == "0"


def test_a_partitioner_that_gives_no_partition_is_named() -> None:
    dealer = partitioner(Partitioning.CUSTOM, 2, custom=lambda key, _count: key)
    with pytest.raises(UserCodeError, match=r"gave 2 for one of 2 partitions") as raised:
        list(dealer.deal(RowBatch([0, 1, 2])))
    assert raised.value.record == "2"


@pytest.mark.parametrize("given", ["0", 1.0, True, None, np.float64(1)])
def test_a_partition_is_an_int(given: Any) -> None:  # noqa: ANN401  # that is the point
    dealer = partitioner(Partitioning.CUSTOM, 2, custom=lambda key, _count: given if key == 2 else key)
    with pytest.raises(UserCodeError, match="it must give an int, not") as raised:
        list(dealer.deal(RowBatch([0, 1, 2])))
    failure = raised.value.failure()
    assert (failure.operator, failure.record, failure.restartable) == ("Source", "2", False)
    assert repr(given) in failure.message


class Half(IntEnum):
    FIRST = 0
    SECOND = 1


@pytest.mark.parametrize("made", [Half, np.int64])
def test_a_partition_may_be_an_int_of_a_class_of_its_own(made: Callable[[int], Any]) -> None:
    dealer = partitioner(Partitioning.CUSTOM, 2, custom=lambda key, _count: made(key))
    assert [[value for value, _ in part] for part in dealt(dealer, RowBatch([0, 1, 1]), 2)] == [[0], [1, 1]]


def test_splits_have_no_partitioner() -> None:
    with pytest.raises(ValueError, match="who asks"):
        partitioner(Partitioning.SPLITS, 2)
