"""PyFlink's serializers of windows write what they read."""

from io import BytesIO
from typing import Any

import pytest

from millstream_dataflow.windows import CountWindow, GlobalWindow, TimeWindow, TumblingEventTimeWindows
from millstream_dataflow.windows.serializers import (
    CountWindowSerializer,
    GlobalWindowSerializer,
    TimeWindowSerializer,
    TypeSerializer,
)


@pytest.mark.parametrize(
    ("serializer", "windows"),
    [
        (TimeWindowSerializer(), [TimeWindow(-5, 2**62), TimeWindow(0, 1)]),
        (CountWindowSerializer(), [CountWindow(0), CountWindow(2**40)]),
        (GlobalWindowSerializer(), [GlobalWindow(), GlobalWindow()]),
        (TumblingEventTimeWindows.of(5).get_window_serializer(), [TimeWindow(0, 5), CountWindow(1)]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_windows_behind_one_another(serializer: TypeSerializer[Any], windows: list[Any]) -> None:
    stream = BytesIO()
    for window in windows:
        serializer.serialize(window, stream)
    stream.seek(0)
    assert [serializer.deserialize(stream) for _ in windows] == windows
    assert not stream.read()
