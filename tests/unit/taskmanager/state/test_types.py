"""Keyed state goes on only as what it was declared, or as what it is anyway (Flink: StateMigrationException)."""

import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from millstream_dataflow.functions import KeyedProcessFunction, ProcessWindowFunction, RuntimeContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.operators.specifications import (
    KeyedProcessSpecification,
    KeyedReduceSpecification,
    KeySelection,
    WindowSpecification,
)
from millstream_dataflow.records import Barrier, RowBatch
from millstream_dataflow.state import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueStateDescriptor,
)
from millstream_dataflow.types import TypeInformation, Types
from millstream_dataflow.types.scalars import Scalar
from millstream_dataflow.windows import TumblingEventTimeWindows
from millstream_taskmanager.operators.keyed import KeyedOperator
from millstream_taskmanager.operators.keyed_process import KeyedProcessOperator
from millstream_taskmanager.operators.keyed_reduce import KeyedReduceOperator
from millstream_taskmanager.operators.state import RestoredState
from millstream_taskmanager.operators.window import WindowOperator
from millstream_taskmanager.user_code.errors import UserCodeError
from tests.support.latest import Latest
from tests.support.tasks import OperatorBench

Type = TypeInformation[Any] | type | None


def plus(one: Any, other: Any) -> Any:  # noqa: ANN401  # of any type
    return one + other


Asked = tuple[StateDescriptor[Any], str, Callable[[Any, Any], object]]
"""A descriptor, how it is asked for, and how a value is put there."""

KINDS: dict[str, Callable[[Type], Asked]] = {
    "value": lambda type_: (
        ValueStateDescriptor("n", type_),
        "get_state",
        lambda state, value: state.update(value),
    ),
    "list": lambda type_: (
        ListStateDescriptor("n", type_),
        "get_list_state",
        lambda state, value: state.add(value),
    ),
    "map": lambda type_: (
        MapStateDescriptor("n", str, type_),
        "get_map_state",
        lambda state, value: state.put("k", value),
    ),
    "reducing": lambda type_: (
        ReducingStateDescriptor("n", plus, type_),
        "get_reducing_state",
        lambda s, value: s.add(value),
    ),
    "aggregating": lambda type_: (
        AggregatingStateDescriptor("n", Latest(), type_),
        "get_aggregating_state",
        lambda state, value: state.add(value),
    ),
}


class Keeping(KeyedProcessFunction[Any, Any, Any]):
    """Puts each record into a state."""

    def __init__(self, asked: Asked) -> None:
        self.descriptor, self.ask, self.put = asked

    def open(self, runtime_context: RuntimeContext) -> None:
        self.state = getattr(runtime_context, self.ask)(self.descriptor)

    def process_element(self, value: Any, ctx: KeyedProcessFunction.Context) -> None:  # noqa: ANN401  # any record
        self.put(self.state, value)


class Nothing(ProcessWindowFunction[Any, Any, Any, Any]):
    """All records of a window are kept for it."""

    def process(self, key: Hashable, context: ProcessWindowFunction.Context[Any], elements: Any) -> None:  # noqa: ANN401  # any records
        return None


def opened(operator: KeyedOperator, state: RestoredState | None = None) -> KeyedOperator:
    operator.open(OperatorBench().context(state))
    return operator


def keeping(kind: str, type_: Type, key_type: TypeInformation[Any] | None = None) -> KeyedOperator:
    key = KeySelection(lambda value: value if isinstance(value, int | str) else 0, key_type)
    return KeyedProcessOperator(KeyedProcessSpecification(Keeping(KINDS[kind](type_)), key))


def taken(operator: KeyedOperator, *records: object, touch: bool = False) -> RestoredState:
    """What an operator has stored when it has had these records. `touch`: while they came once more."""
    batch = RowBatch(list(records), [5] * len(records))
    list(operator.process(0, batch))
    snapshot = operator.keyed_snapshot()
    assert snapshot is not None
    if touch:
        list(operator.process(0, batch))
    while not snapshot.done:
        snapshot.encode_some()
    lists = tuple(operator.snapshot(Barrier(CheckpointId(1)), ended=False))
    return RestoredState(lists, snapshot.runs, restored=True)


def refusal(operator: KeyedOperator, state: RestoredState) -> str:
    """What is said of a restore, which isn't tried again."""
    with pytest.raises(UserCodeError) as raised:
        opened(operator, state)
    assert not raised.value.failure().restartable
    return str(raised.value.cause)


@pytest.mark.parametrize("touch", [False, True])
@pytest.mark.parametrize(
    ("kind", "former", "now", "held"),
    [
        ("value", "LONG()", "STRING()", "int 5"),
        ("list", "LIST(LONG())", "LIST(STRING())", "list [5"),
        ("map", "MAP(STRING(), LONG())", "MAP(STRING(), STRING())", "dict {'k': 5}"),
        ("reducing", "LONG()", "STRING()", "int "),
        ("aggregating", "LONG()", "STRING()", "int 5"),
    ],
)
def test_a_state_of_another_type_is_refused(
    kind: str,
    former: str,
    now: str,
    held: str,
    touch: bool,  # a parameter of pytest's
) -> None:
    state = taken(opened(keeping(kind, Types.LONG())), 5, touch=touch)
    opened(keeping(kind, Types.LONG()), state)
    sentence = refusal(keeping(kind, Types.STRING()), state)
    assert sentence.startswith(
        f"operator Operator: state 'n' was stored as {former} and is declared {now} now, but holds {held}"
    )
    assert sentence.endswith("; declare it as before, or give the new one another name")


def test_a_key_of_another_type_is_refused() -> None:
    operators: list[Callable[[TypeInformation[Any] | None], KeyedOperator]] = [
        lambda key_type: keeping("value", None, key_type),
        lambda key_type: KeyedReduceOperator(
            KeyedReduceSpecification(plus, KeySelection(lambda value: value, key_type))
        ),
    ]
    titles = ["state 'n'", "the running reduction"]
    for operator, title in zip(operators, titles, strict=True):
        state = taken(opened(operator(Types.INT())), 5)
        assert refusal(operator(Types.STRING()), state) == (
            f"operator Operator: the key of {title} was stored as INT() and is declared STRING() now, but holds "
            "int 5; key the stream as before, or give the operator another uid"
        )


@pytest.mark.parametrize(
    ("former", "now"),
    [(Types.INT(), Types.LONG()), (Types.LONG(), Types.BYTE()), (int, Types.INT()), (Types.LONG(), None), (None, int)],
)
def test_what_fits_goes_on(former: Type, now: Type) -> None:
    state = taken(opened(keeping("value", former)), 5)
    again = taken(opened(keeping("value", now), state), 5)
    assert len(again.runs) == len(state.runs)


def test_what_nobody_declared_is_judged_by_what_is_there() -> None:
    state = taken(opened(keeping("value", None)), 5)
    assert "was stored undeclared and is declared STRING() now, but holds int 5" in refusal(
        keeping("value", Types.STRING()), state
    )
    opened(keeping("value", None), taken(opened(keeping("value", Types.LONG())), 5))


def test_what_is_declared_as_before_is_not_looked_at() -> None:
    """Nor are the parts of a value when it is set: so a restart is no other program, and no worse off."""
    state = taken(opened(keeping("value", Types.LIST(Types.STRING()))), [5])
    opened(keeping("value", Types.LIST(Types.STRING())), state)


def event_of(module: str, monkeypatch: pytest.MonkeyPatch) -> type:
    """A class `Event` of that module, as it is found there."""
    cls: type = dataclass(type("Event", (), {"__module__": module, "__annotations__": {"key": str}}))
    if module != "__main__":
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
    monkeypatch.setattr(sys.modules[module], "Event", cls, raising=False)
    return cls


def test_a_class_of_the_same_name_in_another_module_is_another_class(monkeypatch: pytest.MonkeyPatch) -> None:
    orders, clicks = event_of("orders", monkeypatch), event_of("clicks", monkeypatch)
    state = taken(opened(keeping("list", orders)), orders("a"))
    opened(keeping("list", orders), state)
    assert "was stored as LIST(DATACLASS(orders.Event)) and is declared LIST(DATACLASS(clicks.Event)) now" in refusal(
        keeping("list", clicks), state
    )


def test_a_class_of_a_script_is_the_same_in_its_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python job.py` and `millstream run job.py` both run it as `__main__`; each run makes its class anew."""
    event = event_of("__main__", monkeypatch)
    state = taken(opened(keeping("value", event)), event("a"))
    opened(keeping("value", event_of("__main__", monkeypatch)), state)


def test_a_snapshot_of_many_runs_writes_its_types_once(monkeypatch: pytest.MonkeyPatch) -> None:
    long = Types.LONG()
    operator = opened(keeping("value", long))
    write, written = type(long).__str__, list[object]()

    def noted(type_: Scalar[Any]) -> str:
        written.append(type_)
        return write(type_)

    monkeypatch.setattr(type(long), "__str__", noted)
    state = taken(operator, *range(100))
    assert len(state.runs) > 50
    assert written.count(long) == 1


def test_a_state_under_another_name_leaves_the_former_as_it_was() -> None:
    state = taken(opened(keeping("value", Types.LONG())), 5)

    def renamed() -> KeyedOperator:
        asked = (ValueStateDescriptor("m", Types.STRING()), *KINDS["value"](None)[1:])
        return KeyedProcessOperator(KeyedProcessSpecification(Keeping(asked), KeySelection(str)))

    again = taken(opened(renamed(), state), "a")
    assert {run.table for run in again.runs} == {"value:n", "value:m"}
    assert set(state.runs) < set(again.runs)
    assert "state 'n' was stored as LONG() and is declared STRING()" in refusal(keeping("value", str), again)


def windowed(**how: object) -> KeyedOperator:
    key, windows = KeySelection(lambda value: value), TumblingEventTimeWindows(100)
    return WindowOperator(WindowSpecification(key, windows, **how))  # type: ignore[arg-type]  # each kind has its own


def test_windows_that_keep_something_else_are_refused() -> None:
    reduced = taken(opened(windowed(reduce=plus)), 5)
    opened(windowed(reduce=plus), reduced)
    assert refusal(windowed(process=Nothing()), reduced) == (
        "operator Operator: what windows hold is listed records now, but the checkpoint holds reduced records; do as "
        "before, or give the operator another uid"
    )
