"""What a call has written down, and functions of every kind to call with."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from millstream.datastream.data_stream import DataStream
from millstream_dataflow.functions import (
    FilterFunction,
    FlatMapFunction,
    KeyedProcessFunction,
    KeySelector,
    MapFunction,
    Partitioner,
    ProcessFunction,
    ReduceFunction,
)
from millstream_dataflow.operators.specifications import (
    OperatorSpecification,
)
from millstream_dataflow.transformations import (
    OperatorTransformation,
    PartitionTransformation,
)


def operator(stream: object) -> OperatorTransformation:
    transformation = stream._transformation  # type: ignore[attr-defined]  # of a stream or a sink
    assert isinstance(transformation, OperatorTransformation)
    return transformation


def specification(stream: object) -> OperatorSpecification:
    return operator(stream).specification


def partition(stream: DataStream[Any]) -> PartitionTransformation:
    assert isinstance(stream._transformation, PartitionTransformation)
    return stream._transformation


class Increment(MapFunction[int, int]):
    def map(self, value: int) -> int:
        return value + 1


class Digits(FlatMapFunction[int, str]):
    def flat_map(self, value: int) -> Iterator[str]:
        yield from str(value)


class Odd(FilterFunction[int]):
    def filter(self, value: int) -> bool:
        return value % 2 == 1


class Total(ReduceFunction[int]):
    def reduce(self, value1: int, value2: int) -> int:
        return value1 + value2


class Last(KeySelector[int, int]):
    def get_key(self, value: int) -> int:
        return value % 10


class Spread(Partitioner[int]):
    def partition(self, key: int, num_partitions: int) -> int:
        return key % num_partitions


class Plain(ProcessFunction[int, int]):
    def process_element(self, value: int, ctx: ProcessFunction.Context) -> Iterator[int]:
        yield value


class Keyed(KeyedProcessFunction[int, int, int]):
    def process_element(self, value: int, ctx: KeyedProcessFunction.Context) -> Iterator[int]:
        yield value


def batches(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch
