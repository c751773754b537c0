"""Records whose answers are waited for, in the order in which they may leave. Pure: no clock, no coroutine.

    in order        a record leaves when it is answered and all before it have left
    as they come    a record leaves when it is answered and every watermark or status before it has left

Watermarks and statuses never overtake a record, nor a record them: so a result is as late as its record was, and not
later. Two watermarks with nothing between them are one.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from millstream_dataflow.records import StreamStatus, Watermark

Event = Watermark | StreamStatus


class Element:
    """A record under way."""

    __slots__ = ("attempts", "cause", "deadline", "late", "number", "results", "since", "time", "value", "waits_for")

    def __init__(self, number: int, value: Any, time: int | None) -> None:  # noqa: ANN401  # any record
        self.number = number
        self.value = value
        self.time = time
        self.since = 0
        """When it was first asked for."""
        self.deadline: int | None = None
        self.late = False
        """Whether the deadline has passed."""
        self.attempts = 0
        self.waits_for: Any = None
        """What can be cancelled: its coroutine, or the time of the next attempt."""
        self.cause: BaseException | None = None
        """What the last attempt raised, if it is to be tried again."""
        self.results: list[Any] | None = None
        """Once it is answered."""


class AnswerQueue(ABC):
    """See the module."""

    def __init__(self) -> None:
        self._number = 0
        self._waiting = deque[Element]()
        self.held = 0
        """Records in it, answered or not."""

    @staticmethod
    def make(*, ordered: bool) -> "AnswerQueue":
        """In order, or as they come."""
        return _InOrder() if ordered else _AsTheyCome()

    @property
    def waiting(self) -> int:
        """Records that nobody has been asked for."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        """The others."""
        return self.held - len(self._waiting)

    def add(self, values: Iterable[Any], times: Iterable[int | None]) -> None:
        """Records, at the end."""
        for value, time in zip(values, times, strict=False):
            element = Element(self._number, value, time)
            self._number += 1
            self._waiting.append(element)
            self._append(element)
            self.held += 1

    def next_waiting(self) -> Element:
        """The first that nobody has been asked for, who is asked now."""
        return self._waiting.popleft()

    def answer(self, element: Element, results: list[Any]) -> None:
        """Its answer is there."""
        element.results = results

    def pop(self) -> Element | Event | None:
        """What may leave next; None: nothing may."""
        item = self._pop()
        self.held -= isinstance(item, Element)
        return item

    @abstractmethod
    def add_event(self, event: Event) -> None:
        """A watermark or a status, at the end."""

    @abstractmethod
    def elements(self) -> Iterator[Element]:
        """All records in it, in the order in which they came."""

    @property
    @abstractmethod
    def empty(self) -> bool:
        """Whether neither records nor events are in it."""

    @abstractmethod
    def _append(self, element: Element) -> None: ...

    @abstractmethod
    def _pop(self) -> Element | Event | None: ...


class _InOrder(AnswerQueue):
    """One line."""

    def __init__(self) -> None:
        super().__init__()
        self._line = deque[Element | Event]()

    def add_event(self, event: Event) -> None:
        if isinstance(event, Watermark) and self._line and isinstance(self._line[-1], Watermark):
            self._line[-1] = event
        else:
            self._line.append(event)

    def elements(self) -> Iterator[Element]:
        return (item for item in self._line if isinstance(item, Element))

    @property
    def empty(self) -> bool:
        return not self._line

    def _append(self, element: Element) -> None:
        self._line.append(element)

    def _pop(self) -> Element | Event | None:
        if not self._line:
            return None
        first = self._line[0]
        if isinstance(first, Element) and first.results is None:
            return None
        return self._line.popleft()


class _Stretch:
    """What lies between two events, and the one behind it."""

    __slots__ = ("answered", "event", "open")

    def __init__(self) -> None:
        self.open: dict[int, Element] = {}
        self.answered = deque[Element]()
        self.event: Event | None = None

    @property
    def bare(self) -> bool:
        """Whether no record is in it."""
        return not self.open and not self.answered


class _AsTheyCome(AnswerQueue):
    """One stretch behind the other; only records of the first may leave."""

    def __init__(self) -> None:
        super().__init__()
        self._stretches = deque([_Stretch()])
        self._of: dict[int, _Stretch] = {}

    def answer(self, element: Element, results: list[Any]) -> None:
        super().answer(element, results)
        stretch = self._of.pop(element.number)
        del stretch.open[element.number]
        stretch.answered.append(element)

    def add_event(self, event: Event) -> None:
        before = self._stretches[-2].event if len(self._stretches) > 1 else None
        if self._stretches[-1].bare and isinstance(event, Watermark) and isinstance(before, Watermark):
            self._stretches[-2].event = event
        else:
            self._stretches[-1].event = event
            self._stretches.append(_Stretch())

    def elements(self) -> Iterator[Element]:
        for stretch in self._stretches:
            yield from sorted([*stretch.answered, *stretch.open.values()], key=lambda element: element.number)

    @property
    def empty(self) -> bool:
        return len(self._stretches) == 1 and self._stretches[0].bare

    def _append(self, element: Element) -> None:
        stretch = self._of[element.number] = self._stretches[-1]
        stretch.open[element.number] = element

    def _pop(self) -> Element | Event | None:
        first = self._stretches[0]
        if first.answered:
            return first.answered.popleft()
        if first.open or first.event is None:
            return None
        self._stretches.popleft()
        return first.event
