"""Finds splits and keeps those that nobody has asked for yet (law 8.1). Its task gives them to readers."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from millstream_dataflow.operators.specifications import EnumeratorSpecification
from millstream_dataflow.records import Barrier, Batch
from millstream_taskmanager.operators.base import Operator, OperatorContext, Output
from millstream_taskmanager.operators.state import StoredList, stored_list
from millstream_taskmanager.user_code.errors import ConnectorCode

_FOUND = "enumerator"
_UNSENT = "unsent splits"


class EnumeratorOperator(Operator):
    """See the module. It has no input, so `process` is never called."""

    def __init__(self, specification: EnumeratorSpecification) -> None:
        self._source = specification.source
        self._unsent = deque[Any]()
        self._next: int | None = None
        self._found: Sequence[Any] = ()
        self._before: StoredList | None = None  # a look is under way: a checkpoint has neither it nor its splits

    def open(self, context: OperatorContext) -> None:
        """Goes on from the snapshot: what was discovered before isn't discovered again."""
        self._context = context
        restored: list[tuple[bool, Any]] = context.state.items(_FOUND)
        looked, state = restored[0] if restored else (False, None)
        with ConnectorCode(context.name):
            enumerator = self._source.create_enumerator(context, state)
        if enumerator is None:
            raise TypeError(f"{type(self._source).__name__}.create_enumerator gave nothing, but has_enumerator is true")
        self._enumerator = enumerator
        self._unsent.extend(context.state.items(_UNSENT))
        self._looked = looked
        if not looked or self._source.discovery_interval is not None:
            self._next = context.now()

    @property
    def due(self) -> int | None:
        """When to discover next, milliseconds; None: it is under way, or everything has been found."""
        return self._next

    @property
    def exhausted(self) -> bool:
        """Whether no split is left and none will be found."""
        return not self._unsent and self._next is None and not self.looks

    @property
    def looks(self) -> bool:
        """Whether it is being looked for splits."""
        return self._before is not None

    def discover(self) -> Callable[[], None]:
        """Begin to look for splits. Gives what does it, which may block; `discovered` ends it."""
        guard = ConnectorCode(self._context.name, first_look=self._is_first_look)
        self._before = self._stored()
        self._next = None

        def look() -> None:
            with guard:
                self._found = self._enumerator.discover()

        return look

    def discovered(self) -> None:
        """The look is over."""
        self._unsent.extend(self._found)
        self._found, self._before = (), None
        self._looked = True
        interval = self._source.discovery_interval
        self._next = None if interval is None else self._context.now() + interval

    @property
    def _is_first_look(self) -> bool:
        """Of the whole job: a later attempt that finds nothing may find it again, as on storage that is away."""
        return not self._looked and self._context.attempt == 1 and not self._context.state.restored

    @property
    def has_splits(self) -> bool:
        """Whether there is one to give."""
        return bool(self._unsent)

    def next_split(self) -> Any:  # noqa: ANN401  # each source has a split type of its own
        """The split that is given next; `given` takes it out."""
        return self._unsent[0]

    def given(self) -> None:
        """A reader has it now."""
        self._unsent.popleft()

    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        """Never called."""
        raise TypeError("an enumerator has no input")

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """What was discovered, and what of it no reader has."""
        return [self._before or self._stored(), stored_list(_UNSENT, self._unsent)]

    def _stored(self) -> StoredList:
        with ConnectorCode(self._context.name):
            return stored_list(_FOUND, [(self._looked, self._enumerator.snapshot())])
