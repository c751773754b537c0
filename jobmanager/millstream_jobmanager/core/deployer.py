"""How a region gets from waiting to running workers (ARCHITECTURE 5): placed, recorded, restored from, deployed.

    WAITING --slots--> RECORDING --stored--> LOADING --metadata--> DEPLOYING
                                        (nothing to restore from) ----^

A region that has gone another way meanwhile (its TaskManager died, the job was cancelled) is recognised by its attempt.
"""

from collections.abc import Callable
from dataclasses import replace

from millstream_dataflow.identity import RegionAttempt, TaskManagerId, WorkerId
from millstream_dataflow.records import SnapshotKind
from millstream_jobmanager.core.checkpoints.completed import fallbacks, with_damaged
from millstream_jobmanager.core.checkpoints.restore import Restorer
from millstream_jobmanager.core.commands import LoadMetadata
from millstream_jobmanager.core.context import JobContext
from millstream_jobmanager.core.deployment import Surroundings, deployments
from millstream_jobmanager.core.events import LoadProblem, MetadataLoaded
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.region_states import RegionState
from millstream_jobmanager.core.slots import SlotRef
from millstream_jobmanager.core.turn import Turn
from millstream_jobmanager.core.validation import commits_outside
from millstream_runtime.messages.deployments import DeployWorker, ResultPlacement
from millstream_runtime.messages.failures import Failure, FailureKind
from millstream_runtime.messages.record import CompletedCheckpoint, JobRecord, RegionRecord
from millstream_runtime.messages.snapshots import CheckpointMetadata
from millstream_runtime.result_tickets import result_ticket

GiveUpJob = Callable[[Turn, Failure], None]


class Deployer:
    """Deploys the regions of one job."""

    def __init__(self, context: JobContext, give_up_job: GiveUpJob) -> None:
        self._context = context
        self._give_up_job = give_up_job
        self._known: tuple[str, CheckpointMetadata] | None = None
        self._restorer: tuple[str, Restorer] | None = None
        """Made of it once, for all the regions that restore from it."""
        self._loading: dict[str, list[RegionAttempt]] = {}
        self._retry_at: int | None = None
        self.bad: set[str] = set()
        """Directories of checkpoints that turned out to be corrupt under this leader (law 4.6)."""
        self.sent: dict[WorkerId, DeployWorker] = {}
        """What this leader has sent; only that may it send again (law 3.4)."""

    def remember(self, point: CompletedCheckpoint, metadata: CheckpointMetadata) -> None:
        """The newest restart point's metadata: a failover needn't read it, and nothing is read ahead any more."""
        self._known = (point.path, metadata)
        self._loading = {path: waiting for path, waiting in self._loading.items() if waiting}

    def deadline(self) -> int | None:
        """When a storage that didn't answer is asked again."""
        return self._retry_at

    def tick(self, turn: Turn) -> None:
        """Ask the storage again."""
        if self._retry_at is not None and turn.now.monotonic >= self._retry_at:
            self._retry_at = None
            for path in self._loading:
                turn.emit(LoadMetadata(self._context.job, path))

    # ------------------------------------------------------------ placed

    def place(self, turn: Turn, region: Region, slots: list[SlotRef]) -> None:
        """The region has its slots: store the new attempt before anything of it is deployed (law 1.3)."""
        producers = self._context.plan.producers_of(region.plan.id)
        reads = sum(self._context.regions[producer].number for producer in producers)
        region.begin_attempt(dict(enumerate(slots)), reads)
        for ordinal, slot in region.placement.items():
            self._context.cluster.pool.take(slot, region.worker(ordinal))
        region.move(RegionState.RECORDING, "it has its slots")
        attempt, record = region.attempt, self._recorded(region)

        def stored(turn: Turn) -> None:
            if region.attempt == attempt and region.state is RegionState.RECORDING:
                self._restore(turn, region)

        def refused(turn: Turn, reason: str) -> None:
            if region.attempt == attempt and region.state is RegionState.RECORDING:
                turn.tell(region.job, f"attempt {attempt} could not be stored: {reason}; trying again", warning=True)
                self.withdraw(turn, region, self._context.cluster.settings.retry_delay)

        self._context.journal.change(turn, _with_region(record), stored, refused)

    def _recorded(self, region: Region) -> RegionRecord:
        record = region.to_record()
        resource = self._context.cluster.resource_of
        workers = tuple(replace(worker, resource=resource(worker.taskmanager)) for worker in record.workers)
        return replace(record, workers=workers)

    def withdraw(self, turn: Turn, region: Region, delay: int) -> None:
        """Nothing was deployed yet: give the slots back and wait."""
        for ordinal in region.placement:
            self._context.cluster.pool.release(region.worker(ordinal))
        region.move(RegionState.WAITING, "its placement was withdrawn")
        region.waiting_since = turn.now.monotonic
        region.not_before = turn.now.later(delay)

    # ------------------------------------------------------------ restored from

    def _restore(self, turn: Turn, region: Region) -> None:
        point = self.point()
        if (lost := self._lost()) is not None:
            self._give_up_job(turn, lost)
        elif point is None:
            self._deploy(turn, region, None)
        elif self._known is not None and self._known[0] == point.path:
            self._deploy(turn, region, self._known)
        else:
            region.move(RegionState.LOADING, f"it restores from checkpoint {point.checkpoint}")
            waiting = self._loading.setdefault(point.path, [])
            if not waiting:
                turn.emit(LoadMetadata(region.job, point.path))
            waiting.append(region.attempt)

    def point(self) -> CompletedCheckpoint | None:
        """Where a region would restart from now: the newest checkpoint that isn't known to be damaged, else what the
        job was started from.
        """
        good = self._good()
        return good[-1] if good else None

    def read_ahead(self, turn: Turn) -> None:
        """Read the newest checkpoint although nothing is restored: a new leader is asked for its audit."""
        point = self.point()
        if point is not None and self._known is None and point.path not in self._loading:
            self._loading[point.path] = []
            turn.emit(LoadMetadata(self._context.job, point.path))

    def _good(self) -> list[CompletedCheckpoint]:
        points = fallbacks(self._context.journal.record)
        return [point for point in points if not (point.damaged or point.path in self.bad)]

    def loaded(self, turn: Turn, event: MetadataLoaded) -> None:
        """A checkpoint's metadata has arrived, or why not."""
        if event.path not in self._loading:
            return
        if event.problem is LoadProblem.UNREACHABLE:
            turn.tell(event.job, f"checkpoint {event.path} can't be read now: {event.reason}", warning=True)
            self._retry_at = turn.now.later(self._context.cluster.settings.retry_delay)
            return
        waiting = [region for region in self._context.regions if region.attempt in self._loading[event.path]]
        waiting = [region for region in waiting if region.state is RegionState.LOADING]
        del self._loading[event.path]
        if event.metadata is None:
            for region in waiting:
                self.withdraw(turn, region, 0)
            if waiting:
                self.corrupt(turn, event.path, event.reason)
            return
        self._known = (event.path, event.metadata)
        for region in waiting:
            self._deploy(turn, region, self._known)

    def corrupt(self, turn: Turn, path: str, reason: str) -> None:
        """A checkpoint is damaged: from now on, and under the leaders to come, nobody restores from it."""
        if path in self.bad:
            return
        self.bad.add(path)
        self._known = None
        turn.tell(self._context.job, f"checkpoint {path} is damaged: {reason}", warning=True)
        self._context.journal.change(
            turn, lambda record: with_damaged(record, path), lambda _: None, lambda _turn, _reason: None
        )
        if (lost := self._lost(f"checkpoint {path} is damaged ({reason})")) is not None:
            self._give_up_job(turn, lost)

    def _lost(self, found: str = "") -> Failure | None:
        """Why nothing can be restored any more: the newest checkpoint is damaged, and an older one is taken only if no
        sink commits outside (law 4.6).
        """
        newest, good = fallbacks(self._context.journal.record)[-1:], self._good()
        if good[-1:] == [*newest] or (good and not commits_outside(self._context.graph)):
            return None
        names = ", ".join(point.path for point in reversed(good))
        mend = f"older ones: {names}. `millstream run -s PATH --accept-duplicates` goes on from one of them"
        text = f"{found or f'checkpoint {newest[0].path} is damaged'}; {mend if good else 'there is no older one'}"
        return Failure(FailureKind.CHECKPOINT, text, restartable=False)

    # ------------------------------------------------------------ deployed

    def _deploy(self, turn: Turn, region: Region, point: tuple[str, CheckpointMetadata] | None) -> None:
        cluster = self._context.cluster
        graph = self._context.journal.record.graph
        inputs = () if point and self._is_end(point[0]) else self._inputs(region)
        if inputs is None:
            self.withdraw(turn, region, 0)
            return
        restorer = self._restorer_of(*point) if point else None
        region.restored = point[0] if point else ""
        region.start_by = None if point else turn.now.later(cluster.settings.deployment_timeout)
        region.move(RegionState.DEPLOYING, "its attempt is stored")
        around = Surroundings(graph, cluster.epoch, cluster.secret(), cluster.addresses(), restorer, inputs)
        for taskmanager, message in deployments(turn, region, around):
            self.sent[message.worker] = message
            self._context.open_workers[message.worker] = (region.attempt, taskmanager)
            self._context.send(turn, taskmanager, message)

    def _is_end(self, path: str) -> bool:
        """What is restored from there has read all of its input."""
        points = self._context.journal.record.checkpoints
        return any(point.path == path and point.kind is SnapshotKind.FINAL for point in points)

    def _inputs(self, region: Region) -> tuple[ResultPlacement, ...] | None:
        """Where the results lie that it reads. None: some were lost while its attempt was stored."""
        cluster = self._context.cluster
        addresses = cluster.addresses()
        producers = [
            self._context.regions[number] for number in sorted(self._context.plan.producers_of(region.plan.id))
        ]
        if any(producer.lost or not producer.taskmanagers <= addresses.keys() for producer in producers):
            return None
        return tuple(
            ResultPlacement(
                producer.attempt,
                ordinal,
                slot.taskmanager,
                addresses[slot.taskmanager],
                result_ticket(cluster.results_key(slot.taskmanager), producer.attempt),
            )
            for producer in producers
            for ordinal, slot in sorted(producer.placement.items())
        )

    def _restorer_of(self, path: str, metadata: CheckpointMetadata) -> Restorer:
        if self._restorer is None or self._restorer[0] != path:
            self._restorer = path, Restorer(metadata, path, self._context.plan)
        return self._restorer[1]

    def send_again(self, turn: Turn, taskmanager: TaskManagerId, worker: WorkerId) -> bool:
        """Repeat a deployment that a new session doesn't show; False when this leader never sent it."""
        message = self.sent.get(worker)
        if message is not None:
            self._context.cluster.pool.take(SlotRef(taskmanager, message.slot), worker)
            self._context.send(turn, taskmanager, message)
        return message is not None

    def reserve_again(self, taskmanager: TaskManagerId) -> None:
        """A new session has reset the slots of its TaskManager: regions on their way keep theirs."""
        for region in self._context.regions:
            if region.state in (RegionState.RECORDING, RegionState.LOADING):
                for ordinal, slot in region.placement.items():
                    if slot.taskmanager == taskmanager:
                        self._context.cluster.pool.take(slot, region.worker(ordinal))

    def forget(self, worker: WorkerId) -> None:
        """The worker is gone."""
        self.sent.pop(worker, None)


def _with_region(new: RegionRecord) -> Callable[[JobRecord], JobRecord]:
    def mutate(record: JobRecord) -> JobRecord:
        others = tuple(region for region in record.regions if region.attempt.region != new.attempt.region)
        return replace(record, regions=(*others, new))

    return mutate
