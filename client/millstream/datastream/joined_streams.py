"""Two streams whose records are joined where they have one key and lie in one window (Flink, "Window Join").

    orders.join(payments).where(of_order).equal_to(of_payment).window(TumblingEventTimeWindows.of(...)).apply(f)

An inner join: each pair of records gives one, and a record without a partner gives none. `co_group` is for the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from millstream.datastream.arguments import accepted
from millstream.datastream.co_grouped_streams import TwoStreams, WindowsOfBoth
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import AnyType, returned_items_type, returned_type
from millstream.datastream.joining import JoinOfWindow
from millstream.datastream.unfinished import Unfinished
from millstream_dataflow.functions import FlatJoinFunction, JoinFunction, KeySelector, is_generator, resolve_join
from millstream_dataflow.types import TypeInformation
from millstream_dataflow.windows import WindowAssigner

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
R = TypeVar("R")


class JoinedStreams(TwoStreams[T, U]):
    """Two streams whose records are to be joined; `where` says the key of the first."""

    _next = "say the key of the first stream by where(key)"

    def where(
        self,
        key_selector: KeySelector[T, K] | Callable[[T], K] | str | int,
        key_type: TypeInformation[K] | None = None,
    ) -> JoinWhere[T, U]:
        """The key of a record of the first stream, by function or by field."""
        return JoinWhere(self.with_key("where", key_selector, key_type))


class JoinWhere(Unfinished, Generic[T, U]):
    """The key of the first stream is known; `equal_to` says that of the second."""

    _next = "say the key of the second stream by equal_to(key)"

    def __init__(self, streams: JoinedStreams[T, U]) -> None:
        self._streams = streams

    def equal_to(
        self,
        key_selector: KeySelector[U, K] | Callable[[U], K] | str | int,
        key_type: TypeInformation[K] | None = None,
    ) -> JoinEqualTo[T, U]:
        """The key of a record of the second stream, by function or by field."""
        return JoinEqualTo(self._streams.with_key("equal_to", key_selector, key_type))


class JoinEqualTo(Unfinished, Generic[T, U]):
    """Both keys are known; `window` says where records meet."""

    _next = "say where records meet by window(assigner)"

    def __init__(self, streams: JoinedStreams[T, U]) -> None:
        self._streams = streams

    def window(self, assigner: WindowAssigner[Any, Any]) -> JoinWindow[T, U]:
        """The windows in which records meet. An assigner that looks at records (a dynamic gap) sees each as a pair of
        its side (0 or 1) and itself.
        """
        return JoinWindow(self._streams.in_windows(assigner))


class JoinWindow(WindowsOfBoth, Generic[T, U]):
    """Pairs of records of both streams, by key and window."""

    _next = "say what a pair of records gives by apply(function)"

    def apply(
        self,
        function: JoinFunction[T, U, R] | FlatJoinFunction[T, U, R] | Callable[[T, U], R],
        output_type: TypeInformation[R] | None = None,
    ) -> DataStream[R]:
        """One record for each pair, or what a FlatJoinFunction or a function that yields gives. They carry the window's
        last millisecond.
        """
        accepted(resolve_join, function)
        return self.process(JoinOfWindow(function), output_type or _type_of(function))


def _type_of(function: Any) -> AnyType:  # noqa: ANN401  # of three kinds
    several = isinstance(function, FlatJoinFunction) or is_generator(getattr(function, "join", function))
    return returned_items_type(function, "join") if several else returned_type(function, "join")
