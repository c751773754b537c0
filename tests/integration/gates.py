"""A job whose end can be held at each of its steps, so that a test can kill somebody there.

A step is held while the file `hold-<step>` lies in the gates' directory; a process that waits there has written
`at-<step>-<pid>`. It keeps its worker's loop, or a thread of a pool, as a slow disk would.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millstream import FileSink
from millstream_dataflow.connectors import Committer, Read, Sink, SinkContext, SinkWriter, SourceContext
from millstream_dataflow.identity import CheckpointId
from millstream_dataflow.records import Batch
from tests.support.jobs import PacedEvents, PacedReader

STEPS = ("last record", "prepare", "snapshot", "closed", "durable", "commit", "committed", "sweep", "close")
"""In the order in which a job comes by."""


@dataclass(frozen=True)
class Gates:
    """All of them, by their directory."""

    directory: str

    def hold(self, step: str) -> None:
        """From now on whoever comes there waits."""
        (Path(self.directory) / f"hold-{step}").touch()

    def release(self, step: str) -> None:
        """Let them pass."""
        (Path(self.directory) / f"hold-{step}").unlink()

    def waiting(self, step: str) -> list[int]:
        """The processes that have come there."""
        return [int(path.name.rpartition("-")[2]) for path in Path(self.directory).glob(f"at-{step}-*")]

    def pass_through(self, step: str) -> None:
        """Wait here while it is held."""
        hold = Path(self.directory) / f"hold-{step}"
        if hold.exists():
            (Path(self.directory) / f"at-{step}-{os.getpid()}").touch()
        while hold.exists():
            time.sleep(0.005)


@dataclass(frozen=True)
class GatedEvents(PacedEvents):
    """Events whose last read is a step."""

    gates: Gates = Gates("")

    def create_reader(self, context: SourceContext, split: tuple[int, int], position: Any) -> "GatedReader":  # noqa: ANN401  # the interface's
        return GatedReader(self, context, split, split[0] if position is None else position)


class GatedReader(PacedReader):
    """See the source."""

    source: GatedEvents

    def read(self, limit: int) -> Read:
        found = super().read(limit)
        if found.ended:
            self.source.gates.pass_through("last record")
        return found


@dataclass(frozen=True)
class GatedSink(Sink[Any]):
    """A file sink whose last checkpoint goes by steps."""

    files: FileSink
    gates: Gates
    commits_outside: bool = True

    def create_writer(self, context: SinkContext, state: Sequence[Any]) -> "GatedWriter":
        return GatedWriter(self.files.create_writer(context, state), self.gates)

    def create_committer(self, context: SinkContext) -> "GatedCommitter":
        return GatedCommitter(self.files.create_committer(context), self.gates)


class GatedWriter(SinkWriter[Any]):
    """See the sink."""

    def __init__(self, writer: SinkWriter[Any], gates: Gates) -> None:
        self.writer = writer
        self.gates = gates
        self.ended = False

    def write(self, batch: Batch) -> None:
        self.writer.write(batch)

    def prepare_commit(self, checkpoint: CheckpointId, *, end_of_input: bool) -> Sequence[Any]:
        self.ended = end_of_input
        if end_of_input:
            self.gates.pass_through("prepare")
        return self.writer.prepare_commit(checkpoint, end_of_input=end_of_input)

    def make_durable(self) -> Callable[[], None] | None:
        job = self.writer.make_durable()
        if not self.ended:
            return job

        def gated() -> None:  # also when there is nothing to do: the next checkpoint finds the step held as well
            self.gates.pass_through("closed")
            if job is not None:
                job()
            self.gates.pass_through("durable")

        return gated

    def snapshot(self) -> Sequence[Any]:
        if self.ended:
            self.gates.pass_through("snapshot")
        return self.writer.snapshot()

    def close(self) -> None:
        self.gates.pass_through("close")
        self.writer.close()


class GatedCommitter(Committer[Any]):
    """See the sink."""

    def __init__(self, committer: Committer[Any] | None, gates: Gates) -> None:
        assert committer is not None
        self.committer = committer
        self.gates = gates

    def commit(self, committables: Sequence[Any]) -> None:
        self.gates.pass_through("commit")
        self.committer.commit(committables)
        self.gates.pass_through("committed")

    def drop_leftovers(self, context: SinkContext, spared: Sequence[CheckpointId]) -> None:
        self.gates.pass_through("sweep")
        self.committer.drop_leftovers(context, spared)
