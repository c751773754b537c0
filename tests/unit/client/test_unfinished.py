"""What is asked of windows or of a join that only a stream has: the error says what comes first."""

from collections.abc import Callable
from typing import Any

import pytest

from millstream import DataStream, MapStateDescriptor, StreamExecutionEnvironment, TumblingEventTimeWindows

Stream = DataStream[Any]
WINDOWS = TumblingEventTimeWindows.of(5)
RULES = MapStateDescriptor("rules", int, int)


@pytest.mark.parametrize(
    ("unfinished", "kind", "then"),
    [
        (
            lambda s: s.key_by(0).window(WINDOWS),
            "a WindowedStream",
            "each window by reduce, aggregate, process or apply",
        ),
        (lambda s: s.window_all(WINDOWS), "an AllWindowedStream", "each window by reduce, aggregate, process or apply"),
        (lambda s: s.window_all(WINDOWS).with_firings(), "a FiringsOfWindows", "by reduce or aggregate"),
        (lambda s: s.join(s), "a JoinedStreams", "the key of the first stream by where(key)"),
        (lambda s: s.join(s).where(0), "a JoinWhere", "the key of the second stream by equal_to(key)"),
        (lambda s: s.join(s).where(0).equal_to(0), "a JoinEqualTo", "where records meet by window(assigner)"),
        (lambda s: s.join(s).where(0).equal_to(0).window(WINDOWS), "a JoinWindow", "by apply(function)"),
        (lambda s: s.co_group(s), "a CoGroupedStreams", "the key of the first stream by where(key)"),
        (lambda s: s.co_group(s).where(0), "a CoGroupWhere", "the key of the second stream by equal_to(key)"),
        (lambda s: s.co_group(s).where(0).equal_to(0), "a CoGroupEqualTo", "where records meet by window(assigner)"),
        (lambda s: s.co_group(s).where(0).equal_to(0).window(WINDOWS), "a CoGroupWindow", "by apply(function)"),
        (lambda s: s.connect(s), "a ConnectedStreams", "what comes of its records by map, flat_map or process"),
        (lambda s: s.connect(s.broadcast(RULES)), "a BroadcastConnectedStream", "its records by process(function)"),
        (lambda s: s.broadcast(RULES), "a BroadcastStream", "which stream it goes with by stream.connect(broadcast)"),
        (lambda s: s.key_by(0).interval_join(s.key_by(0)), "an IntervalJoin", "by between(lower, upper)"),
        (lambda s: s.key_by(0).interval_join(s.key_by(0)).between(0, 1), "an IntervalJoined", "by process(function)"),
    ],
)
def test_who_asks_too_early_is_told_what_comes_first(unfinished: Callable[[Stream], Any], kind: str, then: str) -> None:
    asked = unfinished(StreamExecutionEnvironment.get_execution_environment().from_collection([("a", 1)]))
    with pytest.raises(AttributeError) as raised:
        asked.print()
    assert str(raised.value).startswith(f"{kind} has no 'print'; say ")
    assert str(raised.value).endswith(then)
    assert not hasattr(asked, "print")
