"""Two streams whose records meet in windows, in groups of one key (Flink, "DataStream Transformations", coGroup).

    orders.co_group(payments).where(of_order).equal_to(of_payment).window(TumblingEventTimeWindows.of(...)).apply(f)

As in Flink both become one stream of tagged records, keyed by the selector of their side, in windows that keep all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NoReturn, Self, TypeVar

from millstream.datastream.arguments import accepted, accepted_instance, key_selection
from millstream.datastream.data_stream import DataStream
from millstream.datastream.declared_types import AnyType, returned_items_type
from millstream.datastream.inputs import refuse_unequal_keys
from millstream.datastream.joining import CoGroupOfWindow, TaggedSelector, Tagging
from millstream.datastream.operator_settings import stays_in_program
from millstream.datastream.unfinished import Unfinished
from millstream_dataflow.functions import CoGroupFunction, KeySelector, resolve_co_group
from millstream_dataflow.operators.specifications import Function, KeySelection
from millstream_dataflow.time import Span
from millstream_dataflow.types import TypeInformation, Types
from millstream_dataflow.windows import WindowAssigner

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
R = TypeVar("R")


class TwoStreams(Unfinished, Generic[T, U]):
    """Two streams that are to meet in windows, and how the keys of their records are found: what `co_group` and `join`
    share.
    """

    def __init__(self, first: DataStream[T], second: DataStream[U], keys: tuple[KeySelection, ...] = ()) -> None:
        """`keys` by stream, as far as they have been said."""
        self._first = first
        self._second = second
        self._keys = keys

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def with_key(self, call: str, selector: object, key_type: TypeInformation[Any] | None) -> Self:
        """The same, with the key of one more stream. KeyTypeError where the types of both are known and differ."""
        keys = (*self._keys, key_selection(selector, key_type))
        if len(keys) > 1:
            refuse_unequal_keys(call, keys[0], keys[1])
        return type(self)(self._first, self._second, keys)

    def in_windows(self, assigner: WindowAssigner[Any, Any]) -> Any:  # noqa: ANN401  # a WindowedStream, of any window
        """Both as one stream of tagged records, by key, in windows."""
        wanted = "a WindowAssigner, such as TumblingEventTimeWindows.of(...)"
        accepted_instance("window", assigner, WindowAssigner, wanted)
        first, second = self._keys
        tagged = _tagged(self._first, 0).union(_tagged(self._second, 1))
        keyed = tagged.key_by(TaggedSelector((first.selector, second.selector)), first.type or second.type)
        return keyed.window(assigner)


def _tagged(stream: DataStream[Any], side: int) -> DataStream[Any]:
    """Declared only where the stream is: to check pairs of anything would cost, and show nothing."""
    type_ = stream.get_type()
    declared = None if type_ == Types.PICKLED_BYTE_ARRAY() else Types.TUPLE([Types.INT(), type_])
    return stream.map(Tagging(side), declared).name(f"Input {side + 1}")


class WindowsOfBoth(Unfinished):
    """The windows of both streams: what of `WindowedStream` may be said before `apply`."""

    def __init__(self, windowed: Any) -> None:  # noqa: ANN401  # a WindowedStream, of any window
        self._windowed = windowed

    def __reduce__(self) -> NoReturn:
        """Refused, as for streams."""
        stays_in_program(self)

    def trigger(self, trigger: Any) -> Self:  # noqa: ANN401  # as WindowedStream has it
        """When windows fire. A trigger sees each record as a pair of its side (0 or 1) and itself."""
        self._windowed = self._windowed.trigger(trigger)
        return self

    def evictor(self, evictor: Any) -> Self:  # noqa: ANN401  # as above
        """Which records count when a window fires. An evictor sees pairs, as a trigger does."""
        self._windowed = self._windowed.evictor(evictor)
        return self

    def allowed_lateness(self, time_ms: Span) -> Self:
        """Keep a window that has fired for this long (milliseconds), and fire it again at each late record: then
        it gives all of its results anew.
        """
        self._windowed = self._windowed.allowed_lateness(time_ms)
        return self

    def process(self, function: Function, output_type: AnyType) -> DataStream[Any]:
        """What comes of each window."""
        stream: DataStream[Any] = self._windowed.process(function, output_type)
        return stream


class CoGroupedStreams(TwoStreams[T, U]):
    """Two streams whose groups of records with one key in one window are to meet; `where` says the key of the first."""

    _next = "say the key of the first stream by where(key)"

    def where(
        self,
        key_selector: KeySelector[T, K] | Callable[[T], K] | str | int,
        key_type: TypeInformation[K] | None = None,
    ) -> CoGroupWhere[T, U]:
        """The key of a record of the first stream, by function or by field."""
        return CoGroupWhere(self.with_key("where", key_selector, key_type))


class CoGroupWhere(Unfinished, Generic[T, U]):
    """The key of the first stream is known; `equal_to` says that of the second."""

    _next = "say the key of the second stream by equal_to(key)"

    def __init__(self, streams: CoGroupedStreams[T, U]) -> None:
        self._streams = streams

    def equal_to(
        self,
        key_selector: KeySelector[U, K] | Callable[[U], K] | str | int,
        key_type: TypeInformation[K] | None = None,
    ) -> CoGroupEqualTo[T, U]:
        """The key of a record of the second stream, by function or by field."""
        return CoGroupEqualTo(self._streams.with_key("equal_to", key_selector, key_type))


class CoGroupEqualTo(Unfinished, Generic[T, U]):
    """Both keys are known; `window` says where records meet."""

    _next = "say where records meet by window(assigner)"

    def __init__(self, streams: CoGroupedStreams[T, U]) -> None:
        self._streams = streams

    def window(self, assigner: WindowAssigner[Any, Any]) -> CoGroupWindow[T, U]:
        """The windows in which records meet. An assigner that looks at records (a dynamic gap) sees each as a pair of
        its side (0 or 1) and itself.
        """
        return CoGroupWindow(self._streams.in_windows(assigner))


class CoGroupWindow(WindowsOfBoth, Generic[T, U]):
    """Groups of records of both streams, by key and window."""

    _next = "say what the records of a key and window give by apply(function)"

    def apply(
        self,
        function: CoGroupFunction[T, U, R] | Callable[[Iterable[T], Iterable[U]], Iterable[R] | None],
        output_type: TypeInformation[R] | None = None,
    ) -> DataStream[R]:
        """Any number of records for each key and window, from all records of both sides, one of which may be empty.
        They carry the window's last millisecond.
        """
        accepted(resolve_co_group, function)
        type_ = output_type or returned_items_type(function, "co_group")
        return self.process(CoGroupOfWindow(function), type_)
