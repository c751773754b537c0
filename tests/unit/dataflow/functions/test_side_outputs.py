"""Who gives a record to a side output as in Java is told how it is done in Python."""

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
