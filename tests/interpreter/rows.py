"""Functions of one record, of one stream or of two, without memory."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from millstream_dataflow.functions import (
    NO_RETRY_STRATEGY,
    AsyncFunction,
    ProcessFunction,
    resolve_async,
    resolve_co_flat_map,
    resolve_co_map,
    resolve_co_process,
    resolve_filter,
    resolve_flat_map,
    resolve_map,
    resolve_process,
)
from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification, Gives
from millstream_dataflow.operators.specifications import (
    FilterSpecification,
    FlatMapSpecification,
    MapSpecification,
    ProcessSpecification,
)
from millstream_dataflow.operators.two_inputs import CoCall, CoProcessSpecification
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


class CoProcessRule(Rule):
    """The same of two streams, with a function for each."""

    def __init__(self, specification: CoProcessSpecification) -> None:
        self.calls = co_calls(specification.function, specification.call)

    def element(self, number: int, record: Record) -> Iterable[Record]:
        return emitted(self.calls[number](record.value, _Around(record.time)), record.time)


def co_calls(function: object, call: CoCall) -> Sequence[Callable[..., Any]]:
    """What a function of two streams gives for a record of each; one that maps to None gives nothing."""
    match call:
        case CoCall.MAP:
            return [_mapped(one) for one in resolve_co_map(function).both]
        case CoCall.FLAT_MAP:
            return [_flat_mapped(one) for one in resolve_co_flat_map(function).both]
        case CoCall.PROCESS:
            return resolve_co_process(function).both


def _mapped(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda value, _: [] if (result := function(value)) is None else [result]


def _flat_mapped(function: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda value, _: function(value)


class AwaitRule(Rule):
    """Any number for one, each waited for before the next is looked at, and asked for again for as often as may be."""

    def __init__(self, specification: AsyncWaitSpecification) -> None:
        self.specification = specification
        self.function = resolve_async(specification.function)

    def element(self, number: int, record: Record) -> Iterable[Record]:
        answer = asyncio.run(self.answer(record.value))
        match self.specification.gives:
            case Gives.VERDICT:
                return [record] if answer else []
            case Gives.RECORD:
                return [Record(answer, record.time)]
            case _:
                return [Record(value, record.time) for value in answer or ()]

    async def answer(self, value: object) -> Any:  # noqa: ANN401  # whatever the function gives
        """What the function says in the end."""
        retry = self.specification.retry or NO_RETRY_STRATEGY
        predicate = retry.get_retry_predicate()
        unwanted, passing = predicate.result_predicate(), predicate.exception_predicate()
        attempts = 0
        while True:
            attempts += 1
            try:
                answer = await self.asked(value)
            except OSError as error:
                if passing is None or not (passing(error) and retry.can_retry(attempts)):
                    raise
            else:
                if unwanted is None or not (unwanted(answer) and retry.can_retry(attempts)):
                    return answer

    async def asked(self, value: object) -> Any:  # noqa: ANN401  # as above
        """One answer, or what stands for one that hasn't come in any number of turns."""
        task = asyncio.ensure_future(self.function(value))
        for _ in range(TURNS):
            await asyncio.sleep(0)
            if task.done():
                return await task
        task.cancel()
        assert isinstance(self.specification.function, AsyncFunction), "it can't be given up"
        return self.specification.function.timeout(value)


TURNS = 20  # of the loop, in which every answer comes that ever does
