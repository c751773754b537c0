"""The store of several JobManagers does what every store does, and what only it has to: nothing that a deposed leader
does takes effect, and from any moment in which a leader dies the next one goes on (laws 1.2, 2.1, 2.3).
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from millstream_dataflow.identity import Epoch
from millstream_jobmanager.core.events import Outcome
from millstream_jobmanager.store import JobStore, StoreDamagedError, StoreError, StoreWriteError
from millstream_jobmanager.store.shared import SharedJobStore
from millstream_runtime.file_systems import Location, locate
from millstream_runtime.file_systems.local import LocalStorage
from millstream_runtime.leadership.nodes import ClusterNodes, decode_pointer
from millstream_runtime.leadership.zookeeper import Create, Delete, Operation, Refused, SetData, ZooKeeper
from tests.integration.ha.offices import Robber, SharedPlace, connected, named, session, standing
from tests.support.clusters import free_port, until
from tests.support.object_store import ObjectStore, object_store
from tests.support.zookeeper import Ensemble
from tests.unit.jobmanager.store.contract_suite import HOUR, StoreContract, blob_file, blobs, everything, rewrite
from tests.unit.jobmanager.store.samples import DONE, JOB, OTHER, digest, found, put_job, record

__all__ = ["object_store"]


class TestSharedStoreOnDisk(StoreContract):
    """All of the contract."""


class TestSharedStoreInAnObjectStore(StoreContract):
    """All of the contract."""

    @pytest.fixture
    def place(self, connection: ZooKeeper, object_store: ObjectStore, tmp_path: Path) -> SharedPlace:
        return SharedPlace(connection, named(tmp_path), locate(object_store.uri(tmp_path.name)))


# ------------------------------------------------------------ deposed


def somebody_else_won(place: SharedPlace, other: ZooKeeper, _deposed: ZooKeeper, _ensemble: Ensemble) -> None:
    place.elect(other).open(Epoch(0))


def its_session_expired(_place: SharedPlace, _other: ZooKeeper, deposed: ZooKeeper, ensemble: Ensemble) -> None:
    former = connected(deposed)
    ensemble.expire(former)
    until(lambda: deposed.session not in {0, former}, 20, "another session")


def its_node_was_deleted(place: SharedPlace, other: ZooKeeper, _deposed: ZooKeeper, _ensemble: Ensemble) -> None:
    other.ask(other.commit([Delete(place.nodes.leader)]))


Depose = Callable[[SharedPlace, ZooKeeper, ZooKeeper, Ensemble], None]


@pytest.mark.parametrize("depose", [somebody_else_won, its_session_expired, its_node_was_deleted])
def test_nothing_that_a_deposed_leader_does_takes_effect(
    place: SharedPlace, connection: ZooKeeper, ensemble: Ensemble, depose: Depose
) -> None:
    with session(ensemble.hosts) as own:
        store = place.elect(own)
        store.open(Epoch(0))
        put_job(store, JOB, b"functions", b"code")
        unopened = place.elect(own)
        store = place.elect(own)
        store.open(Epoch(0))
        depose(place, connection, own, ensemble)
        for answer in (store.put(record(2)), store.put(record(1, OTHER)), store.put(record(1))):
            assert answer.outcome is Outcome.CONFLICT
        with pytest.raises(StoreWriteError, match="could not be deleted") as caught:
            store.delete(JOB)
        assert caught.value.refused
        with pytest.raises(StoreError, match="another JobManager leads"):
            unopened.open(Epoch(0))
        with pytest.raises(StoreError, match="another JobManager leads"):
            store.open(Epoch(0))
    successor, _ = place.lead()
    (kept,) = successor.recover()
    assert (kept.job, kept.version) == (JOB, 1)
    place.clock.now += 2 * HOUR
    successor.collect_garbage()
    place.clock.now += 2 * HOUR
    successor.collect_garbage()
    assert place.files() == [place.record_file(JOB).path.rpartition("/")[2]]


def test_a_deposed_leader_that_wakes_up_while_it_deletes_spares_a_job_that_was_submitted_anew(
    place: SharedPlace, ensemble: Ensemble
) -> None:
    def meanwhile() -> None:
        successor, _ = place.lead()
        assert successor.recover() == []
        assert successor.put(record(1, nonce="anew")) == DONE

    with session(ensemble.hosts) as own:

        def is_marked() -> bool:  # asked in its own session, for other servers may lag behind
            node = own.ask(own.read(place.nodes.job(JOB)))
            return node is not None and decode_pointer(node.data).deleting

        halting = HaltingStorage(meanwhile)
        store = place.elect(own, Location(halting, place.directory.path))
        store.open(Epoch(0))
        store.put(record(1))
        halting.halts_if = is_marked
        with pytest.raises(StoreWriteError):
            store.delete(JOB)
        assert halting.halts_if is None
    assert place.lead()[0].recover() == [record(1, nonce="anew")]


def test_a_deposed_leader_that_wakes_up_behind_its_write_spares_its_successors(
    place: SharedPlace, ensemble: Ensemble
) -> None:
    """Its own write was its last one in office; what is there now isn't a former version of it."""

    def meanwhile() -> None:
        successor, _ = place.lead()
        assert successor.recover() == [record(1)]
        assert successor.put(record(2)) == DONE

    with session(ensemble.hosts) as own:

        def is_stored() -> bool:
            return own.ask(own.read(place.nodes.job(JOB))) is not None

        halting = HaltingStorage(meanwhile)
        store = place.elect(own, Location(halting, place.directory.path))
        store.open(Epoch(0))
        halting.halts_if = is_stored
        assert store.put(record(1)) == DONE
        if halting.halts_if is not None:  # it looked at nothing behind its write
            meanwhile()
    assert place.lead()[0].recover() == [record(2)]


def test_a_leader_relies_on_no_blob_of_its_predecessors_that_no_job_needs(place: SharedPlace) -> None:
    """A deposed leader may be about to delete it."""
    place.lead()[0].put_blob(digest(b"again"), [b"again"])
    former = blob_file(place, digest(b"again"))
    successor, _ = place.lead()
    assert found(successor, digest(b"again")) == b"again"
    successor.put_blob(digest(b"again"), [b"again"])
    former.storage.remove_file(former.path)
    assert found(successor, digest(b"again")) == b"again"
    assert found(place.lead()[0], digest(b"again")) == b"again"


def test_a_leader_that_does_not_hold_deletes_no_garbage(place: SharedPlace) -> None:
    store, _ = place.lead()
    store.put_blob(digest(b"never submitted"), [b"never submitted"])
    place.clock.now += 2 * HOUR
    place.holds = False
    store.collect_garbage()
    assert blobs(place) == {digest(b"never submitted")}


def test_a_floor_above_its_epoch_raises_it_under_the_same_office(place: SharedPlace, connection: ZooKeeper) -> None:
    store, epoch = place.lead(41)
    assert epoch == 42
    assert store.put(record(1)) == DONE
    node = connection.ask(connection.read(place.nodes.epoch))
    assert node is not None
    assert node.data == b"42"
    assert place.lead()[1] == 43


# ------------------------------------------------------------ killed


class KilledError(BaseException):
    """The process is gone."""


class Steps:
    """Counts what changes something outside, and kills before the one of that number; below 0 none does."""

    def __init__(self, last: int) -> None:
        self.left = last

    def take(self) -> None:
        """One more."""
        if self.left == 0:
            raise KilledError
        self.left -= 1


class KillingStorage(LocalStorage):
    """One in which a process dies."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        self.steps.take()
        super().write(path, chunks)

    def remove_file(self, path: str) -> None:
        self.steps.take()
        super().remove_file(path)


class HaltingStorage(LocalStorage):
    """Something happens before the first thing that is done once a condition holds."""

    halts_if: Callable[[], bool] | None = None

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    def entries(self, directory: str) -> list[str]:
        self._halt()
        return super().entries(directory)

    def remove_file(self, path: str) -> None:
        self._halt()
        super().remove_file(path)

    def remove_tree(self, path: str) -> None:
        self._halt()
        super().remove_tree(path)

    def _halt(self) -> None:
        if self.halts_if is not None and self.halts_if():
            self.halts_if = None
            self._meanwhile()


def killed_at(place: SharedPlace, patch: pytest.MonkeyPatch, call: Callable[[JobStore], object], step: int) -> bool:
    """A leader that was elected goes on from there with one call and dies before that step, if there are so many."""
    commit, dying = place.connection.commit, Steps(-1)

    def killing(operations: Sequence[Operation]) -> "Future[Refused | None]":
        dying.take()
        return commit(operations)

    leading = place.elect(None, Location(KillingStorage(dying), place.directory.path))
    leading.open(Epoch(0))
    dying.left = step
    with patch.context() as patched:
        patched.setattr(place.connection, "commit", killing)
        try:
            call(leading)
        except KilledError:
            return True
    return False


def settle(place: SharedPlace) -> SharedJobStore:
    """A new leader, and hours in which it collects garbage."""
    store, _ = place.lead()
    store.recover()
    for _ in range(3):
        place.clock.now += 2 * HOUR
        store.collect_garbage()
    return store


@pytest.mark.parametrize("first", [True, False])
def test_a_leader_killed_between_any_two_steps_of_a_put_leaves_the_state_before_or_after(
    place: SharedPlace,
    monkeypatch: pytest.MonkeyPatch,
    first: bool,  # pytest gives it
) -> None:
    version, steps, outcomes = 1 if first else 2, 0, list[bool]()
    place.lead()
    while True:
        store, _ = place.lead()
        store.delete(JOB)
        if not first:
            assert store.put(record(1)) == DONE
        killed = killed_at(place, monkeypatch, lambda store: store.put(record(version)), steps)
        store = settle(place)
        records = store.recover()
        assert records in ([record(version)], [] if first else [record(1)])
        outcomes.append(records == [record(version)])
        assert len(place.files()) == len(records)
        assert store.put(record(version)) == DONE
        assert store.recover() == [record(version)]
        if not killed:
            break
        steps += 1
    # Before the file; before the pointer; before the former file goes.
    assert outcomes == ([False, False, True] if first else [False, False, True, True])


def test_a_leader_killed_between_any_two_steps_of_a_delete_leaves_nothing_or_all(
    place: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, outcomes = 0, list[bool]()
    while True:
        store, _ = place.lead()
        put_job(store, JOB, b"functions", b"code")
        killed = killed_at(place, monkeypatch, lambda store: store.delete(JOB), steps)
        store = settle(place)
        outcomes.append(bool(store.recover()))
        if not outcomes[-1]:
            assert everything(place) == {"jobs": [], "blobs": []}
            assert place.pointers() == []
        if not killed:
            break
        steps += 1
    # Before the mark; before the file goes; before the pointer goes.
    assert outcomes == [True, False, False, False]


# ------------------------------------------------------------ unanswered


@contextmanager
def robbed(place: SharedPlace, ensemble: Ensemble) -> Generator[tuple[SharedJobStore, Robber]]:
    """A leader's store, and who stands between it and ZooKeeper."""
    here = free_port()
    with standing(Robber, ensemble.servers[1].port, here) as robber, session(f"127.0.0.1:{here}") as own:
        assert isinstance(robber, Robber)
        store = place.elect(own)
        store.open(Epoch(0))
        yield store, robber


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("version", [1, 2])
def test_an_answer_that_does_not_come_is_unknown_and_settled_by_the_same_put(
    place: SharedPlace, ensemble: Ensemble, moment: str, version: int
) -> None:
    with robbed(place, ensemble) as (store, robber):
        if version == 2:
            store.put(record(1))
        robber.robs = moment
        answer = store.put(record(version))
        assert (robber.robbed, answer.outcome) == (1, Outcome.UNKNOWN)
        place.catch_up()
        there = place.connection.ask(place.connection.read(place.nodes.job(JOB)))
        held = 0 if there is None else decode_pointer(there.data).version
        assert held == (version if moment == "after" else version - 1)
        assert until(lambda: store.put(record(version)), 10, "an answer") == DONE
        assert store.put(record(version)) == DONE
        assert store.recover() == [record(version)]
        assert len(place.files()) == 1


def test_a_deletion_without_an_answer_is_carried_on_by_the_next_leader(place: SharedPlace, ensemble: Ensemble) -> None:
    with robbed(place, ensemble) as (store, robber):
        store.put(record(1))
        robber.robs = "after"
        with pytest.raises(StoreWriteError) as caught:
            store.delete(JOB)
        assert not caught.value.refused
        assert place.pointers() == [JOB]
        assert store.put(record(2)).outcome is not Outcome.DONE
    successor, _ = place.lead()
    assert successor.recover() == []
    assert (place.pointers(), place.files()) == ([], [])


# ------------------------------------------------------------ what lies there


def test_where_zookeepers_data_are_lost_nothing_is_deleted_and_the_epoch_grows(
    place: SharedPlace, connection: ZooKeeper
) -> None:
    for _ in range(3):
        place.lead()
    store, epoch = place.lead()
    put_job(store, JOB, b"functions", b"code")
    put_job(store, OTHER, b"functions", b"other code")
    before = everything(place)
    place.nodes = ClusterNodes(f"{place.nodes.root}-wiped")
    store, anew = place.lead()
    assert anew == epoch + 1, "TaskManagers have seen the former one"
    assert store.recover() == []
    settle(place)
    assert everything(place) == before
    store, _ = place.lead()
    put_job(store, JOB, b"functions", b"code")
    store.put(record(2, graph=store.recover()[0].graph))
    assert [known.version for known in store.recover()] == [2]
    assert len(place.files()) == 3
    store.delete(JOB)
    assert [name for name in place.files() if name.startswith(JOB)] == []
    store = settle(place)
    assert found(store, digest(b"other code")) == b"other code"
    assert found(store, digest(b"code")) is None


def test_two_clusters_in_one_zookeeper_and_one_directory_are_apart(connection: ZooKeeper, tmp_path: Path) -> None:
    places = [
        SharedPlace(connection, ClusterNodes(f"/tests/{tmp_path.name}/{name}"), locate(str(tmp_path / name)))
        for name in ("one", "two")
    ]
    one, two = (place.lead()[0] for place in places)
    for store in (one, two):
        put_job(store, JOB, b"functions", b"code")
    one.delete(JOB)
    settle(places[0])
    assert everything(places[0]) == {"jobs": [], "blobs": []}
    assert [known.job for known in two.recover()] == [JOB]
    assert found(two, digest(b"code")) == b"code"
    assert two.put(record(2)) == DONE


def test_what_a_dead_writer_left_goes_after_an_hour(place: SharedPlace) -> None:
    store, _ = place.lead()
    put_job(store, JOB, b"functions", b"code")
    before = everything(place)
    for part in ("jobs", "blobs"):
        rewrite(place.directory / part / ".half.0123456789abcdef.writing", b"half")
    store.collect_garbage()
    assert everything(place) != before
    settle(place)
    assert everything(place) == before


@pytest.mark.parametrize("garbage", [b"", b"garbage", b"{}", b"\xff"])
def test_a_pointer_that_was_altered_is_named_and_never_written_over(place: SharedPlace, garbage: bytes) -> None:
    store, _ = place.lead()
    store.put(record(1))
    path = place.nodes.job(JOB)
    assert place.connection.ask(place.connection.commit([SetData(path, garbage, 0)])) is None
    with pytest.raises(StoreDamagedError, match=path):
        store.recover()
    answer = store.put(record(2))
    assert (answer.outcome, "altered from outside" in answer.reason) == (Outcome.CONFLICT, True)
    with pytest.raises(StoreWriteError, match="can't be read"):
        store.delete(JOB)
    place.clock.now += 2 * HOUR
    store.collect_garbage()
    assert len(place.files()) == 1


@pytest.mark.parametrize("node", ["epoch", "jobs"])
def test_other_nodes_that_were_altered_are_named(place: SharedPlace, node: str) -> None:
    store = place.elect()
    if node == "jobs":
        place.connection.ask(place.connection.commit([Create(place.nodes.jobs, b"garbage")]))
    else:
        place.connection.ask(place.connection.commit([Delete(place.nodes.epoch)]))
        place.connection.ask(place.connection.commit([Create(place.nodes.epoch, b"garbage")]))
    with pytest.raises(StoreDamagedError, match=place.nodes.root):
        store.open(Epoch(0))


def test_storage_that_is_not_there_is_said(connection: ZooKeeper, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    place = SharedPlace(connection, named(tmp_path), locate(str(tmp_path / "file" / "store")))
    with pytest.raises(StoreWriteError, match=r"can't be opened: .*Not a directory") as caught:
        place.lead()
    assert caught.value.refused
