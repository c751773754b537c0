"""What a sink is made of (law 6). A writer takes batches; at a barrier it hands over committables, which lie in the
checkpoint and are committed when it is complete. Commits are repeated after a restore, so they must be idempotent.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Batch

CommittableT = TypeVar("CommittableT")


class SinkContext(Protocol):
    """What a running sink may know."""

    @property
    def job(self) -> str:
        """The job's id."""
        ...

    @property
    def operator(self) -> str:
        """The sink's operator id."""
        ...

    @property
    def region(self) -> int:
        """The region that the subtask belongs to; with the attempt it fences names (law 6.2)."""
        ...

    @property
    def attempt(self) -> int:
        """The region's attempt."""
        ...

    @property
    def subtask_index(self) -> int:
        """Which of the parallel writers this is, from 0."""
        ...

    @property
    def parallelism(self) -> int:
        """How many writers there are."""
        ...

    def now(self) -> int:
        """Processing time, milliseconds since the epoch."""
        ...

    def current_watermark(self) -> int:
        """How far event time has come: what is written now and isn't later than that is late. -2**63 until there is a
        watermark, also after a restart (Flink: `currentWatermark`).

        The time of a record itself, which Flink's context tells too, stands beside it in its batch.
        """
        ...

    def write_out(self, text: str) -> None:
        """To the task's standard output."""
        ...


class SinkWriter(ABC, Generic[CommittableT]):
    """Takes what the stream brings. Called between batches only."""

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Take a batch; it may be buffered."""

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[CommittableT]:  # optional
        """Everything written so far as committables; what is written later belongs to the next checkpoint.

        It must not block: what has to, before they may lie in a checkpoint, is done by `make_durable`.
        """
        return ()

    def make_durable(self) -> Callable[[], None] | None:  # optional
        """Gives the job that makes durable all that was prepared so far, and may block; None: all of it is durable.

        Asked for right behind `prepare_commit`, in the task's thread. The job is called in another one (inline: in the
        same), and the checkpoint is acknowledged when it has returned. Jobs of a writer are called one at a time, in
        the order of their checkpoints. While one is at work the task may call `write`, `prepare_commit`, `snapshot` and
        this method, and the committer's `commit` may run in a third thread; `close` is not called then.

        A job may be skipped: that of a checkpoint that is given up before its turn, and those that are left when the
        task ends. So `close` may come when none was ever called; none is called behind it. A job may raise, which fails
        the checkpoint alone. Whatever isn't durable yet, for either reason or since a job is still at work on it, is
        the work of the next job as well: its checkpoint names it too (law 4.4). A second thread makes a worker slower
        as long as it runs Python, so do system calls and little else.
        """
        return None

    def snapshot(self) -> Sequence[Any]:
        """State of its own, as items of list state; most writers have none, since they roll at every barrier."""
        return ()

    def close(self) -> None:  # most writers hold nothing
        """Give files and connections back; what is not in a committable is lost, as it must be.

        Called in the task's thread, so it must not block. It isn't called while a job of `make_durable` is at work:
        such a writer goes with its process.
        """


class Committer(ABC, Generic[CommittableT]):
    """Makes committables visible."""

    @abstractmethod
    def commit(self, committables: Sequence[CommittableT]) -> None:
        """Idempotent: source there, publish; source gone and target there, done; both gone, raise (law 6.1)."""

    def drop_leftovers(self, context: SinkContext, spared: Sequence[CheckpointId]) -> None:  # optional
        """Delete what former attempts of this sink and region left, sparing what was closed by `spared` (law 6.2)."""


class Sink(ABC, Generic[CommittableT]):
    """A kind of output, as the user configured it. Pickled by reference with its fields; opens nothing itself."""

    @abstractmethod
    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> SinkWriter[CommittableT]:
        """The writer, with the state items that are this subtask's after a restore (none at first)."""

    def create_committer(self, context: SinkContext) -> Committer[CommittableT] | None:  # optional
        """The committer, for exactly-once; None: what is written is out."""
        return None

    commits_outside: bool = False
    """Whether there is a committer.

    Decides what a corrupt checkpoint means (law 4.6) and whether checkpointing is required (law 5.4).
    """

    writer_keeps_state: bool = True
    """Whether `SinkWriter.snapshot` ever gives anything. Where the order of the calls alone tells which operator that
    belongs to, the user is warned; a sink that says False spares them that.
    """
