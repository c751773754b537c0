"""Who must be heard from, and whose silence is too long (law 9.2)."""

import pytest

from millstream_dataflow.identity import Epoch, JobId, RegionAttempt, RegionId, TaskManagerId, WorkerId
from millstream_runtime.messages.deployments import DataAddress, RegionDeployment, WorkerPlacement
from millstream_taskmanager.service.peer_pairs import PeerPairs, Silence

ME, BEFORE, AFTER = TaskManagerId("m"), TaskManagerId("a"), TaskManagerId("z")
TIMEOUT = 15_000
HERE = DataAddress("here", 1, "/d", "machine")
THERE = DataAddress("there", 2, "/d", "another machine")
MINE, MINE_TOO = WorkerId("w-0"), WorkerId("w-1")


def region(*placements: tuple[TaskManagerId, DataAddress]) -> RegionDeployment:
    workers = tuple(
        WorkerPlacement(WorkerId(f"w-{number}"), number, peer, 0, address)
        for number, (peer, address) in enumerate(placements)
    )
    return RegionDeployment(RegionAttempt(JobId("j"), RegionId(0), 1), Epoch(1), b"s", workers)


SPANNING = region((ME, HERE), (AFTER, THERE))


@pytest.fixture
def pairs() -> PeerPairs:
    return PeerPairs(ME, "machine", TIMEOUT)


def test_nobody_is_waited_for_without_workers(pairs: PeerPairs) -> None:
    assert pairs.deadline() is None
    assert pairs.silent(10**9) == []


def test_peers_of_the_same_machine_are_not_pinged(pairs: PeerPairs) -> None:
    pairs.begin(MINE, region((ME, HERE), (AFTER, HERE)), 0)
    assert (pairs.deadline(), pairs.to_connect()) == (None, {})


def test_the_smaller_id_connects(pairs: PeerPairs) -> None:
    pairs.begin(MINE, region((ME, HERE), (BEFORE, THERE), (AFTER, THERE)), 0)
    assert pairs.to_connect() == {AFTER: THERE}


@pytest.mark.parametrize("peer", [BEFORE, AFTER])
def test_silence_is_told_once_to_the_workers_of_the_regions_that_span_the_pair(
    pairs: PeerPairs, peer: TaskManagerId
) -> None:
    """On both ends: whoever is connected to must notice as well."""
    pairs.begin(MINE, region((ME, HERE), (peer, THERE)), 0)
    pairs.begin(MINE_TOO, region((ME, HERE)), 0)
    assert pairs.silent(TIMEOUT - 1) == []
    assert pairs.silent(TIMEOUT) == [Silence(peer, (MINE,), TIMEOUT)]
    assert pairs.silent(TIMEOUT + 1) == []
    assert pairs.deadline() is None


def test_whoever_is_heard_has_its_whole_time_again(pairs: PeerPairs) -> None:
    pairs.begin(MINE, SPANNING, 0)
    pairs.heard(AFTER, 10_000)
    pairs.heard(TaskManagerId("stranger"), 10_000)
    assert pairs.deadline() == 10_000 + TIMEOUT
    assert pairs.silent(TIMEOUT) == []


def test_a_region_that_is_put_on_a_silent_pair_again_waits_for_it_again(pairs: PeerPairs) -> None:
    pairs.begin(MINE, SPANNING, 0)
    pairs.silent(TIMEOUT)
    pairs.begin(MINE_TOO, SPANNING, 20_000)
    assert pairs.silent(20_000 + TIMEOUT - 1) == []
    assert pairs.silent(20_000 + TIMEOUT) == [Silence(AFTER, (MINE, MINE_TOO), TIMEOUT)]


def test_a_new_worker_gives_a_pair_that_speaks_no_more_time(pairs: PeerPairs) -> None:
    pairs.begin(MINE, SPANNING, 0)
    pairs.begin(MINE_TOO, SPANNING, 10_000)
    assert pairs.deadline() == TIMEOUT


def test_a_pair_ends_with_its_last_worker(pairs: PeerPairs) -> None:
    pairs.begin(MINE, SPANNING, 0)
    pairs.begin(MINE_TOO, SPANNING, 0)
    pairs.end(MINE)
    assert pairs.to_connect() == {AFTER: THERE}
    pairs.end(MINE_TOO)
    assert (pairs.to_connect(), pairs.deadline()) == ({}, None)


def test_time_in_which_we_did_not_listen_is_nobodys_silence(pairs: PeerPairs) -> None:
    """The process was stopped, or the machine slept."""
    pairs.begin(MINE, SPANNING, 0)
    pairs.forgive(60_000)
    assert pairs.silent(60_000 + TIMEOUT - 1) == []
