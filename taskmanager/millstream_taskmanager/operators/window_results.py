"""What comes of a window when it fires: its result, or what the user's function makes of it."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, cast

from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.functions import (
    resolve_aggregate,
    resolve_reduce,
    resolve_window_function,
    wants_clear,
)
from millstream_dataflow.functions.process import Emitted
from millstream_dataflow.operators.windows import WindowSpecification
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.windows import Evictor, TimestampedValue, Window, WindowResult
from millstream_taskmanager.operators.emitting import Collector
from millstream_taskmanager.operators.window_accumulation import Accumulation, Reduced
from millstream_taskmanager.operators.window_surroundings import Fired, WindowSurroundings
from millstream_taskmanager.user_code.copies import copy_of
from millstream_taskmanager.user_code.errors import UserCodeError
from millstream_taskmanager.user_code.returned import SEVERAL, several


class WindowResults:
    """What a window gives for a key: the result itself, or what a process function makes of it. Results carry the
    window's last millisecond.
    """

    def __init__(
        self,
        specification: WindowSpecification,
        accumulation: Accumulation,
        around: WindowSurroundings,
        *,
        reuse: bool = False,
    ) -> None:
        """`reuse`: the collector copies nothing."""
        process = specification.process
        self._specification = specification
        self._accumulation = accumulation
        self._function = None if process is None else resolve_window_function(process)
        # What is kept is shared with nobody: neither with a process function nor, where that copies nothing, with
        # those behind the collector.
        self._lends = process is not None or reuse
        self._with_firings = specification.with_firings
        self._around = around

    @property
    def clears(self) -> bool:
        """Whether the user's function wants to hear of windows that are forgotten."""
        return self._function is not None and wants_clear(self._function)

    @property
    def tells_firings(self) -> bool:
        """Whether somebody can see which of a window's results one is."""
        return self._function is not None or self._with_firings

    @property
    def _accumulates_nothing(self) -> bool:
        """Whether the user's function sees the records themselves."""
        return self._specification.reduce is None and self._specification.aggregate is None

    def fire_all(self, window: Window, kept: list[Any], collector: Collector) -> bool:
        """What a window gives for several keys, where that is what is kept of them; False where it isn't."""
        if self.tells_firings or not isinstance(self._accumulation, Reduced):
            return False
        return collector.add_immutable(kept, window.max_timestamp())

    def fire(self, kept: object, collector: Collector, *, keeps: bool) -> None:
        """What the window at hand gives for the key at hand. `keeps`: what is kept stays so, and may not be lent."""
        try:
            result = self._accumulation.result(kept)
            if keeps and self._lends:
                result = copy_of(result)
            self._give(result if self._accumulation.whole else (result,), collector)
        except BaseException as error:  # the user's code may raise what it likes
            raise self._error(error) from error

    def fire_evicted(
        self, kept: Sequence[tuple[Any, int | None]], evictor: Evictor[Any, Any], collector: Collector
    ) -> list[tuple[Any, int | None]]:
        """The same of records that an evictor goes over; gives those that are left."""
        window = self._around.window()
        elements = [TimestampedValue(value, time) for value, time in kept]
        try:
            evictor.evict_before(elements, len(elements), window, self._around)
            values = copy_of([element.value for element in _checked(elements, evictor)])
            if values or self._accumulates_nothing:
                self._give(self._of_records(values), collector)
            evictor.evict_after(elements, len(elements), window, self._around)
            return [(element.value, element.timestamp) for element in _checked(elements, evictor)]
        except BaseException as error:  # the user's code may raise what it likes
            raise self._error(error) from error

    def _of_records(self, values: list[Any]) -> Iterable[Any]:
        """What `reduce` or `aggregate` make of records; or they themselves, of which there may be none."""
        specification = self._specification
        if specification.reduce is not None:
            return (reduce(resolve_reduce(specification.reduce), values),)
        if specification.aggregate is None:
            return values
        aggregate = resolve_aggregate(specification.aggregate)
        accumulator = aggregate.create_accumulator()
        for value in values:
            accumulator = aggregate.add(value, accumulator)
        return (aggregate.get_result(accumulator),)

    def _give(self, results: Iterable[Any], collector: Collector) -> None:
        """Results, or records, to the user's function or onwards."""
        around = self._around
        window, key = around.window(), around.key
        time = window.max_timestamp()
        if self._function is not None:
            emitted = cast("Emitted[Any]", self._function.process(key, around, results))  # never awaited here
            if emitted is not None:
                for item in emitted if type(emitted) in SEVERAL else several(emitted):
                    collector.add(item, time)
        elif self._with_firings:
            for result in results:
                collector.add(WindowResult(key, window, result, around.firing(), around.firing_number()), time)
        else:
            for result in results:
                collector.add(result, time)

    def merged(self, parts: Sequence[Any]) -> Any:  # noqa: ANN401  # what is kept
        """What is kept of the window at hand in several panes, earliest first, as one, which is no part of what is
        kept.
        """
        try:
            whole, *others = map(copy_of, parts)
            for other in others:
                whole = self._accumulation.merge(whole, other)
        except BaseException as error:  # the user's code may raise what it likes
            raise self._error(error) from error
        return whole

    def clear(self) -> None:
        """The window at hand is forgotten for the key at hand."""
        if self._function is not None:
            try:
                self._function.clear(self._around)
            except BaseException as error:  # the user's code may raise what it likes
                raise self._error(error) from error

    def _error(self, error: BaseException) -> UserCodeError:
        around = self._around
        return UserCodeError(error, around.name, Fired(around.key, around.window()))


def _checked(elements: list[TimestampedValue[Any]], evictor: object) -> list[TimestampedValue[Any]]:
    """What an evictor has left, if it is what it should be."""
    if not {TimestampedValue}.issuperset(map(type, elements)):
        other = next(element for element in elements if type(element) is not TimestampedValue)
        what = f"{type(evictor).__name__} has put {short_repr(other)} among the elements of a window"
        raise InvalidTypesError(f"{what}, which are TimestampedValues; it takes out those that the window forgets")
    return elements
