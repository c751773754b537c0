"""Functions of keys that read rules (Flink, "The Broadcast State Pattern"): a dictionary a state, for all subtasks."""

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from millstream_dataflow.functions import (
    KeyedBroadcastProcessFunction,
    resolve_keyed_broadcast_process,
)
from millstream_dataflow.operators.two_inputs import KeyedBroadcastProcessSpecification
from millstream_dataflow.state import BroadcastState, MapStateDescriptor
from tests.interpreter.keyed import Around, KeyedFunctionRule, Timers
from tests.interpreter.memory import Memory
from tests.interpreter.stream import Record, emitted


class KeyedBroadcastRule(KeyedFunctionRule):
    """Input 1 writes the states, input 0 reads them."""

    def __init__(self, specification: KeyedBroadcastProcessSpecification) -> None:
        functions = resolve_keyed_broadcast_process(specification.function)
        super().__init__(specification.function, [specification.key], functions.both, functions.on_timer)
        self.rules: dict[str, dict[Any, Any]] = {state.name: {} for state in specification.states}

    def around(self, time: int) -> Around:
        return _AroundElement(self.memory, self.timers, time, self.rules)

    def element(self, number: int, record: Record) -> Iterator[Record]:
        if number == 0:
            yield from super().element(0, record)
        else:
            around = _AroundRule(self.timers, record.time, self.rules)
            yield from emitted(self.calls[1](record.value, around), record.time)


class _Entries(BroadcastState[Any, Any]):
    def __init__(self, entries: dict[Any, Any]) -> None:
        self.entries = entries

    def get(self, key: Any) -> Any:  # noqa: ANN401  # whatever was kept
        return self.entries.get(key)

    def contains(self, key: Any) -> bool:  # noqa: ANN401  # as above
        return key in self.entries

    def items(self) -> Iterable[tuple[Any, Any]]:
        return list(self.entries.items())

    def keys(self) -> Iterable[Any]:
        return list(self.entries)

    def values(self) -> Iterable[Any]:
        return list(self.entries.values())

    def is_empty(self) -> bool:
        return not self.entries

    def put(self, key: Any, value: Any) -> None:  # noqa: ANN401  # as above
        self.entries[key] = value

    def remove(self, key: Any) -> None:  # noqa: ANN401  # as above
        self.entries.pop(key, None)

    def clear(self) -> None:
        self.entries.clear()


class _AroundElement(Around, KeyedBroadcastProcessFunction.OnTimerContext):
    def __init__(self, memory: Memory, timers: Timers, time: int, rules: dict[str, dict[Any, Any]]) -> None:
        super().__init__(memory, timers, time)
        self.rules = rules

    def get_broadcast_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> _Entries:
        return _Entries(dict(self.rules[state_descriptor.name]))

    def current_watermark(self) -> int:
        return self.timers.watermark

    def current_processing_time(self) -> int:
        return self.timers.memory.now


class _AroundRule(KeyedBroadcastProcessFunction.Context):
    def __init__(self, timers: Timers, time: int, rules: dict[str, dict[Any, Any]]) -> None:
        self.timers, self.time, self.rules = timers, time, rules

    def timestamp(self) -> int:
        return self.time

    def get_broadcast_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> _Entries:
        return _Entries(self.rules[state_descriptor.name])

    def current_watermark(self) -> int:
        return self.timers.watermark

    def apply_to_keyed_state(self, state_descriptor: object, function: object) -> NoReturn:
        raise NotImplementedError("which keys there are depends on the order of arrival, so no pipeline asks")

    def current_processing_time(self) -> int:
        return self.timers.memory.now
