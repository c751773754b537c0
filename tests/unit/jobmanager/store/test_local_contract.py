"""The store in a directory does what every job store does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream_dataflow.identity import Epoch, JobId
from millstream_jobmanager.store import LocalJobStore
from millstream_runtime.file_systems import Location, locate
from tests.unit.jobmanager.store.contract_suite import StoreContract
from tests.unit.jobmanager.store.samples import Clock


class LocalPlace:
    """See StorePlace."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.directory = locate(str(directory))
        self._path = directory
        self.store: LocalJobStore | None = None

    def lead(self, floor: int = 0) -> tuple[LocalJobStore, Epoch]:
        self.close()
        self.store = LocalJobStore(self._path, self.clock)
        return self.store, self.store.open(Epoch(floor))

    def record_file(self, job: JobId) -> Location:
        return self.directory / "jobs" / f"{job}.record"

    def close(self) -> None:
        """Of the last leader."""
        if self.store is not None:
            self.store.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[LocalPlace]:
    made = LocalPlace(tmp_path / "store")
    yield made
    made.close()


class TestLocalStore(StoreContract):
    """All of it."""
