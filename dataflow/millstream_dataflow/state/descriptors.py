"""What a function asks for when it wants state: a name, unique in its operator, and the type of what is kept.

Parameters are called as in PyFlink. Where it wants a type, a Python annotation will do
(`ValueStateDescriptor("n", int)`), and without one anything that can be pickled is kept.

What a function puts into a state must fit what is declared, or the function fails at that record. Of a state of keys
the class of a value is looked at, not the range of a number, nor tuples, Rows, lists and maps with what they hold: to
go through them at each update would cost more than the update. Operator and broadcast state are looked at wholly.

A restored state is found by its name, and must be of the same kind as before. What is kept must fit the type that is
declared now: INT may become LONG, but LONG no STRING, and such a job fails and isn't restarted. Without a declared type
nothing can be checked. Under a new name a state begins empty; the old one stays in checkpoints until it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, Self, TypeVar, cast

from millstream_dataflow.errors import InvalidProgramError, InvalidTypesError
from millstream_dataflow.names import name_problem
from millstream_dataflow.state.ttl import StateTtlConfig
from millstream_dataflow.types import TypeInformation, Types, declared_type

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
In = TypeVar("In")
Acc = TypeVar("Acc")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Reduces(Protocol[T]):
    """What a reducing state needs of a ReduceFunction."""

    def reduce(self, value1: T, value2: T, /) -> T:
        """Two values become one."""
        ...


class Aggregates(Protocol[In_contra, Acc, Out_co]):
    """What an aggregating state needs of an AggregateFunction."""

    def create_accumulator(self) -> Acc:
        """An empty aggregate."""
        ...

    def add(self, value: In_contra, accumulator: Acc, /) -> Acc:
        """The aggregate with one value more."""
        ...

    def get_result(self, accumulator: Acc, /) -> Out_co:
        """The result as it stands."""
        ...

    def merge(self, acc_a: Acc, acc_b: Acc, /) -> Acc:
        """Two aggregates become one."""
        ...


_OF_HANDLES: Final = frozenset(
    {"add", "add_all", "clear", "contains", "get", "is_empty", "items", "keys", "put", "put_all", "remove", "update"}
    | {"value", "values"}
)
"""What is asked of a state, and now and then of a descriptor that was taken for one."""


@dataclass(frozen=True, init=False)
class StateDescriptor(Generic[T]):
    """Base of all: the name of a state, and the type of what is kept for a key. TypeError for a name that is no str,
    ValueError for one that is empty or can't be stored.
    """

    name: str
    type_info: TypeInformation[T]
    ttl: StateTtlConfig | None

    def _describe(self, name: str, type_info: TypeInformation[Any]) -> None:
        if problem := name_problem(name):
            error = InvalidProgramError if isinstance(cast("object", name), str) else InvalidTypesError
            raise error(f"{type(self).__name__} takes the state's name, but {problem}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "type_info", type_info)
        object.__setattr__(self, "ttl", None)

    def get_name(self) -> str:
        """The name."""
        return self.name

    def enable_time_to_live(self, ttl_config: StateTtlConfig) -> Self:
        """Let entries of the state get too old, each by itself; before the state is asked for. Gives the descriptor,
        so that it can be said in one line (PyFlink's gives nothing).
        """
        if not isinstance(cast("object", ttl_config), StateTtlConfig):
            what = f"enable_time_to_live takes a StateTtlConfig, but got {ttl_config!r:.80}"
            raise InvalidTypesError(f"{what}; write StateTtlConfig(timedelta(hours=1))")
        object.__setattr__(self, "ttl", ttl_config if ttl_config.is_enabled() else None)
        return self

    if not TYPE_CHECKING:  # a type checker knows which names are there

        def __getattr__(self, name: str) -> NoReturn:
            problem = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name in _OF_HANDLES:
                mend = "take what runtime_context gives for it in open(): self.state = runtime_context.get_state(...)"
                problem = f"{problem}: a descriptor only says the name of a state; {mend}"
            raise AttributeError(problem, name=name, obj=self)


@dataclass(frozen=True, init=False)
class ValueStateDescriptor(StateDescriptor[T]):
    """One value per key."""

    def __init__(self, name: str, value_type_info: TypeInformation[T] | type[T] | None = None) -> None:
        """The type is that of the value."""
        self._describe(name, declared_type(value_type_info))


@dataclass(frozen=True, init=False)
class ListStateDescriptor(StateDescriptor[T]):
    """A list per key, or of a subtask; `type_info` is the type of one element."""

    def __init__(self, name: str, elem_type_info: TypeInformation[T] | type[T] | None = None) -> None:
        """The type is that of one element."""
        self._describe(name, declared_type(elem_type_info))


@dataclass(frozen=True, init=False)
class MapStateDescriptor(StateDescriptor[dict[K, V]], Generic[K, V]):
    """A map per key; `type_info` is the type of the whole map."""

    key_type: TypeInformation[K]
    value_type: TypeInformation[V]

    def __init__(
        self,
        name: str,
        key_type_info: TypeInformation[K] | type[K] | None = None,
        value_type_info: TypeInformation[V] | type[V] | None = None,
    ) -> None:
        """The types are those of the map's keys and values. TypeError for keys that can't be (law 11)."""
        keys, values = declared_type(key_type_info), declared_type(value_type_info)
        if problem := keys.key_problem():
            raise TypeError(f"the keys of the map state {name!r} are declared {keys}: {problem}")
        self._describe(name, Types.MAP(keys, values))
        object.__setattr__(self, "key_type", keys)
        object.__setattr__(self, "value_type", values)


@dataclass(frozen=True, init=False)
class ReducingStateDescriptor(StateDescriptor[T]):
    """One value per key, into which a function folds each that is added."""

    reduce_function: Reduces[T] | Callable[[T, T], T]

    def __init__(
        self,
        name: str,
        reduce_function: Reduces[T] | Callable[[T, T], T],
        type_info: TypeInformation[T] | type[T] | None = None,
    ) -> None:
        """The function is a ReduceFunction or takes two values; the type is that of the value."""
        if isinstance(reduce_function, type) or not (hasattr(reduce_function, "reduce") or callable(reduce_function)):
            what = f"a ReduceFunction or a function of two values, but got {reduce_function!r}"
            raise TypeError(f"the reducing state {name!r} takes {what}")
        reduce: Any = getattr(reduce_function, "reduce", reduce_function)
        _refuse_async(f"the reducing state {name!r}", reduce)
        self._describe(name, declared_type(type_info))
        object.__setattr__(self, "reduce_function", reduce_function)

    def get_reduce_function(self) -> Reduces[T] | Callable[[T, T], T]:
        """The function, as it was given."""
        return self.reduce_function


@dataclass(frozen=True, init=False)
class AggregatingStateDescriptor(StateDescriptor[Acc], Generic[In, Acc, Out]):
    """One accumulator per key, to which values are added; `type_info` is the type of the accumulator."""

    agg_function: Aggregates[In, Acc, Out]

    def __init__(
        self,
        name: str,
        agg_function: Aggregates[In, Acc, Out],
        state_type_info: TypeInformation[Acc] | type[Acc] | None = None,
    ) -> None:
        """The function is an AggregateFunction; the type is that of its accumulator."""
        methods = ("create_accumulator", "add", "get_result", "merge")
        if isinstance(agg_function, type) or not all(callable(getattr(agg_function, name, None)) for name in methods):
            what = f"an AggregateFunction, with {', '.join(methods)}, but got {agg_function!r}"
            raise TypeError(f"the aggregating state {name!r} takes {what}")
        for method in methods:
            _refuse_async(f"the aggregating state {name!r}", getattr(agg_function, method))
        self._describe(name, declared_type(state_type_info))
        object.__setattr__(self, "agg_function", agg_function)

    def get_agg_function(self) -> Aggregates[In, Acc, Out]:
        """The function."""
        return self.agg_function


def _refuse_async(state: str, function: Callable[..., object]) -> None:
    """What is added must be there when the call returns, so nothing is awaited."""
    if iscoroutinefunction(function):
        what = f"takes a function that answers at once, but {function.__qualname__} is async"
        raise TypeError(f"{state} {what}; write it as a plain def, and await in the function that adds to the state")
