"""What people call an operator: its kind, its name when the user gives none (Flink's), and its label in errors."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Final, cast

from millstream_dataflow.operators.asynchronous import AsyncWaitSpecification
from millstream_dataflow.operators.columns import (
    FilterExpressionSpecification,
    MapExpressionSpecification,
    ProjectSpecification,
    SelectSpecification,
)
from millstream_dataflow.operators.specifications import (
    CollectSpecification,
    EnumeratorSpecification,
    FilterSpecification,
    FlatMapSpecification,
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    MapBatchesSpecification,
    MapSpecification,
    OperatorSpecification,
    ProcessSpecification,
    ReaderSpecification,
    SinkSpecification,
    TimestampsSpecification,
    WindowSpecification,
)
from millstream_dataflow.operators.two_inputs import (
    BroadcastProcessSpecification,
    CoCall,
    CoProcessSpecification,
    IntervalJoinSpecification,
    KeyedBroadcastProcessSpecification,
    KeyedCoProcessSpecification,
)
from millstream_dataflow.transformations import OperatorTransformation

_TITLES: Final[dict[type[OperatorSpecification], str]] = {
    MapSpecification: "Map",
    FlatMapSpecification: "Flat Map",
    FilterSpecification: "Filter",
    MapBatchesSpecification: "Map Batches",
    FilterExpressionSpecification: "Filter",
    MapExpressionSpecification: "Map",
    SelectSpecification: "Select",
    ProjectSpecification: "Project",
    ProcessSpecification: "Process",
    KeyedProcessSpecification: "Keyed Process",
    KeyedReduceSpecification: "Keyed Reduce",
    WindowSpecification: "Window",
    BroadcastProcessSpecification: "Broadcast Process",
    KeyedBroadcastProcessSpecification: "Keyed Broadcast Process",
    IntervalJoinSpecification: "Interval Join",
    AsyncWaitSpecification: "Async Wait",
    TimestampsSpecification: "Timestamps/Watermarks",
    EnumeratorSpecification: "Enumerator",
    ReaderSpecification: "Source",
    SinkSpecification: "Sink",
    CollectSpecification: "Collect Stream Sink",
}


def title(specification: OperatorSpecification) -> str:
    """The kind of operator, in words for people: those of the call that made it."""
    match specification:
        case KeyedCoProcessSpecification(call=CoCall.PROCESS):
            return "Keyed Co-Process"
        case CoProcessSpecification(call=call) | KeyedCoProcessSpecification(call=call):
            return call.value
        case _:
            pass
    function: object = getattr(specification, "function", None)
    stands_for: str = getattr(function, "stands_for", "") or getattr(specification, "stands_for", "")
    return stands_for or _TITLES[type(specification)]


def kind(specification: OperatorSpecification) -> str:
    """The kind of operator, as one word for programs: `keyed_process`."""
    name = type(specification).__name__.removesuffix("Specification")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def default_name(specification: OperatorSpecification) -> str:
    """The operator's name as long as the user gives it none."""
    match specification:
        case ReaderSpecification(source=source):
            return f"Source: {_short(type(source).__name__, 'Source')}"
        case SinkSpecification(sink=sink):
            return f"Sink: {_short(type(sink).__name__, 'Sink')}"
        case WindowSpecification():
            return f"Window({', '.join(_parts(specification))})"
        case _:
            return title(specification)


def enumerator_name(reader: str) -> str:
    """The name of the operator that finds splits for a reader of that name."""
    return f"{reader} (splits)"


def function_name(function: Any) -> str:  # noqa: ANN401  # whatever the user gave
    """What to call a function: its own name, or its class's; of a pair both names."""
    if isinstance(function, tuple):
        return " and ".join(map(function_name, cast("tuple[object, ...]", function)))
    while isinstance(function, partial):
        function = function.func
    name: str = getattr(function, "__name__", "") or type(function).__name__
    return name


def label(operator: OperatorTransformation, decided_name: str = "") -> str:
    """How errors name an operator: `Map "parse"`, the name being the user's, else the function's."""
    head, name = title(operator.specification), decided_name or operator.name
    function: Callable[..., Any] | None = getattr(operator.specification, "function", None)
    if function is not None and name == default_name(operator.specification):
        name = function_name(function)
    return head if name in {"", head} else f'{head} "{name}"'


def with_article(noun: str) -> str:
    """`a MapFunction`, `an OutputTag`."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _parts(specification: WindowSpecification) -> list[str]:
    """What windows are made of, as far as the user has said it."""
    names = [_windows_name(specification.assigner)]
    names += [_windows_name(one) for one in (specification.trigger, specification.evictor) if one is not None]
    functions = (specification.reduce, specification.aggregate, specification.process)
    return names + [function_name(function) for function in functions if function is not None]


def _windows_name(part: Any) -> str:  # noqa: ANN401  # an assigner, a trigger or an evictor
    """`TumblingEventTimeWindows(3600000)`: milliseconds or records, and of the rest only what isn't 0."""
    name = type(part).__name__
    values: list[Any] = [getattr(part, field.name) for field in fields(part)] if is_dataclass(part) else []
    shown = [_value_name(value) for value in [*values[:1], *filter(None, values[1:])]]
    return f"{name}({', '.join(shown)})" if shown else name


def _value_name(value: Any) -> str:  # noqa: ANN401  # of any kind
    if isinstance(value, int | float):
        return str(value)
    return _windows_name(value) if is_dataclass(value) else function_name(value)


def _short(class_name: str, suffix: str) -> str:
    return class_name.removesuffix(suffix) or class_name
