"""Storage that lets nothing be deleted, by its permissions or a policy: the store of several JobManagers lives on."""

import pytest

from millstream_dataflow.identity import Epoch
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store import StoreWriteError
from millstream_runtime.file_systems import Location
from millstream_runtime.file_systems.local import LocalStorage
from tests.integration.ha.offices import SharedPlace
from tests.unit.jobmanager.store.samples import DONE, JOB, OTHER, record


class Keeping(LocalStorage):
    """Nothing there may be deleted."""

    keeps = True

    def remove_file(self, path: str) -> None:
        if self.keeps:
            raise PermissionError(13, "Permission denied", path)
        super().remove_file(path)


def test_storage_that_lets_nothing_be_deleted_keeps_nobody_from_leading(place: SharedPlace) -> None:
    """What was begun is finished when it can be; until then the job is none, and its id isn't free."""
    keeping = Keeping()
    directory = Location(keeping, place.directory.path)
    for number in range(3):
        store = place.elect(directory=directory)
        store.open(Epoch(0))
        if not number:
            assert store.put(record(1)) == store.put(record(1, OTHER)) == DONE
            with pytest.raises(StoreWriteError, match="Permission denied"):
                store.delete(OTHER)
        assert store.recover() == [record(1)]
        assert store.put(record(1, OTHER)).outcome is Outcome.REFUSED
    keeping.keeps = False
    assert place.lead()[0].recover() == [record(1)]
    assert place.pointers() == [JOB]
    assert place.directory.storage.entries((place.directory / "epochs").path) == ["4"]


def test_an_id_whose_deletion_was_left_half_done_is_free_when_it_can_be_finished(place: SharedPlace) -> None:
    keeping = Keeping()
    store = place.elect(directory=Location(keeping, place.directory.path))
    store.open(Epoch(0))
    store.put(record(1))
    with pytest.raises(StoreWriteError):
        store.delete(JOB)
    keeping.keeps = False
    assert store.put(record(1, nonce="anew")) == DONE
    assert place.lead()[0].recover() == [record(1, nonce="anew")]
