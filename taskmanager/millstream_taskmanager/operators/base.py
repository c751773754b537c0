"""What an operator is. Its methods are generators: whoever emits much yields slices of at most `SLICE` records, and the
task pulls as long as every output has credit (law 9.1). So no operator needs to know what credit is.

Batches come as the operator takes them; the chain converts. What it yields:

    a batch           to its main output
    SideBatch         to a side output
    Watermark, StreamStatus
                      if it makes its own (`makes_watermarks`); else those of its input pass when `advance` is through
    Rest              nothing, until something has happened outside
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import ClassVar, Protocol

from millstream_dataflow.identity import CheckpointId, JobId, OperatorId, TaskId
from millstream_dataflow.operators.chain import ChainNode
from millstream_dataflow.records import Barrier, Batch, RowBatch, StreamStatus, Watermark
from millstream_dataflow.records.controls import MIN_TIME
from millstream_taskmanager.operators.metrics import OperatorMetrics
from millstream_taskmanager.operators.state import FRESH, Inheritance, RestoredState, StoredList
from millstream_taskmanager.operators.waiting import DelayClock, Rest, TaskCoroutines
from millstream_taskmanager.state.snapshot import KeyedSnapshot

SLICE = 8_192
"""Records that are emitted at once, at most: with bytes as few, enough for the speed of big batches (law 9.1)."""


class Takes(Enum):
    """In which form an operator wants its batches."""

    ROWS = "rows"
    COLUMNS = "columns"
    EITHER = "either"


@dataclass(slots=True)
class SideBatch:
    """A batch for a side output. A tag that nobody reads is dropped."""

    tag: str
    batch: Batch


Output = Batch | SideBatch | Watermark | StreamStatus | Rest

PAUSE = RowBatch([])
"""Yielded by an operator that works long and gives little: its task gives the thread back, and goes on at its next
turn. It goes nowhere.
"""


@dataclass(frozen=True, slots=True)
class TaskPlace:
    """Where a task stands in its job."""

    task: TaskId
    vertex_name: str
    parallelism: int
    max_parallelism: int
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """The job's own (`pipeline.global-job-parameters`)."""
    job_name: str = ""
    operator_names: Mapping[OperatorId, str] = field(default_factory=dict[OperatorId, str])
    """Of the vertex's operators, as their user called them."""

    @property
    def job(self) -> JobId:
        """The job."""
        return self.task.attempt.job


class OperatorDoors(Protocol):
    """What operators may ask of their surroundings."""

    def now(self) -> int:
        """Processing time, milliseconds since the epoch."""
        ...

    def call_at(self, time: int, operator: OperatorId) -> None:
        """Call the operator's `on_time` at that processing time, or soon after."""
        ...

    def resume(self, operator: OperatorId) -> None:
        """Call the operator's `on_time` as soon as the task may emit, whatever the time."""
        ...

    @property
    def delays(self) -> DelayClock:
        """For what isn't processing time: a machine's clock may be set."""
        ...

    @property
    def coroutines(self) -> TaskCoroutines:
        """Where `async def` functions run."""
        ...

    def rounds(self) -> int:
        """How many times all tasks of this thread that had something to do have had a turn."""
        ...

    def write_out(self, text: str) -> None:
        """To the task's standard output."""
        ...

    def malformed(self, operator: str, record: str, place: str, reason: str) -> None:
        """Count and show an input record that can't be read."""
        ...

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """Do in a thread what may block, then call back between steps with what it raised, also when the task is over
        by then. What the call raises ends the task.
        """
        ...


class OperatorContext:
    """An operator's own view of its task. Is what connectors know as SourceContext and SinkContext."""

    def __init__(
        self, operator: OperatorId, name: str, place: TaskPlace, doors: OperatorDoors, state: RestoredState = FRESH
    ) -> None:
        self._operator = operator
        self._doors = doors
        self.name = name
        self.place = place
        self.state = Inheritance(state)
        self.metrics = OperatorMetrics(doors.now)
        """Of its functions."""
        self.watermark = MIN_TIME
        """How far event time has come, in a sink's."""
        self.malformed_records = 0
        """Told of since the attempt began."""

    def named(self, operator: OperatorId, name: str) -> "OperatorContext":
        """The same for another operator that runs within this one. It has the state and the metrics of this one."""
        named = OperatorContext(operator, name, self.place, self._doors)
        named.state, named.metrics = self.state, self.metrics
        return named

    def left_over(self) -> tuple[StoredList, ...]:
        """What was restored and nobody has asked for, to be stored again."""
        return self.state.left(self.subtask_index)

    def with_doors(self, wrap: Callable[[OperatorDoors], OperatorDoors]) -> "OperatorContext":
        """The same with other doors, for an operator that runs within this one: in a time of its own, say. State and
        metrics are those of this one.
        """
        other = OperatorContext(self._operator, self.name, self.place, wrap(self._doors))
        other.state, other.metrics = self.state, self.metrics
        return other

    @property
    def job(self) -> str:
        """The job's id."""
        return self.place.job

    @property
    def operator(self) -> OperatorId:
        """The operator's id."""
        return self._operator

    @property
    def operator_name(self) -> str:
        """What its user called it; `name` says as well where."""
        return self.place.operator_names.get(self._operator, self.name)

    @property
    def region(self) -> int:
        """The task's region."""
        return self.place.task.attempt.region

    @property
    def attempt(self) -> int:
        """The region's attempt."""
        return self.place.task.attempt.number

    @property
    def subtask_index(self) -> int:
        """Which of the parallel instances this is, from 0."""
        return self.place.task.subtask.index

    @property
    def parallelism(self) -> int:
        """How many instances there are."""
        return self.place.parallelism

    def now(self) -> int:
        """Processing time, milliseconds since the epoch."""
        return self._doors.now()

    def current_watermark(self) -> int:
        """How far event time has come, for the writer of a sink."""
        return self.watermark

    def call_at(self, time: int) -> None:
        """Be called (`on_time`) at that processing time, or soon after."""
        self._doors.call_at(time, self._operator)

    def resume(self) -> None:
        """Be called (`on_time`) as soon as the task may emit."""
        self._doors.resume(self._operator)

    @property
    def delays(self) -> DelayClock:
        """A clock that nobody sets. What it calls is called between steps: it may note something, and `resume`."""
        return self._doors.delays

    @property
    def coroutines(self) -> TaskCoroutines:
        """Where `async def` functions run."""
        return self._doors.coroutines

    def rounds(self) -> int:
        """How many times all tasks of this thread that had something to do have had a turn."""
        return self._doors.rounds()

    def write_out(self, text: str) -> None:
        """To the task's standard output."""
        self._doors.write_out(text)

    def malformed(self, record: str, place: str, reason: str) -> None:
        """Count and show an input record that can't be read; `place` says where it stands (file and line)."""
        self.malformed_records += 1
        self._doors.malformed(self.name, record, place, reason)

    def run_blocking(self, job: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """Do in a thread what may block, then call back between steps."""
        self._doors.run_blocking(job, then)


@dataclass(frozen=True, slots=True)
class Commit:
    """What becomes visible outside: `run` may block and is called in the pool, then `done` in the task's own thread."""

    run: Callable[[], None]
    done: Callable[[], None]


class Operator(ABC):
    """One operator of a task. Methods are called one at a time, never while a generator of it is half pulled."""

    takes: ClassVar[Takes] = Takes.ROWS
    makes_watermarks: ClassVar[bool] = False
    keys_at_once: ClassVar[int] = 1
    """Batch mode: of how many keys it takes all records before it hears that these are through (`grouped`). More than
    one where that spares work and nobody can tell: no function of the user's looks from one key to the next.
    """
    counts_idleness: bool = False
    """Whether `hold` is of interest."""
    late: int = 0
    """Records that came too late, since the attempt began."""
    audited: ClassVar[bool] = False
    """Whether `received` and `processed` are counted (law 10.2)."""
    received: int = 0
    """Records that have come since the attempt began."""
    processed: int = 0
    """Of those, the ones that are in its state or in what it gave."""
    skipped: int = 0
    """Of those, the ones that can't be read."""

    def open(self, context: OperatorContext) -> None:  # noqa: B027  # most hold nothing
        """Called once before everything else; the restored state is in the context."""

    @abstractmethod
    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        """A batch of input `number`."""

    def advance(self, watermark: Watermark) -> Iterator[Output]:
        """Event time has come so far: what is due by it."""
        return iter(())

    def status(self, status: StreamStatus) -> Iterator[Output]:
        """Its input has gone idle, or is active again; asked of who makes its own watermarks."""
        return iter(())

    def on_time(self, now: int) -> Iterator[Output]:
        """Processing time has come so far; asked for by `call_at`, or by `resume`."""
        return iter(())

    def end_of_input(self, number: int) -> Iterator[Output]:
        """Input `number` has no more records."""
        return iter(())

    def finish(self) -> Iterator[Output]:
        """No input has more records; what is left is emitted now."""
        return iter(())

    def forget_key(self) -> None:
        """Batch mode: the key at hand is through, its timers too, or all of several (`keys_at_once`). Nothing of it is
        kept, and event time begins anew for the next (`grouped`). Asked of operators on keyed streams alone.
        """
        raise TypeError(f"{type(self).__name__} has no keys to forget")

    def hold(self, *, held: bool) -> None:  # noqa: B027  # only clocks of idleness ask
        """The task can't take input: an output has no credit, or alignment holds a channel; or it can again."""

    def snapshot(self, barrier: Barrier, *, ended: bool) -> Sequence[StoredList]:
        """Its state at the barrier, as a value. `ended`: no records will follow."""
        return ()

    def keyed_snapshot(self) -> KeyedSnapshot | None:
        """Its keyed state at the barrier, to be encoded in slices; asked for right behind `snapshot`."""
        return None

    def make_durable(self) -> Callable[[], None] | None:
        """What must be durable outside before the snapshot may be acknowledged; it may block, and is called in the
        pool. Asked for right behind `snapshot`.
        """
        return None

    def restored_commit(self) -> Commit | None:
        """What the restored checkpoint had prepared to go outside."""
        return None

    def commit(self, checkpoint: CheckpointId) -> Commit | None:
        """The checkpoint is complete and commits: what of it goes outside."""
        return None

    @property
    def accepts(self) -> bool:
        """Whether it has room for more input; when it has again, its task is woken by whoever made room."""
        return True

    @property
    def held(self) -> int:
        """Records that are neither processed nor skipped, since they wait; less those that were restored so, which
        the restored counts have: it may be negative.
        """
        return 0

    @property
    def room(self) -> float:
        """How many records it may well be given at a turn (`task.turns`), for reasons that its work doesn't show."""
        return inf

    @property
    def settled(self) -> bool:
        """Whether it may end: nothing of it is waited for by somebody outside."""
        return True

    def ask(self, payload: bytes) -> bytes:
        """A question from outside, between steps. LookupError from an operator that answers none."""
        raise LookupError(f"{type(self).__name__} answers no questions")

    def drop_leftovers(self, spared: Sequence[CheckpointId]) -> Callable[[], None] | None:
        """What deletes the hidden output of former attempts, but that of these checkpoints (law 6.2). It may block."""
        return None

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Called once at the end, however it came."""


class RowOperator(Operator):
    """One that takes rows."""

    def process(self, number: int, batch: Batch) -> Iterator[Output]:
        """See Operator."""
        if not isinstance(batch, RowBatch):
            raise TypeError(f"{type(self).__name__} takes rows, but the chain brought columns")
        return self.process_rows(number, batch)

    @abstractmethod
    def process_rows(self, number: int, batch: RowBatch) -> Iterator[Output]:
        """A batch of rows of input `number`."""


def label(node: ChainNode) -> str:
    """How errors name an operator: its name, and where the user made it."""
    return f"{node.name} ({node.defined_at})" if node.defined_at else node.name
