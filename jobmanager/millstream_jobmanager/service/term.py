"""One term of office: what leads, from the moment it was won until it is over. A JobManager has one at a time, or none.

The store is opened, an epoch taken, every stored job recovered, before anybody is heard.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import Epoch
from millstream_dataflow.words import counted
from millstream_jobmanager.core.cluster import Chances, ClusterCore
from millstream_jobmanager.leadership.office import Office
from millstream_jobmanager.service.blobs import PublishedBlobs
from millstream_jobmanager.service.carrier import Carrier
from millstream_jobmanager.service.gateway import ClientDoors, ClientGateway
from millstream_jobmanager.service.sessions import Around, OpenSessions, TaskManagerGateway
from millstream_jobmanager.service.settings import (
    JobSettingsReader,
    cluster_settings,
    savepoints_beside,
    service_settings,
)
from millstream_jobmanager.service.shell import Hands, Shell
from millstream_jobmanager.service.standby import Services
from millstream_jobmanager.service.startup import recovered_jobs, take_epoch
from millstream_jobmanager.service.submissions import SubmissionChecks
from millstream_jobmanager.service.uploads import Uploads

BETWEEN_COLLECTIONS = 1800.0
"""Seconds between two looks for blobs that no job needs; they are spared for an hour anyway."""

_log = logging.getLogger("millstream.jobmanager")


@dataclass(frozen=True, slots=True)
class Term:
    """It leads; its parts are taken apart by the stack that it was made with."""

    epoch: Epoch
    shell: Shell
    services: Services


async def begin_term(
    stack: AsyncExitStack, office: Office, configuration: Configuration, checkpoint_directory: str, target: str
) -> Term:
    """StartupError and the store's own errors when it can't lead. `target` is the name that TaskManagers are told."""
    settings = service_settings(configuration)
    carrier = Carrier(office.store)
    stack.push_async_callback(asyncio.to_thread, carrier.close)
    reader = JobSettingsReader(configuration, checkpoint_directory, savepoints_beside(checkpoint_directory))
    epoch = await take_epoch(carrier, reader({}).checkpoints.directory)
    core = ClusterCore(epoch, cluster_settings(configuration, target), reader, _chances())
    sessions, blobs = OpenSessions(epoch), PublishedBlobs()
    shell = Shell(core, Hands(carrier, blobs, sessions), office)
    stack.callback(shell.end, "this JobManager stops")
    await shell.recover(await recovered_jobs(carrier, reader))
    clients = ClientGateway(
        ClientDoors(shell, sessions, SubmissionChecks(carrier, settings, reader), Uploads(carrier, settings), settings)
    )
    taskmanagers = TaskManagerGateway(Around(epoch, shell, sessions, carrier, blobs, settings))
    stack.push_async_callback(cancelled, asyncio.create_task(_collect(carrier)))
    _log.info("leading in epoch %s at %s, with %s recovered", epoch, target, counted(len(core.jobs), "job"))
    return Term(epoch, shell, Services(clients.handler(), taskmanagers.handler()))


def _chances() -> Chances:
    chance = random.SystemRandom()
    return Chances(lambda: secrets.token_bytes(32), chance.random)


async def _collect(carrier: Carrier) -> None:
    while True:
        carrier.collect_garbage()
        await asyncio.sleep(BETWEEN_COLLECTIONS)


async def cancelled(task: "asyncio.Task[None]") -> None:
    """It is asked to end, and has ended. What ended it is taken from it: its frames know the task from Python 3.14 on,
    a cycle that would keep all of them until a collection.
    """
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
