"""Functions of one key: state, timers, running reductions."""

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
from millstream_dataflow.operators.two_inputs import CoCall, KeyedCoProcessSpecification
from tests.interpreter.memory import Memory
from tests.interpreter.rows import co_calls
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
    """A set of times for each key, by the watermark and by the clock. Registering one twice is registering it once."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.by_watermark: set[tuple[int, Any]] = set()
        self.by_clock: set[tuple[int, Any]] = set()
        self.watermark = BEGINNING

    def current_watermark(self) -> int:
        return self.watermark

    def register_event_time_timer(self, timestamp: int) -> None:
        self.by_watermark.add((timestamp, self.memory.key))

    def delete_event_time_timer(self, timestamp: int) -> None:
        self.by_watermark.discard((timestamp, self.memory.key))

    def current_processing_time(self) -> int:
        return self.memory.now

    def register_processing_time_timer(self, timestamp: int) -> None:
        self.by_clock.add((timestamp, self.memory.key))

    def delete_processing_time_timer(self, timestamp: int) -> None:
        self.by_clock.discard((timestamp, self.memory.key))


class Around(KeyedProcessFunction.OnTimerContext):
    """What is around the record or timer at hand."""

    domain = TimeDomain.EVENT_TIME

    def __init__(self, memory: Memory, timers: Timers, time: int) -> None:
        self.memory, self.timers, self.time = memory, timers, time

    def get_current_key(self) -> Any:  # noqa: ANN401  # any key
        return self.memory.key

    def timestamp(self) -> int:
        return self.time

    def timer_service(self) -> TimerService:
        return self.timers

    def time_domain(self) -> TimeDomain:
        return self.domain


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
        return self.fire(self.timers.by_watermark, time, TimeDomain.EVENT_TIME)

    def clock(self, now: int) -> Iterator[Record]:
        """A timer fires when its millisecond is over."""
        self.memory.now = now
        return self.fire(self.timers.by_clock, now - 1, TimeDomain.PROCESSING_TIME)

    def fire(self, timers: set[tuple[int, Any]], until: int, domain: TimeDomain) -> Iterator[Record]:
        """Timers up to a time; those that are registered meanwhile as well."""
        while due := sorted((timer for timer in timers if timer[0] <= until), key=lambda timer: timer[0]):
            moment, self.memory.key = due[0]
            timers.remove(due[0])
            around = self.around(moment)
            around.domain = domain
            yield from emitted(self.on_timer(moment, around), moment)

    def around(self, time: int) -> Around:
        """What is around the record or timer of that time."""
        return Around(self.memory, self.timers, time)


def keyed_process(specification: KeyedProcessSpecification) -> Rule:
    """A KeyedProcessFunction."""
    function = resolve_keyed_process(specification.function)
    return KeyedFunctionRule(function, [specification.key], [function.process_element], function.on_timer)


def keyed_co_process(specification: KeyedCoProcessSpecification) -> Rule:
    """A function of two streams with keys, which share the state and the timers of a key."""
    if specification.call is CoCall.PROCESS:
        functions = resolve_keyed_co_process(specification.function)
        return KeyedFunctionRule(specification.function, specification.keys, functions.both, functions.on_timer)
    calls = co_calls(specification.function, specification.call)
    return KeyedFunctionRule(specification.function, specification.keys, calls, None)
