"""From a placed region to the messages that start its workers (law 3.3: what is large is fetched by digest)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from millstream_dataflow.identity import Digest, Epoch, RegionAttempt, TaskManagerId
from millstream_dataflow.job_graph import BlobRef
from millstream_dataflow.plan import WorkerPlan
from millstream_jobmanager.core.checkpoints.restore import Restorer
from millstream_jobmanager.core.commands import PublishBlob
from millstream_jobmanager.core.region import Region
from millstream_jobmanager.core.turn import Turn
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.deployments import (
    DataAddress,
    DeployWorker,
    RegionDeployment,
    ResultPlacement,
    WorkerPlacement,
)
from millstream_runtime.messages.snapshots import WorkerRestore


def publish(turn: Turn, attempt: RegionAttempt, value: object) -> BlobRef:
    """Serve a message as a blob."""
    data = encode(value)
    digest = Digest(hashlib.sha256(data).hexdigest())
    turn.emit(PublishBlob(attempt, digest, data))
    return BlobRef(digest, len(data))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a deployment needs beyond the region itself."""

    graph: BlobRef
    epoch: Epoch
    secret: bytes
    addresses: Mapping[TaskManagerId, DataAddress]
    restorer: Restorer | None
    inputs: tuple[ResultPlacement, ...] = ()


def deployments(turn: Turn, region: Region, around: Surroundings) -> list[tuple[TaskManagerId, DeployWorker]]:
    """One message for each worker, with its TaskManager; everything they name is published."""
    placements = tuple(
        WorkerPlacement(region.worker(o), o, slot.taskmanager, slot.slot, around.addresses[slot.taskmanager])
        for o, slot in sorted(region.placement.items())
    )
    deployment = RegionDeployment(region.attempt, around.epoch, around.secret, placements, around.inputs)
    shared = publish(turn, region.attempt, deployment)
    return [_message(turn, region, worker, shared, around) for worker in region.plan.workers]


def _message(
    turn: Turn, region: Region, worker: WorkerPlan, shared: BlobRef, around: Surroundings
) -> tuple[TaskManagerId, DeployWorker]:
    slot, restore = region.placement[worker.ordinal], None
    if around.restorer is not None:
        restores = WorkerRestore(tuple(around.restorer.subtask(subtask) for subtask in worker.subtasks))
        restore = publish(turn, region.attempt, restores)
    name = region.worker(worker.ordinal)
    message = DeployWorker(
        name, region.attempt, slot.slot, worker.ordinal, worker.subtasks, around.graph, shared, restore
    )
    return slot.taskmanager, message
