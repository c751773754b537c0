"""State of keys: one dictionary, by the state's name and the key.

Each value, element of a list and entry of a map has the clock's time at which it was written, or read as well where
that renews it; one that has lived for its time to live isn't there any more (Flink, "State Time-To-Live").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from millstream_dataflow.functions import RuntimeContext, resolve_reduce
from millstream_dataflow.metrics import MetricGroup
from millstream_dataflow.state import (
    AggregatingState,
    AggregatingStateDescriptor,
    ListState,
    ListStateDescriptor,
    MapState,
    MapStateDescriptor,
    ReducingState,
    ReducingStateDescriptor,
    StateDescriptor,
    StateTtlConfig,
    ValueState,
    ValueStateDescriptor,
)
from millstream_dataflow.time import to_milliseconds


class Memory(RuntimeContext):
    """What a function is opened with. `key` is that of the record or timer at hand."""

    def __init__(self) -> None:
        self.key: Any = None
        self.kept: dict[tuple[str, Any], dict[Any, Aged]] = {}
        self.now = 0

    def get_state(self, state_descriptor: ValueStateDescriptor[Any]) -> ValueState[Any]:
        return _Value(self, state_descriptor)

    def get_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        return _List(self, state_descriptor)

    def get_map_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> MapState[Any, Any]:
        return _Map(self, state_descriptor)

    def get_reducing_state(self, state_descriptor: ReducingStateDescriptor[Any]) -> ReducingState[Any]:
        return _Reducing(self, state_descriptor)

    def get_aggregating_state(
        self, state_descriptor: AggregatingStateDescriptor[Any, Any, Any]
    ) -> AggregatingState[Any, Any]:
        return _Aggregating(self, state_descriptor)

    def state(self, descriptor: StateDescriptor[Any]) -> Any:  # noqa: ANN401  # of its own kind
        """The state of a descriptor that triggers have."""
        match descriptor:
            case ReducingStateDescriptor():
                return self.get_reducing_state(descriptor)
            case ValueStateDescriptor():
                return self.get_state(descriptor)
            case _:
                raise NotImplementedError(f"no trigger of a pipeline has {descriptor!r}")

    def get_task_name(self) -> str:
        return "interpreted"

    def get_task_name_with_subtasks(self) -> str:
        return "interpreted (1/1)"

    def get_number_of_parallel_subtasks(self) -> int:
        return 1

    def get_max_number_of_parallel_subtasks(self) -> int:
        return 128

    def get_index_of_this_subtask(self) -> int:
        return 0

    def get_attempt_number(self) -> int:
        return 0

    def get_operator_name(self) -> str:
        return "interpreted"

    def get_job_id(self) -> str:
        return "0" * 32

    def get_job_name(self) -> str:
        return "interpreted"

    def get_metrics_group(self) -> MetricGroup:
        raise NotImplementedError("the interpreter measures nothing")

    def get_global_job_parameters(self) -> Mapping[str, str]:
        return {}

    def get_job_parameter(self, key: str, default_value: str) -> str:
        return default_value


@dataclass
class Aged:
    """Something that is kept, and when it was written."""

    value: Any
    time: int


class _Part:
    """One state's part of the current key: a dictionary of what each kind of state keeps."""

    def __init__(self, memory: Memory, descriptor: StateDescriptor[Any]) -> None:
        self.memory = memory
        self.name = descriptor.name
        config = descriptor.ttl
        self.span = None if config is None else to_milliseconds(config.ttl)
        self.read_renews = config is not None and config.update_type is StateTtlConfig.UpdateType.OnReadAndWrite

    def kept(self) -> dict[Any, Aged]:
        """All that hasn't got too old."""
        place = (self.name, self.memory.key)
        kept = self.memory.kept.get(place, {})
        now = self.memory.now
        kept = {key: one for key, one in kept.items() if self.span is None or now - one.time < self.span}
        self.memory.kept[place] = kept
        return kept

    def read(self, key: object = None) -> Any:  # noqa: ANN401  # whatever was kept
        """One value, or None."""
        one = self.kept().get(key)
        if one is None:
            return None
        if self.read_renews:
            one.time = self.memory.now
        return one.value

    def write(self, value: object, key: object = None) -> None:
        self.kept()[key] = Aged(value, self.memory.now)

    def clear(self) -> None:
        self.memory.kept.pop((self.name, self.memory.key), None)


class _Value(_Part, ValueState[Any]):
    def value(self) -> Any:  # noqa: ANN401  # whatever was kept
        return self.read()

    def update(self, value: Any) -> None:  # noqa: ANN401  # as above
        self.write(value)


class _List(_Part, ListState[Any]):
    def get(self) -> Iterable[Any]:
        return [self.read(place) for place in self.kept()]

    def add(self, value: Any) -> None:  # noqa: ANN401  # any item
        self.write(value, max(self.kept(), default=0) + 1)

    def add_all(self, values: Iterable[Any]) -> None:
        for value in values:
            self.add(value)

    def update(self, values: Iterable[Any]) -> None:
        self.clear()
        self.add_all(values)


class _Reducing(_Part, ReducingState[Any]):
    def __init__(self, memory: Memory, descriptor: ReducingStateDescriptor[Any]) -> None:
        super().__init__(memory, descriptor)
        self.function = resolve_reduce(descriptor.reduce_function)

    def get(self) -> Any:  # noqa: ANN401  # whatever was kept
        return self.read()

    def add(self, value: Any) -> None:  # noqa: ANN401  # as above
        before = self.kept().get(None)
        self.write(value if before is None else self.function(before.value, value))


class _Aggregating(_Part, AggregatingState[Any, Any]):
    def __init__(self, memory: Memory, descriptor: AggregatingStateDescriptor[Any, Any, Any]) -> None:
        super().__init__(memory, descriptor)
        self.function = descriptor.get_agg_function()

    def get(self) -> Any:  # noqa: ANN401  # whatever the function makes
        return self.function.get_result(self.read()) if self.kept() else None

    def add(self, value: Any) -> None:  # noqa: ANN401  # any value
        before = self.kept().get(None)
        accumulator = self.function.create_accumulator() if before is None else before.value
        self.write(self.function.add(value, accumulator))


class _Map(_Part, MapState[Any, Any]):
    def get(self, key: Any) -> Any:  # noqa: ANN401  # whatever was kept
        return self.read(key)

    def put(self, key: Any, value: Any) -> None:  # noqa: ANN401  # as above
        self.write(value, key)

    def remove(self, key: Any) -> None:  # noqa: ANN401  # as above
        self.kept().pop(key, None)

    def contains(self, key: Any) -> bool:  # noqa: ANN401  # as above
        self.read(key)
        return key in self.kept()

    def items(self) -> Iterable[tuple[Any, Any]]:
        return [(key, self.read(key)) for key in self.kept()]

    def keys(self) -> Iterable[Any]:
        return [key for key, _ in self.items()]

    def values(self) -> Iterable[Any]:
        return [value for _, value in self.items()]

    def is_empty(self) -> bool:
        return not self.kept()
