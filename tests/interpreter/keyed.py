"""Functions of one key: state, timers by event time, running reductions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from millstream_dataflow.functions import (
    Function,
    KeyedProcessFunction,
    TimeDomain,
    TimerService,
    resolve_key_selector,
    resolve_keyed_co_process,
    resolve_keyed_process,
    resolve_reduce,
)
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
)
from millstream_dataflow.operators.two_inputs import KeyedCoProcessSpecification
from tests.interpreter.memory import Memory
from tests.interpreter.stream import BEGINNING, Record, Rule, emitted


class ReduceRule(Rule):
    """The first record of a key as it is, then what it and each further one have become."""

    def __init__(self, specification: KeyedReduceSpecification) -> None:
        self.function = resolve_reduce(specification.function)
        self.key = resolve_key_selector(specification.key.selector)
        self.kept: dict[Any, Any] = {}

    def element(self, number: int, record: Record) -> Iterable[Record]:
        key = self.key(record.value)
        self.kept[key] = self.function(self.kept[key], record.value) if key in self.kept else record.value
        return [Record(self.kept[key], record.time)]


class Timers(TimerService):
    """A set of times for each key. Registering one twice is registering it once."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.times: set[tuple[int, Any]] = set()
        self.watermark = BEGINNING

    def current_watermark(self) -> int:
        return self.watermark

    def register_event_time_timer(self, timestamp: int) -> None:
        self.times.add((timestamp, self.memory.key))

    def delete_event_time_timer(self, timestamp: int) -> None:
        self.times.discard((timestamp, self.memory.key))

    def current_processing_time(self) -> int:
        raise NotImplementedError("the interpreter has no clock")

    def register_processing_time_timer(self, timestamp: int) -> None:
        raise NotImplementedError("the interpreter has no clock")

    def delete_processing_time_timer(self, timestamp: int) -> None:
        raise NotImplementedError("the interpreter has no clock")


class Around(KeyedProcessFunction.OnTimerContext):
    """What is around the record or timer at hand."""

    def __init__(self, memory: Memory, timers: Timers, time: int) -> None:
        self.memory, self.timers, self.time = memory, timers, time

    def get_current_key(self) -> Any:  # noqa: ANN401  # any key
        return self.memory.key

    def timestamp(self) -> int:
        return self.time

    def timer_service(self) -> TimerService:
        return self.timers

    def time_domain(self) -> TimeDomain:
        return TimeDomain.EVENT_TIME


class KeyedFunctionRule(Rule):
    """Functions with state and timers: a call for each input, and one for timers, the earliest first."""

    def __init__(
        self,
        opened: object,
        keys: Sequence[KeySelection],
        calls: Sequence[Callable[..., Any]],
        on_timer: Any,  # noqa: ANN401  # a call, or None
    ) -> None:
        self.keys = [resolve_key_selector(key.selector) for key in keys]
        self.calls = calls
        self.on_timer = on_timer
        self.memory = Memory()
        self.timers = Timers(self.memory)
        if isinstance(opened, Function):
            opened.open(self.memory)

    def element(self, number: int, record: Record) -> Iterator[Record]:
        self.memory.key = self.keys[number](record.value)
        yield from emitted(self.calls[number](record.value, self.around(record.time)), record.time)

    def advance(self, time: int) -> Iterator[Record]:
        self.timers.watermark = time
        while due := sorted((timer for timer in self.timers.times if timer[0] <= time), key=lambda timer: timer[0]):
            moment, self.memory.key = due[0]
            self.timers.times.remove(due[0])
            yield from emitted(self.on_timer(moment, self.around(moment)), moment)

    def around(self, time: int) -> Around:
        """What is around the record or timer of that time."""
        return Around(self.memory, self.timers, time)


def keyed_process(specification: KeyedProcessSpecification) -> Rule:
    """A KeyedProcessFunction."""
    function = resolve_keyed_process(specification.function)
    return KeyedFunctionRule(function, [specification.key], [function.process_element], function.on_timer)


def keyed_co_process(specification: KeyedCoProcessSpecification) -> Rule:
    """A KeyedCoProcessFunction: both inputs share the state and the timers of a key."""
    functions = resolve_keyed_co_process(specification.function)
    return KeyedFunctionRule(specification.function, specification.keys, functions.both, functions.on_timer)
