"""How a leader begins: the lock, an epoch above all that were seen, and every stored job, before anybody is heard."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import Final

from millstream_dataflow.configuration import ConfigurationError
from millstream_dataflow.identity import Epoch
from millstream_dataflow.job_graph import JobGraph
from millstream_jobmanager.core.events import Event, JobRecovered
from millstream_jobmanager.core.settings import JobSettings
from millstream_jobmanager.service.carrier import Carrier
from millstream_runtime.checkpoint_files import CheckpointFileError, highest_epoch
from millstream_runtime.messages.codec import MalformedMessageError, decode
from millstream_runtime.messages.record import JobRecord
from millstream_runtime.states import JOB_STATES

_LOST_GRAPH: Final = "Put its graph back under blobs/ in the job store"
_OTHER_VERSION: Final = "This version doesn't take what it was configured with: end it with the version that did"

_log = logging.getLogger("millstream.jobmanager")


class StartupError(Exception):
    """This JobManager can't lead; the sentence says why and what to do."""


class UnreachableError(StartupError):
    """What it needs to lead doesn't answer. It may in a moment."""


async def take_epoch(carrier: Carrier, checkpoint_directory: str) -> Epoch:
    """The lock, and the next epoch: above the stored one, and above the highest in the storage (law 1.2)."""
    if await carrier.store(lambda store: store.knows_epochs()):
        return await carrier.store(lambda store: store.open(Epoch(0)))
    try:
        floor = await carrier.files(lambda: highest_epoch(checkpoint_directory))
    except CheckpointFileError as error:
        raise UnreachableError(
            f"the checkpoints in {checkpoint_directory} can't be read: {error}; without them it isn't known which "
            "leaders there were. Start again when they can be, or set another execution.checkpointing.dir"
        ) from error
    return await carrier.store(lambda store: store.open(floor))


async def recovered_jobs(carrier: Carrier, job_settings: Callable[[Mapping[str, str]], JobSettings]) -> list[Event]:
    """Every stored job with its graph. One that still runs must be readable, or this JobManager doesn't start: leading
    without it would end its tasks. The tombstone of one that has ended is given up where its graph is lost; as long as
    that isn't known it isn't, for a repeated submit would run the job again.
    """
    events: list[Event] = []
    for record in await carrier.store(lambda store: store.recover()):
        try:
            graph = await _graph(carrier, record)
            job_settings(graph.configuration)
        except OSError as error:
            text = f"the graph of job {record.job} ({record.name}) can't be read: {error}"
            raise UnreachableError(text) from error
        except ValueError as error:
            if not JOB_STATES.is_final(record.state):
                mend = _OTHER_VERSION if isinstance(error, ConfigurationError) else _LOST_GRAPH
                raise StartupError(
                    f"job {record.job} ({record.name}) can't be recovered: {error}. {mend}; or delete its record "
                    "in the job store, and its tasks are cancelled"
                ) from error
            _log.warning("job %s: it has ended and its graph can't be read (%s); it is forgotten", record.job, error)
            carrier.delete_record(record.job)
            continue
        events.append(JobRecovered(record, graph))
    return events


async def _graph(carrier: Carrier, record: JobRecord) -> JobGraph:
    digest = record.graph.digest
    data = await carrier.read_blob(digest)
    if data is None:
        raise MalformedMessageError(f"its graph, blob {digest}, is missing")
    if hashlib.sha256(data).hexdigest() != digest:
        raise MalformedMessageError(f"its graph, blob {digest}, was altered")
    return decode(JobGraph, data)
