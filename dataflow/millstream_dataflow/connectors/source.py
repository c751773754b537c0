"""What a source is made of (law 8). An enumerator finds splits and is one ordinary subtask; readers ask it for them
and keep a position per split, which is what a checkpoint stores. A source whose splits are known from the start
has no enumerator: each subtask takes its share of them, and nothing joins the subtasks.

Everything here runs in a worker. But for `SplitEnumerator.discover` nothing may block: a reader that has nothing at the
moment says so.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from millstream_dataflow.records import Batch

SplitT = TypeVar("SplitT")


class Boundedness(Enum):
    """Whether a source ends by itself."""

    BOUNDED = "bounded"
    CONTINUOUS_UNBOUNDED = "continuous unbounded"


class SourceContext(Protocol):
    """What a running source may know and do."""

    @property
    def subtask_index(self) -> int:
        """Which of the parallel readers this is, from 0."""
        ...

    @property
    def parallelism(self) -> int:
        """How many readers there are."""
        ...

    def now(self) -> int:
        """Processing time, milliseconds since the epoch; never ask the operating system instead."""
        ...

    def malformed(self, record: str, place: str, reason: str) -> None:
        """Count and show an input record that can't be read; `place` says where it stands (file and line)."""
        ...

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """For readers: do in a thread what may block, then call back, with what the job raised, between two calls of
        anything else of the worker. The reader is asked for its records again behind that call, whenever it wanted to
        be.

        Threads are few: a job of another reader of the subtask may have to end before this one begins. A reader that
        has more than one under way doesn't know which begins or ends first. One that is closed meanwhile is called
        back all the same, and lets go then of what the job has opened. Inline the job is done, and the reader called,
        before this returns.
        """
        ...


@dataclass(frozen=True, slots=True)
class Read:
    """What one call of `SplitReader.read` gave. Neither batch nor end: nothing there at the moment."""

    batch: Batch | None = None
    ended: bool = False
    ready_at: int | None = None
    """Processing time at which asking again makes sense, milliseconds; None: whenever convenient."""
    waits: bool = False
    """Neither batch nor end, since a job of `run_blocking` is under way: there may be records, but nobody knows before
    it is through. The reader isn't asked before then, and its split doesn't become idle meanwhile (law 7.3). A reader
    that waits for records to come into being, rather than for a disk, gives `ready_at` instead; it too is asked
    again when its job is through.
    """


class SplitReader(ABC):
    """Reads one split.

    `position()` after a `read` is where a restored reader goes on; it is pickled into checkpoints. What may block is
    handed to `SourceContext.run_blocking`, and the call waited for:

        class PageReader(SplitReader):
            def __init__(self, context, split, position):
                self._context, self._split, self._next = context, split, position or 0
                self._page, self._ended, self._error, self._under_way = [], False, None, False

            def read(self, limit):
                if self._error is not None:
                    raise self._error
                if not self._page and not self._ended:
                    if not self._under_way:
                        self._under_way = True
                        self._context.run_blocking(self._fetch, self._fetched)
                    return Read(waits=True)
                records, self._page = self._page[:limit], self._page[limit:]
                self._next += len(records)
                return Read(RowBatch(records) if records else None, ended=self._ended)

            def _fetch(self):  # in a thread
                self._page = self._split.page_from(self._next)
                self._ended = not self._page

            def _fetched(self, error):  # between two calls of the others
                self._under_way, self._error = False, error

            def position(self):
                return self._next
    """

    @abstractmethod
    def read(self, limit: int) -> Read:
        """The next batch, of at most `limit` records, without blocking."""

    @abstractmethod
    def position(self) -> Any:  # noqa: ANN401  # each source has a position type of its own
        """Where the next `read` begins. A value: later reads must not change it."""

    def close(self) -> None:  # noqa: B027  # most readers hold nothing
        """Give files and connections back."""


class SplitEnumerator(ABC, Generic[SplitT]):
    """Finds splits. Never called twice at once, and not while its task is at something else, but for `discover`."""

    @abstractmethod
    def discover(self) -> Sequence[SplitT]:
        """Splits not given before. Called in a thread, so it may block: a listing may take its time.

        A bounded source is asked once, an unbounded one `discovery_interval` milliseconds after the last answer.
        """

    def snapshot(self) -> Any:  # noqa: ANN401  # each source has a state type of its own
        """What `Source.create_enumerator` needs to go on: what was discovered before.

        Splits not yet sent are kept for you.
        """
        return None


class Source(ABC, Generic[SplitT]):
    """A kind of input, as the user configured it. Pickled by reference with its fields; opens nothing itself."""

    boundedness: Boundedness = Boundedness.BOUNDED
    discovery_interval: int | None = None
    """Milliseconds between two discoveries; None: once."""

    def create_enumerator(self, context: SourceContext, state: Any) -> SplitEnumerator[SplitT] | None:  # noqa: ANN401  # see snapshot
        """The enumerator, from its snapshot or from None.

        A source without one overrides `static_splits` and `has_enumerator`.
        """
        return None

    has_enumerator: bool = True

    keeps_records: bool = False
    """Whether readers keep objects that they give, or give one of them twice. Then each record is copied, unless that
    can't be changed, or the program says that nobody does (`pipeline.object-reuse`).
    """

    def static_splits(self, parallelism: int) -> Sequence[SplitT]:  # overridden where needed
        """All splits of a source without an enumerator, the same at every call.

        Subtask i takes every parallelism-th from i.
        """
        return ()

    @abstractmethod
    def create_reader(self, context: SourceContext, split: SplitT, position: Any) -> SplitReader:  # noqa: ANN401  # see position
        """Open a split at a position (None: its beginning)."""
