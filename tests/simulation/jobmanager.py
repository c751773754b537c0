"""A JobManager process: the real core, and what it asked for carried out in virtual time.

What a dead one had under way may still land.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from millstream_dataflow.identity import Digest, Epoch, SessionId
from millstream_jobmanager.core import commands as c
from millstream_jobmanager.core import events as e
from millstream_jobmanager.core.cluster import Chances, ClusterCore
from millstream_jobmanager.core.moment import Moment
from millstream_jobmanager.core.settings import ClusterSettings
from millstream_runtime.messages.session import FromTaskManager, Register
from tests.simulation.wire import Stream

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

SETTINGS = ClusterSettings(
    heartbeat_interval=500, heartbeat_timeout=3_000, adoption_timeout=1_500, retry_delay=100, tombstone_time=10_000_000
)
MakeCore = Callable[[Epoch, ClusterSettings, "Cluster"], ClusterCore]


def real_core(epoch: Epoch, settings: ClusterSettings, cluster: Cluster) -> ClusterCore:
    """The core as it is."""
    chances = Chances(lambda: b"secret", cluster.world.random.random)
    return ClusterCore(epoch, settings, cluster.job_settings, chances)


class VirtualJobManager:
    """One JobManager process."""

    def __init__(self, cluster: Cluster, epoch: Epoch, make_core: MakeCore) -> None:
        self.cluster = cluster
        self.world = cluster.world
        self.stores = cluster.stores
        self.epoch = epoch
        self.name = f"jm.{epoch}"
        self.alive = True
        self.streams: dict[SessionId, Stream] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.replies: dict[int, c.Reply] = {}
        self.core = make_core(epoch, SETTINGS, cluster)

    def start(self) -> None:
        """Fence, then read what is stored."""
        self.stores.epoch = self.epoch
        self.world.say(self.name, "leads")
        for job, record in list(self.stores.records.items()):
            self.deliver(e.JobRecovered(record, self.stores.graphs[job]))

    def kill(self) -> None:
        """SIGKILL."""
        self.alive = False
        self.world.say(self.name, "killed")
        for stream in list(self.streams.values()):
            stream.cut("the JobManager was killed")

    # ------------------------------------------------------------ events

    def heard(self, session: SessionId, message: object) -> None:
        """From a TaskManager."""
        if isinstance(message, Register):
            self.deliver(e.SessionOpened(session, message))
        else:
            self.deliver(e.MessageReceived(session, cast("FromTaskManager", message)))

    def closed(self, session: SessionId, reason: str) -> None:
        """A stream ended."""
        self.streams.pop(session, None)
        self.deliver(e.SessionClosed(session, reason))

    def deliver(self, event: e.Event) -> None:
        """Something happened."""
        if not self.alive:
            return
        self.cluster.guard(lambda: self._handle(event))

    def _handle(self, event: e.Event) -> None:
        self.world.say(self.name, f"{event!s:.160}")
        for command in self.core.handle(event, Moment(self.world.now, self.world.now)):
            self._carry_out(command)
        deadline = self.core.deadline()
        if deadline is not None:
            self.world.at(deadline, self._tick)

    def _tick(self) -> None:
        deadline = self.core.deadline()
        if self.alive and deadline is not None and deadline <= self.world.now:
            self.deliver(e.Tick())

    # ------------------------------------------------------------ commands

    def _carry_out(self, command: c.Command) -> None:  # noqa: C901, PLR0912  # one arm a command
        if not isinstance(command, c.PublishBlob):
            self.world.say(self.name, f"=> {command!s:.160}")
        match command:
            case c.Send(session=session, message=message):
                stream = self.streams.get(session)
                if stream is not None and stream.to_taskmanager is not None:
                    stream.to_taskmanager.send((self.epoch, message))
            case c.CloseSession(session=session, reason=reason):
                if session in self.streams:
                    self.streams[session].cut(reason)
            case c.StoreRecord(record=record):
                self.stores.put(
                    self.epoch,
                    record,
                    lambda outcome: self.deliver(e.RecordStored(record.job, record.nonce, outcome, "as played")),
                )
            case c.WriteMetadata(job=job, checkpoint=checkpoint, path=path, metadata=metadata):
                self.stores.publish(
                    path,
                    metadata,
                    lambda outcome: self.deliver(e.MetadataWritten(job, checkpoint, outcome, 1, "as played")),
                )
            case c.LoadMetadata(job=job, path=path):
                self.stores.load(
                    path, lambda found, problem: self.deliver(e.MetadataLoaded(job, path, found, problem, "as played"))
                )
            case c.DiscardCheckpoint(path=path):
                self.stores.discard(path)
            case c.PublishBlob(digest=digest, data=data):
                self.blobs[digest] = data
            case c.Reply(request=request):
                self.replies[request] = command
            case c.StepDown():
                self.kill()
            case _:
                pass
