"""Who asks a context for what it hasn't is told what to do: side outputs as in Java, the key where there are none."""

import pytest

from millstream_dataflow.functions import (
    BroadcastProcessFunction,
    CoProcessFunction,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    ProcessAllWindowFunction,
    ProcessFunction,
    ProcessJoinFunction,
    ProcessWindowFunction,
)


@pytest.mark.parametrize(
    "context",
    [
        ProcessFunction.Context,
        KeyedProcessFunction.OnTimerContext,
        CoProcessFunction.Context,
        KeyedCoProcessFunction.Context,
        BroadcastProcessFunction.ReadOnlyContext,
        KeyedBroadcastProcessFunction.Context,
        ProcessJoinFunction.Context,
        ProcessWindowFunction.Context,
        ProcessAllWindowFunction.Context,
    ],
)
def test_no_context_has_an_output(context: type) -> None:
    with pytest.raises(AttributeError, match="a record goes to a side output by `yield tag, record`, as in PyFlink"):
        _ = context.output  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # what is tested


@pytest.mark.parametrize(
    ("context", "function"),
    [(ProcessFunction.Context, "KeyedProcessFunction"), (CoProcessFunction.Context, "KeyedCoProcessFunction")],
)
def test_without_keys_there_is_no_current_one(context: type, function: str) -> None:
    with pytest.raises(AttributeError, match=f"have no keys here; call key_by first, and process with a {function}"):
        _ = context.get_current_key  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # as above
