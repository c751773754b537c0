"""The asyncio shell around the core: events in, in the order of their arrival; commands out, in the core's order.

The core belongs to the loop's thread and is called from one place, `_drain`. What threads answer comes back through
the loop. Everybody else may look at the core between two events, and nobody may change it.

Before each event the office is asked whether the leader may decide (ARCHITECTURE 9). While it pauses, events wait.

A leader ends in four ways. Its office is **over**, by its own clock. It is **deposed** when the core finds that
another leads. Its store is **silent**, and another one may lead instead. Or the core **fails** (a fault of ours): a
leader whose state may be half changed must not go on, so it ends as well, with the event that it failed on in the log.
Nothing more is decided, said or deleted then, and tasks go on without it (law 3.5).
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from millstream_dataflow.identity import JobId, SessionId
from millstream_jobmanager.core import commands as c
from millstream_jobmanager.core.cluster import ClusterCore
from millstream_jobmanager.core.events import Ask, Asked, Event, RecordStored, Tick
from millstream_jobmanager.core.moment import Moment
from millstream_jobmanager.leadership.office import Office
from millstream_jobmanager.leadership.tenure import Hold
from millstream_jobmanager.service.blobs import PublishedBlobs
from millstream_jobmanager.service.carrier import Carrier, LeadershipLostError
from millstream_jobmanager.service.patience import WRITE_S, SilentStoreError
from millstream_jobmanager.service.running_clock import running_clock
from millstream_runtime.messages.session import FromJobManager

MAX_WAITING = 1000
"""Events; beyond it sessions aren't read until the core has caught up, so memory stays bounded."""
AT_ONCE = 100
"""Events handled in one go; then the loop serves sockets again, so that a heartbeat isn't late."""

_log = logging.getLogger("millstream.jobmanager")


def machine_clock() -> int:
    """Monotonic milliseconds of the machine."""
    return time.monotonic_ns() // 1_000_000


class CoreFailedError(Exception):
    """The deciding core raised an exception: a fault of Millstream. The log names the event."""


class Streams(Protocol):
    """The sessions, as far as the core commands them."""

    def send(self, session: SessionId, message: FromJobManager) -> None:
        """Into the stream, in order; nowhere when it is closed."""
        ...

    def close(self, session: SessionId, reason: str) -> None:
        """End the stream; what was sent before still goes out."""
        ...

    def job_ended(self, job: JobId) -> None:
        """Nothing of this job comes any more."""
        ...

    def end(self, reason: str) -> None:
        """End all streams at once."""
        ...


class Changes:
    """Wakes whoever watches when something may have changed."""

    def __init__(self) -> None:
        self._next: asyncio.Event | None = None

    def next(self) -> asyncio.Event:
        """Is set at the next change; taken before looking, so that no change is missed."""
        if self._next is None:
            self._next = asyncio.Event()
        return self._next

    def happened(self) -> None:
        """Something may have changed."""
        if self._next is not None:
            self._next.set()
            self._next = None


@dataclass(frozen=True, slots=True)
class Hands:
    """What the core's commands are carried out by."""

    carrier: Carrier
    blobs: PublishedBlobs
    streams: Streams


class Shell:
    """Owns the core."""

    def __init__(
        self, core: ClusterCore, hands: Hands, office: Office, clock: Callable[[], int] = machine_clock
    ) -> None:
        """`clock`: monotonic milliseconds."""
        self.core = core
        self._office = office
        self._paused = False
        self._clock = clock
        interval, timeout = core.settings.heartbeat_interval, core.settings.heartbeat_timeout
        self._running = running_clock(interval, timeout, clock())
        self._pulse_interval = interval / 2_000
        self.changes = Changes()
        self._carrier = hands.carrier
        self._blobs = hands.blobs
        self._streams = hands.streams
        self._loop = asyncio.get_running_loop()
        self._events = deque[Event]()
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: int | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._requests = 0
        self._replies: dict[int, asyncio.Future[c.Reply]] = {}
        self._ended = asyncio.Event()
        self._fault: CoreFailedError | SilentStoreError | None = None
        self._writes: dict[str, int] = {}
        """Records that are being written, by their nonces: since when."""
        self._pulse = self._loop.call_later(self._pulse_interval, self._beat)
        office.on_change(self._office_changed)

    # ------------------------------------------------------------ face

    @property
    def leads(self) -> bool:
        """It still decides."""
        return not self._ended.is_set()

    def post(self, event: Event) -> None:
        """Something happened; the core hears of it soon."""
        if self.leads:
            self._events.append(event)
            if len(self._events) >= MAX_WAITING:
                self._room.clear()
            self._schedule()

    async def room(self) -> None:
        """Until the core isn't behind; for whoever could go on posting without end."""
        await self._room.wait()

    async def ask(self, ask: Ask) -> c.Reply:
        """A client asks; LeadershipLostError when this leader ends before it answers."""
        if not self.leads:
            raise LeadershipLostError
        self._requests += 1
        request = self._requests
        future: asyncio.Future[c.Reply] = self._loop.create_future()
        self._replies[request] = future
        try:
            self.post(Asked(request, ask))
            return await future
        finally:
            del self._replies[request]

    async def wait_ended(self) -> None:
        """Until it leads no more; CoreFailedError when that is our own fault, SilentStoreError when the store's."""
        await self._ended.wait()
        if self._fault is not None:
            raise self._fault

    def end(self, reason: str) -> None:
        """Decide nothing more."""
        if not self.leads:
            return
        self._ended.set()
        self._events.clear()
        self._room.set()
        self._pulse.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for future in self._replies.values():
            if not future.done():
                future.set_exception(LeadershipLostError(reason))
        self._streams.end(reason)
        self.changes.happened()

    # ------------------------------------------------------------ the one place that calls the core

    async def recover(self, events: list[Event]) -> None:
        """Before anything else happens. LeadershipLostError when the office is over before it has begun to lead,
        CoreFailedError when a job can't be taken in.
        """
        for event in events:
            while not self._may_decide():
                if not self.leads:
                    raise LeadershipLostError(self._office.reason)
                await self.changes.next().wait()
            self._handle(event)
            if self._fault is not None:
                raise self._fault
        self._set_timer()

    def _office_changed(self) -> None:
        self.changes.happened()
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self.leads:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        for _ in range(min(AT_ONCE, len(self._events))):
            if self._events and self._may_decide():
                self._handle(self._events.popleft())
        if not self._may_decide():
            return
        if len(self._events) < MAX_WAITING:
            self._room.set()
        if self._events:
            self._schedule()
        self._set_timer()

    def _may_decide(self) -> bool:
        """By the office, at this moment. Events wait while it pauses; when it is over this leader ends."""
        match self._office.hold():
            case Hold.HOLDS:
                if self._paused:
                    _log.warning("this JobManager decides again")
                self._paused = False
            case Hold.PAUSED:
                if not self._paused:
                    _log.warning("this JobManager pauses: nothing is decided until ZooKeeper answers; tasks go on")
                self._paused = True
            case Hold.OVER:
                if self.leads:
                    _log.error("this JobManager leads no more: %s", self._office.reason)
                self.end(f"this JobManager leads no more: {self._office.reason}")
        return self.leads and not self._paused

    def _handle(self, event: Event) -> None:
        now = Moment(self._now(), time.time_ns() // 1_000_000)
        if isinstance(event, RecordStored):
            self._writes.pop(event.nonce, None)
        try:
            for command in self.core.handle(event, now):
                self._carry_out(command)
        except Exception as error:  # noqa: BLE001  # see the module: a leader that fails ends
            _log.critical("the JobManager ends, for its core failed on %s", event, exc_info=True)
            self._fault = CoreFailedError(f"{type(error).__name__}: {error}, on {type(event).__name__}")
            self.end("this JobManager failed; another one, or the same one started again, carries its jobs on")
            return
        self.changes.happened()

    def _now(self) -> int:
        before = self._running.last_pause
        now = self._running.now(self._clock())
        if self._running.last_pause != before:
            seconds = self._running.last_pause / 1_000
            _log.warning("this JobManager didn't run for %.1f s; TaskManagers get time to return to it", seconds)
        return now

    def _set_timer(self) -> None:
        deadline = self.core.deadline() if self.leads else None
        if deadline == self._deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadline = deadline
        if deadline is not None:
            wait = self._running.wait(deadline, self._clock())
            self._timer = self._loop.call_later(wait / 1_000, self._tick)

    def _tick(self) -> None:
        self._timer = self._deadline = None
        self.post(Tick())

    def _beat(self) -> None:
        """The loop runs. Where this comes late, it didn't; and a leader that pauses blames nobody for that either."""
        if self._may_decide():
            self._now()
            self._look_at_writes()
        if not self.leads:
            return
        self._pulse = self._loop.call_later(self._pulse_interval, self._beat)

    def _look_at_writes(self) -> None:
        """The oldest comes first."""
        oldest = next(iter(self._writes.values()), None)
        if self._office.has_rivals and oldest is not None and self._clock() - oldest > WRITE_S * 1_000:
            self._fault = SilentStoreError(f"the job store has not answered for {WRITE_S:g} s")
            _log.error("this JobManager gives up its office: %s", self._fault)
            self.end(f"this JobManager leads no more: {self._fault}")

    # ------------------------------------------------------------ commands

    def _carry_out(self, command: c.Command) -> None:  # noqa: C901  # one arm a command
        match command:
            case c.Send(session=session, message=message):
                self._streams.send(session, message)
            case c.CloseSession(session=session, reason=reason):
                self._streams.close(session, reason)
            case c.StoreRecord(record=record):
                self._writes[record.nonce] = self._clock()
                self._carrier.store_record(command, self.post)
            case c.DeleteRecord(job=job):
                self._carrier.delete_record(job)
            case c.WriteMetadata():
                self._carrier.write_metadata(command, self.post)
            case c.LoadMetadata():
                self._carrier.load_metadata(command, self.post)
            case c.DiscardCheckpoint(job=job, path=path):
                self._carrier.discard_checkpoint(job, path)
            case c.DiscardJob(job=job):
                self._blobs.job_ended(job)
                self._streams.job_ended(job)
                directory = self.core.jobs[job].context.settings.checkpoints.directory
                self._carrier.discard_job(command, directory, self.post)
            case c.PublishBlob():
                self._blobs.publish(command)
            case c.Reply(request=request):
                self._reply(request, command)
            case c.StepDown(reason=reason):
                _log.error("this JobManager steps down: %s", reason)
                self.end(f"another JobManager leads: {reason}")
            case c.Tell(job=job, text=text, warning=warning):
                level = logging.WARNING if warning else logging.INFO
                _log.log(level, "%s%s", f"job {job}: " if job else "", text)

    def _reply(self, request: int, reply: c.Reply) -> None:
        future = self._replies.get(request)
        if future is not None and not future.done():
            future.set_result(reply)
