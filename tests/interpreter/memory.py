"""State of keys: one dictionary, by the state's name and the key."""

from collections.abc import Callable, Iterable, Mapping
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
    ValueState,
    ValueStateDescriptor,
)


class Memory(RuntimeContext):
    """What a function is opened with. `key` is that of the record or timer at hand."""

    def __init__(self) -> None:
        self.key: Any = None
        self.kept: dict[tuple[str, Any], Any] = {}

    def get_state(self, state_descriptor: ValueStateDescriptor[Any]) -> ValueState[Any]:
        return _Value(self, state_descriptor.name)

    def get_list_state(self, state_descriptor: ListStateDescriptor[Any]) -> ListState[Any]:
        return _List(self, state_descriptor.name)

    def get_map_state(self, state_descriptor: MapStateDescriptor[Any, Any]) -> MapState[Any, Any]:
        return _Map(self, state_descriptor.name)

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


class _Part:
    """One state's part of the current key."""

    def __init__(self, memory: Memory, name: str) -> None:
        self.memory = memory
        self.name = name

    def found(self, make: Callable[[], Any] = lambda: None) -> Any:  # noqa: ANN401  # whatever was kept
        place = (self.name, self.memory.key)
        return self.memory.kept.get(place, make())

    def keep(self, value: object) -> None:
        self.memory.kept[self.name, self.memory.key] = value

    def clear(self) -> None:
        self.memory.kept.pop((self.name, self.memory.key), None)


class _Value(_Part, ValueState[Any]):
    def value(self) -> Any:  # noqa: ANN401  # whatever was kept
        return self.found()

    def update(self, value: Any) -> None:  # noqa: ANN401  # as above
        self.keep(value)


class _List(_Part, ListState[Any]):
    def get(self) -> Iterable[Any]:
        return list(self.found(list))

    def add(self, value: Any) -> None:  # noqa: ANN401  # any item
        self.keep([*self.get(), value])

    def add_all(self, values: Iterable[Any]) -> None:
        self.keep([*self.get(), *values])

    def update(self, values: Iterable[Any]) -> None:
        self.keep(list(values))


class _Reducing(_Part, ReducingState[Any]):
    def __init__(self, memory: Memory, descriptor: ReducingStateDescriptor[Any]) -> None:
        super().__init__(memory, descriptor.name)
        self.function = resolve_reduce(descriptor.reduce_function)

    def get(self) -> Any:  # noqa: ANN401  # whatever was kept
        return self.found()

    def add(self, value: Any) -> None:  # noqa: ANN401  # as above
        before = self.get()
        self.keep(value if before is None else self.function(before, value))


class _Aggregating(_Part, AggregatingState[Any, Any]):
    def __init__(self, memory: Memory, descriptor: AggregatingStateDescriptor[Any, Any, Any]) -> None:
        super().__init__(memory, descriptor.name)
        self.function = descriptor.get_agg_function()

    def get(self) -> Any:  # noqa: ANN401  # whatever the function makes
        kept = self.found()
        return None if kept is None else self.function.get_result(kept)

    def add(self, value: Any) -> None:  # noqa: ANN401  # any value
        kept = self.found()
        self.keep(self.function.add(value, self.function.create_accumulator() if kept is None else kept))


class _Map(_Part, MapState[Any, Any]):
    def now(self) -> dict[Any, Any]:
        return dict(self.found(dict))

    def get(self, key: Any) -> Any:  # noqa: ANN401  # whatever was kept
        return self.now().get(key)

    def put(self, key: Any, value: Any) -> None:  # noqa: ANN401  # as above
        self.keep({**self.now(), key: value})

    def remove(self, key: Any) -> None:  # noqa: ANN401  # as above
        self.keep({one: value for one, value in self.now().items() if one != key})

    def contains(self, key: Any) -> bool:  # noqa: ANN401  # as above
        return key in self.now()

    def items(self) -> Iterable[tuple[Any, Any]]:
        return self.now().items()

    def keys(self) -> Iterable[Any]:
        return self.now().keys()

    def values(self) -> Iterable[Any]:
        return self.now().values()

    def is_empty(self) -> bool:
        return not self.now()
