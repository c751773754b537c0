"""What is there, whether it is whole, and how it goes.

A checkpoint is deleted `_metadata` first, so what is half deleted never passes for one.
"""

import logging
import re
from collections.abc import Sequence

from millstream_dataflow.identity import Epoch, JobId
from millstream_runtime.checkpoint_files.errors import (
    CorruptCheckpointError,
    MissingFileError,
    StorageRefusedError,
    changing,
    reading,
)
from millstream_runtime.checkpoint_files.metadata import METADATA_NAME, load_metadata, read_heading
from millstream_runtime.checkpoint_files.reader import SnapshotReader
from millstream_runtime.file_systems import Location, is_plain_name, locate
from millstream_runtime.messages.snapshots import FileRef, OperatorSnapshot, StoredTask

_CHECKPOINT = re.compile(r"chk-([0-9]{1,18})")
_OURS = re.compile(r"(chk|savepoint)-[0-9A-Za-z._-]+")
_log = logging.getLogger(__name__)


def verify_checkpoint(path: str) -> None:
    """Read every byte of a checkpoint. CorruptCheckpointError names the file, the block and what is wrong with it."""
    for task in load_metadata(path).tasks:
        _verify_task(path, task)


def _verify_task(path: str, task: StoredTask) -> None:
    handle = task.snapshot.handle
    if handle is None:
        if any(operator.lists or operator.end_group for operator in task.snapshot.operators):
            raise CorruptCheckpointError(f"{path}: the state of {task.task.subtask} has no file")
        return
    if isinstance(handle, FileRef):
        handle = FileRef(f"{path}/{handle.path}", handle.size, handle.checksum)
    try:
        with SnapshotReader(handle) as reader:
            reader.verify()
            for operator in task.snapshot.operators:
                _verify_operator(reader, operator)
    except CorruptCheckpointError as error:
        raise CorruptCheckpointError(f"checkpoint {path}, state of {task.task.subtask}: {error}") from error


def _verify_operator(reader: SnapshotReader, operator: OperatorSnapshot) -> None:
    """The metadata promises what the file has: a restore shares it out by the metadata alone."""
    promised = {stored.name: stored.items for stored in operator.lists}
    found = {name: reader.list_length(operator.operator, name) for name in reader.lists(operator.operator)}
    if promised != found:
        raise CorruptCheckpointError(
            f"operator {operator.operator} has the lists {found}, the metadata says {promised}"
        )
    groups = reader.groups(operator.operator)
    if groups != range(operator.first_group, operator.end_group):
        said = range(operator.first_group, operator.end_group)
        raise CorruptCheckpointError(f"operator {operator.operator} has the key {groups}, the metadata says {said}")


def discard_checkpoint(path: str) -> None:
    """Delete a checkpoint's directory, or what is left of it. Only directories that are named like one: chk-7,
    savepoint-5ca1ab-7.
    """
    if not _OURS.fullmatch(path.rstrip("/").rpartition("/")[2]):
        raise StorageRefusedError(
            f"{path} isn't named like a checkpoint (chk-7, savepoint-5ca1ab-7); it is not deleted"
        )
    with changing(path, "deleted"):
        _remove(locate(path.rstrip("/")))


def discard_job(directory: str, job: JobId, kept: Sequence[str]) -> None:
    """Delete all that a job has in the directory of checkpoints but the directories `kept` (law 2.3). Links are
    removed, and what they lead to stays.
    """
    with changing(f"{directory}/{job}", "deleted"):
        place = locate(directory) / _checked(job)
        spared = _Spared([locate(path.rstrip("/")) for path in kept])
        _remove_but(place, spared)


class _Spared:
    """Directories that stay. Each is known by two names: as it is written, and with the links above it followed."""

    def __init__(self, places: Sequence[Location]) -> None:
        self._names = {name for place in places for name in _names(place)}

    def covers(self, place: Location) -> bool:
        """It stays, with everything in it."""
        return any(name == one or name.startswith(f"{one}/") for name in _names(place) for one in self._names)

    def lies_in(self, place: Location) -> bool:
        """Something in it stays."""
        return any(one.startswith(f"{name}/") for name in _names(place) for one in self._names)


def _names(place: Location) -> tuple[str, str]:
    return place.path, place.storage.identity(place.path)


def _remove_but(place: Location, spared: _Spared) -> None:
    """Entry by entry, so that each checkpoint loses its `_metadata` first."""
    storage = place.storage
    if spared.covers(place):
        return
    if not storage.is_link(place.path):
        for entry in (place / name for name in storage.entries(place.path)):
            if spared.lies_in(entry):
                _remove_but(entry, spared)
            elif not spared.covers(entry):
                _remove(entry)
    if not spared.lies_in(place):
        storage.remove_tree(place.path)


def _remove(place: Location) -> None:
    if not place.storage.is_link(place.path):
        place.storage.remove_file((place / METADATA_NAME).path)
    place.storage.remove_tree(place.path)


def highest_epoch(directory: str) -> Epoch:
    """The highest of all checkpoints of all jobs in the directory; 0 when there are none. A new leader takes one above
    it (law 1.2).
    """
    with reading(directory):
        place = locate(directory)
        found = place.storage.find(place.path, METADATA_NAME)
    epochs = [Epoch(0)]
    for path in found:
        try:
            epochs.append(read_heading(path, Location(place.storage, path)).epoch)
        except CorruptCheckpointError as error:
            _log.warning("its epoch doesn't count, for it can't be read: %s", error)
    return max(epochs)


def latest_checkpoints(directory: str, job: JobId) -> list[str]:
    """Paths of a job's complete checkpoints, newest first: by epoch, then by id (law 1.4). Damaged ones are among
    them, where their id puts them: what to do with them isn't decided here (law 4.6).
    """
    with reading(f"{directory}/{job}"):
        place = locate(directory) / _checked(job)
        numbers = {
            name: int(match[1]) for name in place.storage.entries(place.path) if (match := _CHECKPOINT.fullmatch(name))
        }
    ages: list[tuple[int, int, str]] = []
    epoch = 0
    for name in sorted(numbers, key=numbers.__getitem__):
        try:
            epoch = read_heading(f"{directory}/{job}/{name}", place / name / METADATA_NAME).epoch
        except MissingFileError:
            continue
        except CorruptCheckpointError as error:
            _log.warning("its age is guessed from its name, for it can't be read: %s", error)
        ages.append((epoch, numbers[name], f"{directory}/{job}/{name}"))
    return [path for _, _, path in sorted(ages, reverse=True)]


def _checked(job: JobId) -> str:
    if not is_plain_name(job):
        raise StorageRefusedError(f"{job!r} can't be a job id: it is no name of a directory")
    return job
