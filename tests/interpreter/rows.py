"""Functions of one record, without memory."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from millstream_dataflow.functions import (
    ProcessFunction,
    resolve_async,
    resolve_filter,
    resolve_flat_map,
    resolve_map,
    resolve_process,
)
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.specifications import (
    FilterSpecification,
    FlatMapSpecification,
    MapSpecification,
    ProcessSpecification,
)
from tests.interpreter.stream import Record, Rule, emitted


class MapRule(Rule):
    """One for one; its time is the record's."""

    def __init__(self, specification: MapSpecification) -> None:
        self.function = resolve_map(specification.function)

    def element(self, number: int, record: Record) -> Iterable[Record]:
        return [replace(record, value=self.function(record.value))]


class FlatMapRule(Rule):
    """Any number for one."""

    def __init__(self, specification: FlatMapSpecification) -> None:
        self.function = resolve_flat_map(specification.function)

    def element(self, number: int, record: Record) -> Iterable[Record]:
        return [Record(value, record.time) for value in self.function(record.value) or ()]


class FilterRule(Rule):
    """That one or none."""

    def __init__(self, specification: FilterSpecification) -> None:
        self.function = resolve_filter(specification.function)

    def element(self, number: int, record: Record) -> Iterable[Record]:
        return [record] if self.function(record.value) else []


@dataclass
class _Around(ProcessFunction.Context):
    time: int

    def timestamp(self) -> int:
        return self.time


class ProcessRule(Rule):
    """Any number for one, to the side as well."""

    def __init__(self, specification: ProcessSpecification) -> None:
        self.function = resolve_process(specification.function)

    def element(self, number: int, record: Record) -> Iterable[Record]:
        return emitted(self.function.process_element(record.value, _Around(record.time)), record.time)


class AwaitRule(Rule):
    """Any number for one, each waited for before the next is looked at."""

    def __init__(self, specification: AsyncWaitSpecification) -> None:
        self.function = resolve_async(specification.function)

    def element(self, number: int, record: Record) -> Iterable[Record]:
        async def answered() -> list[Any]:
            return list(await self.function(record.value) or ())

        return [Record(value, record.time) for value in asyncio.run(answered())]
