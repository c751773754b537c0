"""How records of two streams share a window: each as a pair of its side (0 or 1) and itself.

These functions travel to the workers, so they import nothing of the client. Pairs are plain tuples, since windows are
state, and state outlives the names of our classes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import GeneratorType
from typing import Any, ClassVar, Final

from millstream.datastream.stand_in import StandIn
from millstream_dataflow.errors import InvalidTypesError
from millstream_dataflow.functions import ProcessWindowFunction, RuntimeContext, resolve_co_group, resolve_join
from millstream_dataflow.reprs import short_repr
from millstream_dataflow.types import Row
from millstream_dataflow.windows import Window

Tagged = tuple[int, Any]
"""The side of a record, 0 or 1, and the record."""


@dataclass(frozen=True, slots=True)
class Tagging:
    """A record as one of its side."""

    side: int
    needs_uid: ClassVar[bool] = False
    """No program can name its operator, and it keeps nothing."""

    def __call__(self, record: Any) -> Any:  # noqa: ANN401  # any record; an annotation would have each pair checked
        """The pair."""
        return self.side, record


@dataclass(frozen=True, slots=True)
class TaggedSelector:
    """The key of a record, by the selector of its side."""

    selectors: tuple[Callable[[Any], Any], Callable[[Any], Any]]

    def __call__(self, tagged: Tagged) -> Any:  # noqa: ANN401  # whatever a selector gives
        """The key."""
        return self.selectors[tagged[0]](tagged[1])


class _OfBothSides(StandIn, ProcessWindowFunction[Tagged, Any, Any, Window]):
    """A function of the records of both sides."""

    def open(self, runtime_context: RuntimeContext) -> None:
        """As the function wants it."""
        self._call = self.resolved()
        super().open(runtime_context)

    def resolved(self) -> Callable[[Any, Any], Iterable[Any] | None]:
        """What is called."""
        raise NotImplementedError


class CoGroupOfWindow(_OfBothSides):
    """A CoGroupFunction for each window and key, also where one side has no record."""

    def resolved(self) -> Callable[[Any, Any], Iterable[Any] | None]:
        """See the base."""
        return resolve_co_group(self.function)

    def process(
        self, key: object, context: ProcessWindowFunction.Context[Window], elements: Iterable[Tagged]
    ) -> Iterable[Any] | None:
        """See ProcessWindowFunction."""
        return self._call(*_sides(elements))


class JoinOfWindow(_OfBothSides):
    """A JoinFunction or FlatJoinFunction for each pair of records in a window of a key."""

    def resolved(self) -> Callable[[Any, Any], Iterable[Any] | None]:
        """See the base."""
        return resolve_join(self.function)

    def process(
        self, key: object, context: ProcessWindowFunction.Context[Window], elements: Iterable[Tagged]
    ) -> Iterator[Any]:
        """See ProcessWindowFunction."""
        firsts, seconds = _sides(elements)
        for first in firsts:
            for second in seconds:
                emitted = self._call(first, second)
                if emitted is not None:
                    yield from emitted if type(emitted) in _SEVERAL else _several(emitted)


_SEVERAL: Final = frozenset({tuple, list, GeneratorType})
"""What is taken apart without another look: it comes for each pair."""


def _several(emitted: object) -> Iterable[Any]:
    """Records; InvalidTypesError for what is none, or one alone."""
    one = isinstance(emitted, str | bytes | Mapping | Row) or hasattr(type(emitted), "_fields")  # as NamedTuples have
    if one or not isinstance(emitted, Iterable):
        given = f"{type(emitted).__qualname__} {short_repr(emitted)}"
        mend = "yield the records, or return a list of them, or None where there are none; a JoinFunction gives one"
        raise InvalidTypesError(f"a FlatJoinFunction gives any number of records, but returned {given}; {mend}")
    return emitted


def _sides(elements: Iterable[Tagged]) -> tuple[list[Any], list[Any]]:
    """The records of each side, in the order in which they came."""
    sides: tuple[list[Any], list[Any]] = ([], [])
    for side, record in elements:
        sides[side].append(record)
    return sides
