"""The records of jobs: one sealed file each, replaced atomically."""

from pathlib import Path

from millstream_dataflow.identity import JobId
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store.answers import StoreAnswer, StoreDamagedError, StoreError, StoreWriteError
from millstream_jobmanager.store.record_files import decoded_record
from millstream_jobmanager.store.sealed import DamagedError, seal
from millstream_runtime.file_systems import is_plain_name, is_refusal
from millstream_runtime.file_systems.local import sync_directory, write_durably
from millstream_runtime.messages.codec import encode
from millstream_runtime.messages.record import JobRecord

_SUFFIX = ".record"


class Records:
    """In one directory, under the lock of the store."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _path(self, job: JobId) -> Path:
        if not is_plain_name(job):
            raise StoreError(f"{job!r} can't be a job id: it is no name of a file")
        return self._directory / f"{job}{_SUFFIX}"

    def read_all(self) -> list[JobRecord]:
        """Every record; StoreDamagedError names all that can't be read."""
        records: list[JobRecord] = []
        damaged: list[str] = []
        for path in sorted(self._directory.glob(f"*{_SUFFIX}")):
            try:
                records.append(_read(path))
            except DamagedError as error:
                damaged.append(f"{path}: {error}")
        if damaged:
            raise StoreDamagedError(
                f"records of jobs can't be read: {'; '.join(damaged)}. Put back a copy, or move the file away and "
                "start again: the job is forgotten then, its checkpoints stay, and `millstream run -s <its newest "
                "checkpoint>` goes on from there"
            )
        return records

    def put(self, record: JobRecord) -> StoreAnswer:
        """Conditional on the version, idempotent by version and nonce."""
        path = self._path(record.job)
        try:
            known = _read(path)
        except FileNotFoundError:
            version = 0
        except DamagedError as error:
            return StoreAnswer(Outcome.CONFLICT, f"{path} was altered from outside: {error}")
        except OSError as error:
            return StoreAnswer(Outcome.UNKNOWN, f"{path} could not be read: {error}")
        else:
            if (known.version, known.nonce) == (record.version, record.nonce):
                return _write(path, record)  # what failed may have been its durability, and no second sync proves that
            version = known.version
        if version != record.version - 1:
            text = f"{path} has version {version}, version {record.version} can't take its place"
            return StoreAnswer(Outcome.CONFLICT, text)
        return _write(path, record)

    def delete(self, job: JobId) -> None:
        """Durably."""
        path = self._path(job)
        try:
            path.unlink(missing_ok=True)
            sync_directory(self._directory)
        except OSError as error:
            raise StoreWriteError(f"{path} could not be deleted: {error}", refused=is_refusal(error)) from error


def _read(path: Path) -> JobRecord:
    record = decoded_record(path.read_bytes())
    if f"{record.job}{_SUFFIX}" != path.name:
        raise DamagedError(f"it is the record of job {record.job}")
    return record


def _write(path: Path, record: JobRecord) -> StoreAnswer:
    try:
        write_durably(path, [seal(encode(record))])
    except OSError as error:
        outcome = Outcome.REFUSED if is_refusal(error) else Outcome.UNKNOWN
        return StoreAnswer(outcome, f"{path} could not be written: {error}")
    return StoreAnswer(Outcome.DONE)
