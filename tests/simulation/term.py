"""One term of office in a virtual JobManager: what surrounds the real core and the real shell. It stands for `carrier`,
`sessions` and `term` of the service.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from millstream_dataflow.identity import Epoch, JobId, SessionId
from millstream_jobmanager.core import commands as c
from millstream_jobmanager.core import events as e
from millstream_jobmanager.core.cluster import ClusterCore
from millstream_jobmanager.core.moment import Moment
from millstream_jobmanager.leadership.office import Office
from millstream_jobmanager.service.blobs import PublishedBlobs
from millstream_jobmanager.service.carrier import CLOSING_S, Carrier, LeadershipLostError, _store_record
from millstream_jobmanager.service.shell import Hands, Shell
from millstream_jobmanager.store import JobStore
from millstream_runtime.messages.session import CheckpointCompleted, FromJobManager, TriggerCheckpoint
from tests.simulation.story import brief
from tests.simulation.wire import LEADER, Stream

if TYPE_CHECKING:
    from tests.simulation.jobmanager import VirtualJobManager

T = TypeVar("T")
Post = Callable[[e.Event], None]


class VirtualCarrier:
    """One thread for the records, which blocks in virtual time; checkpoints are written beside it."""

    def __init__(self, jobmanager: VirtualJobManager, store: JobStore) -> None:
        self._process = jobmanager
        self._stores = jobmanager.cluster.stores
        self._store = store
        self._calls = deque[Callable[[], None]]()
        self._working: Future[None] | None = None
        self._collecting: Future[None] | None = None

    async def ask(self, call: Callable[[JobStore], T]) -> T:
        """Ask the store, in its own thread."""
        return await asyncio.wrap_future(self._submit(partial(call, self._store)))

    def _submit(self, call: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001  # whoever asked gets it
                future.set_exception(error)

        self._calls.append(run)
        if self._working is None or self._working.done():
            self._working = self._process.thread(self._work, at_once=self._at_once())
        return future

    def _at_once(self) -> bool:
        """Two calls of three have nothing between their steps. Time, and what others do, then lies between calls."""
        process = self._process
        return not process.storage.planned and process.zookeeper.answers and process.world.chance(0.65)

    def _work(self) -> None:
        while self._calls:
            self._calls.popleft()()

    async def close(self) -> None:
        """Wait for what runs, drop what waits."""
        self._calls.clear()
        if self._working is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_S):
                    await asyncio.wrap_future(self._working)
        self._store.close()

    # ------------------------------------------------------------ the core's orders

    def store_record(self, command: c.StoreRecord, post: Post) -> None:
        """Answered by RecordStored."""
        record = command.record
        self._process.cluster.outside.written[record.nonce] = record
        stored = self._submit(partial(_store_record, self._store, record))
        stored.add_done_callback(lambda done: self._answer(post, done.result()))

    def delete_record(self, job: JobId) -> None:
        """Not answered: the next leader tries again."""
        self._submit(partial(self._store.delete, job))
        self._submit(self.collect_garbage)

    def collect_garbage(self) -> None:
        """Not answered; in another thread than the records. One at a time: the store keeps a second one waiting by a
        lock, which would be a real one here.
        """
        if self._collecting is None or self._collecting.done():
            self._collecting = self._process.thread(self._store.collect_garbage, at_once=self._at_once())

    def write_metadata(self, command: c.WriteMetadata, post: Post) -> None:
        """Answered by MetadataWritten."""

        def answer(outcome: e.Outcome) -> None:
            self._answer(post, e.MetadataWritten(command.job, command.checkpoint, outcome, 1, "as played"))

        self._stores.publish(command.path, command.metadata, answer)

    def load_metadata(self, command: c.LoadMetadata, post: Post) -> None:
        """Answered by MetadataLoaded."""

        def answer(found: Any, problem: e.LoadProblem | None) -> None:  # noqa: ANN401  # metadata, or none
            self._answer(post, e.MetadataLoaded(command.job, command.path, found, problem, "as played"))

        self._stores.load(command.path, answer)

    def _answer(self, post: Post, event: e.Event) -> None:
        self._process.after(0, 8, partial(post, event))

    def discard_checkpoint(self, job: JobId, path: str) -> None:
        """Not answered."""
        self._stores.discard(path)

    def discard_job(self, command: c.DiscardJob, directory: str, post: Post) -> None:
        """Answered by JobDiscarded."""

        def answer(problem: str) -> None:
            self._answer(post, e.JobDiscarded(command.job, command.sweep, problem))

        self._stores.discard_job(directory, command.job, command.kept, answer)


class VirtualStreams:
    """The sessions with TaskManagers."""

    def __init__(self, jobmanager: VirtualJobManager, epoch: Epoch) -> None:
        self._jobmanager = jobmanager
        self._outside = jobmanager.cluster.outside
        self._epoch = epoch
        self.open: dict[SessionId, Stream] = {}

    def send(self, session: SessionId, message: FromJobManager) -> None:
        """In order."""
        stream = self.open.get(session)
        if isinstance(message, CheckpointCompleted):
            self._outside.tells(message.attempt.job, message.checkpoint)
        elif isinstance(message, TriggerCheckpoint):
            self._outside.triggers(message.tasks)
        if stream is not None and stream.to_taskmanager is not None:
            stream.to_taskmanager.send((self._epoch, self._jobmanager.name, message))

    def close(self, session: SessionId, reason: str) -> None:
        """One."""
        if session in self.open:
            self.open[session].cut(reason, by=LEADER)

    def job_ended(self, job: JobId) -> None:
        """Nothing is kept for it."""

    def end(self, reason: str) -> None:
        """All."""
        for stream in list(self.open.values()):
            stream.cut(reason, by=LEADER)


class VirtualShell(Shell):
    """The real one, which tells the story, and lets a core that fails end the run."""

    def __init__(self, jobmanager: VirtualJobManager, core: ClusterCore, hands: Hands, office: Office) -> None:
        world = jobmanager.world
        super().__init__(core, hands, office, lambda: world.now)
        self._jobmanager = jobmanager

    def _handle(self, event: e.Event) -> None:
        jobmanager, world = self._jobmanager, self._jobmanager.world
        if world.over:
            return
        if world.tells:
            jobmanager.say(brief(event))
        if isinstance(event, e.RecordStored):
            self._writes.pop(event.nonce, None)
        try:
            for command in self.core.handle(event, Moment(self._now(), world.now)):
                if world.tells:
                    self._tell(command)
                self._carry_out(command)
        except Exception as error:  # noqa: BLE001  # any error ends the run and is raised at its end
            world.fail(error)
        self.changes.happened()

    def _tell(self, command: c.Command) -> None:
        match command:
            case c.PublishBlob():
                pass
            case c.Tell(text=text):
                self._jobmanager.say(text)
            case _:
                self._jobmanager.say(f"=> {brief(command)}")

    def end(self, reason: str) -> None:
        """With a line for the story."""
        if self.leads:
            self._jobmanager.say(f"leads no more: {reason}")
        super().end(reason)


class Term:
    """It leads."""

    def __init__(self, jobmanager: VirtualJobManager, epoch: Epoch, core: ClusterCore, carrier: VirtualCarrier) -> None:
        self.epoch = epoch
        self.carrier = carrier
        self.streams = VirtualStreams(jobmanager, epoch)
        self.blobs = PublishedBlobs()
        self.hands = Hands(cast("Carrier", carrier), self.blobs, self.streams)
        self.core = core
        self._jobmanager = jobmanager
        self.shell: VirtualShell | None = None

    async def begin(self, office: Office, jobs: list[e.Event]) -> VirtualShell:
        """Every stored job is recovered before anybody is heard."""
        shell = VirtualShell(self._jobmanager, self.core, self.hands, office)
        try:
            await shell.recover(jobs)
        except LeadershipLostError:
            shell.end("it was over before it began")
            raise
        self.shell = shell
        return shell
