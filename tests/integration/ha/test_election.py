"""One of any number of candidates leads, never two, whatever becomes of ZooKeeper and of the way to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from millstream_jobmanager.leadership.tenure import Hold, Tenure
from millstream_runtime.leadership.errors import ZooKeeperDeniedError
from millstream_runtime.leadership.zookeeper import Check, SetData, ZooKeeper
from tests.integration.ha.camps import camps, eventually
from tests.integration.ha.offices import SESSION_MS, configured, session
from tests.support.cables import Proxy
from tests.support.clusters import free_port
from tests.support.zookeeper import Ensemble, running_ensemble

SHORT = {"session_timeout": "2 s", "connection_timeout": "1 s"}


@pytest.fixture
def proxy(ensemble: Ensemble) -> Iterator[Callable[[], tuple[Proxy, str]]]:
    """Stands before a server; with its address."""
    made: list[Proxy] = []

    def make() -> tuple[Proxy, str]:
        port = free_port()
        made.append(Proxy(("127.0.0.1", port), ("127.0.0.1", ensemble.servers[1].port)))
        return made[-1], f"127.0.0.1:{port}"

    yield make
    for one in made:
        one.close()


def is_extended(tenure: Tenure, lease: int) -> bool:
    return tenure.lease_until > lease


def connected(connection: ZooKeeper) -> int:
    return connection.session


# ------------------------------------------------------------ terms


async def test_epochs_grow_over_twenty_terms_of_five_candidates(ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, ensemble.hosts, 5, watched=False) as election:
        for term in range(1, 21):
            leader = await eventually(
                partial(election.leads_in, term),
                f"somebody leads in epoch {term}",
            )
            assert leader.office is not None
            if term % 2:
                await leader.office.leave()
            else:
                await asyncio.to_thread(ensemble.expire, leader.connection.session)
        assert election.epochs()[:20] == list(range(1, 21))


async def test_who_closes_its_session_is_followed_at_once(ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, ensemble.hosts, 3) as election:
        for _ in range(2):
            leader = await election.leader()
            begun = time.monotonic()
            await election.leave(leader)
            await election.leader()
            assert time.monotonic() - begun < 2


async def test_an_expired_session_ends_a_term_and_the_same_candidate_may_win_again(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    async with camps(tmp_path, ensemble.hosts, 1) as election:
        leader = await election.leader()
        await asyncio.to_thread(ensemble.expire, leader.connection.session)
        await eventually(lambda: leader.ends, "its term ends")
        await eventually(lambda: leader.leads, "it leads again")
        assert [epoch for epoch, _ in leader.terms] == [1, 2]


async def test_all_sessions_that_expire_at_once_leave_one_leader(ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, ensemble.hosts, 4, watched=False) as election:
        leader = await election.leader()
        former = [await eventually(partial(connected, camp.connection), "a session") for camp in election.all]
        await asyncio.to_thread(ensemble.expire, *former)
        await eventually(lambda: leader.ends, "its term ends")
        await election.leader()
        await eventually(
            lambda: not {camp.connection.session for camp in election.all} & {0, *former}, "all have new sessions"
        )


# ------------------------------------------------------------ cut


async def test_an_interrupted_leader_pauses_at_once_and_goes_on_in_the_same_epoch(
    ensemble: Ensemble, tmp_path: Path
) -> None:
    """Its connection breaks, and there is another one within its lease."""
    here, there = ("127.0.0.1", free_port()), ("127.0.0.1", ensemble.servers[1].port)
    cable = Proxy(here, there)
    try:
        async with camps(tmp_path, f"127.0.0.1:{here[1]}", 1) as election:
            leader = await election.leader()
            kept = leader.connection.session
            cable.close()
            await eventually(lambda: leader.held[-1] is Hold.PAUSED, "it pauses", 0.5)
            cable = Proxy(here, there)
            await eventually(lambda: leader.held[-1] is Hold.HOLDS, "it decides again")
            assert leader.held == [Hold.HOLDS, Hold.PAUSED, Hold.HOLDS]
            assert (leader.epoch, leader.connection.session) == (1, kept)
    finally:
        cable.close()


async def test_a_leader_that_is_cut_off_is_over_before_anybody_else_wins(
    ensemble: Ensemble, tmp_path: Path, proxy: Callable[[], tuple[Proxy, str]]
) -> None:
    cable, hosts = proxy()
    async with camps(tmp_path, hosts, 1, SHORT) as election:
        cut_off = await election.leader()
        election.join(configured(ensemble.hosts, **SHORT))
        for round_ in range(2):
            cable.cut()
            begun = time.monotonic()
            await cut_off.ended(round_ + 1)
            other = await eventually(partial(election.led_by_another, cut_off), "another")
            assert cut_off.ends[-1][0] < other.terms[-1][1]
            assert cut_off.ends[-1][0] - begun < 2
            assert cut_off.epoch < other.epoch
            cable.mend()
            if not round_:
                await election.leave(other)
                await eventually(lambda: cut_off.leads, "it is back and leads again")
                election.join(configured(ensemble.hosts, **SHORT))


async def test_a_tolerant_leader_that_is_cut_off_decides_until_its_lease_is_over(
    ensemble: Ensemble, tmp_path: Path, proxy: Callable[[], tuple[Proxy, str]]
) -> None:
    cable, hosts = proxy()
    async with camps(tmp_path, ensemble.hosts) as election:
        cut_off = election.join(configured(hosts, **SHORT), tolerant=True)
        await election.leader()
        other = election.join(configured(ensemble.hosts, **SHORT))
        cable.cut()
        await eventually(lambda: other.leads, "another leads")
        assert cut_off.held == [Hold.HOLDS]
        assert cut_off.ends[0][0] < other.terms[0][1]
        assert "has not answered" in cut_off.ends[0][1]
        cable.mend()


async def test_one_whose_lease_ran_out_while_its_session_lives_wins_a_higher_epoch(
    ensemble: Ensemble, tmp_path: Path, proxy: Callable[[], tuple[Proxy, str]]
) -> None:
    """Its own node stands in the way, and is replaced."""
    cable, hosts = proxy()
    async with camps(tmp_path, hosts, 1) as election:
        leader = await election.leader()
        kept = leader.connection.session
        cable.cut()
        await eventually(lambda: leader.ends, "its lease runs out", SESSION_MS / 1_000)
        cable.mend()
        await eventually(lambda: leader.leads, "it leads again")
        assert [epoch for epoch, _ in leader.terms] == [1, 2]
        assert leader.connection.session == kept


@pytest.mark.nightly
async def test_a_server_that_dies_after_its_answer_does_not_let_two_lead(
    own_ensemble: Ensemble, tmp_path: Path
) -> None:
    """ZooKeeper's leader hasn't heard then that the session lives: it counts from what it heard before."""
    follower = own_ensemble.followers()[0]
    here = free_port()
    cable = Proxy(("127.0.0.1", here), ("127.0.0.1", own_ensemble.servers[follower].port))
    others = ",".join(own_ensemble.host(number) for number in own_ensemble.servers if number != follower)
    try:
        async with camps(tmp_path, others) as election:
            cut_off = election.join(configured(f"127.0.0.1:{here}"), tolerant=True)
            await election.leader()
            other = election.join(configured(others))
            await eventually(lambda: other.connection.session, "a session")
            tenure = cut_off.office._tenure  # type: ignore[union-attr]  # when it has been answered
            for _ in range(3):
                lease = tenure.lease_until
                await eventually(partial(is_extended, tenure, lease), "an answer")
            own_ensemble.freeze(follower)
            cable.cut()
            await eventually(lambda: other.leads, "another leads")
            assert cut_off.ends, "two lead"
            assert cut_off.ends[0][0] < other.terms[0][1]
            own_ensemble.thaw(follower)
            cable.mend()
    finally:
        cable.close()


# ------------------------------------------------------------ servers


@pytest.mark.nightly
async def test_the_office_survives_the_death_of_zookeepers_leader(own_ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, own_ensemble.hosts, 2, {"session_timeout": "10 s"}) as election:
        leader = await election.leader()
        killed = own_ensemble.leader()
        assert killed is not None
        own_ensemble.kill(killed)
        await eventually(lambda: leader.held[-1] is Hold.PAUSED, "it pauses")
        await eventually(lambda: leader.held[-1] is Hold.HOLDS, "it decides again")
        assert election.epochs() == [1]


@pytest.mark.nightly
async def test_without_a_quorum_nobody_leads_and_then_one(own_ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, own_ensemble.hosts, 3, SHORT) as election:
        leader = await election.leader()
        await asyncio.to_thread(own_ensemble.stop_quorum)
        await eventually(lambda: leader.ends, "its term ends")
        terms = len(election.epochs())
        silent_until = time.monotonic() + 2 * 2
        while time.monotonic() < silent_until:
            assert election.leaders() == []
            await asyncio.sleep(0.01)
        assert len(election.epochs()) == terms
        await asyncio.to_thread(own_ensemble.restore_quorum)
        await election.leader()


@pytest.mark.nightly
async def test_a_frozen_quorum_ends_the_term_by_the_leaders_own_clock(own_ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, own_ensemble.hosts, 2, SHORT) as election:
        leader = await election.leader()
        await asyncio.to_thread(own_ensemble.stop_quorum, freeze=True)
        await eventually(lambda: leader.ends, "its term ends")
        assert election.leaders() == []
        await asyncio.to_thread(own_ensemble.restore_quorum)
        await election.leader()


async def test_the_lease_goes_by_the_timeout_that_was_granted(tmp_path: Path) -> None:
    """It is asked for 10 s and gets 2: this holds the hook into kazoo."""
    directory = tmp_path / "ensemble"
    with running_ensemble(directory, servers=1, settings={"maxSessionTimeout": 2_000}) as single:
        async with camps(tmp_path, single.hosts, 1, {"session_timeout": "10 s"}) as election:
            leader = await election.leader()
            assert leader.connection.session_timeout == 2_000
            single.freeze(1)
            begun = time.monotonic()
            await eventually(lambda: leader.ends, "its term ends")
            assert time.monotonic() - begun < 2
            single.thaw(1)
            await eventually(lambda: leader.leads, "it leads again")


# ------------------------------------------------------------ said to others


async def test_what_a_leader_announces_and_leaves(ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, ensemble.hosts, 2) as election:
        leader = await election.leader()
        for camp in election.all:
            assert (await camp.known()).address == f"{leader.name}:1"
        await election.leave(leader)
        (other,) = election.all
        await eventually(lambda: other.candidate.leader and other.candidate.leader.epoch == 2, "the next one is known")


async def test_an_office_that_is_left_deletes_no_node_of_another(ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, ensemble.hosts, 1) as election:
        leader = await election.leader()
        office, connection, nodes = leader.office, leader.connection, election.nodes
        assert office is not None
        epoch = await connection.answer(connection.read(nodes.epoch))
        assert epoch is not None
        await connection.answer(connection.commit([SetData(nodes.epoch, b"7", epoch.version)]))
        await office.leave()
        assert await connection.answer(connection.commit([Check(nodes.leader)])) is None


async def test_an_epoch_that_can_not_be_read_is_said(ensemble: Ensemble, tmp_path: Path) -> None:
    async with camps(tmp_path, ensemble.hosts, 1) as election:
        leader = await election.leader()
        connection, nodes = leader.connection, election.nodes
        epoch = await connection.answer(connection.read(nodes.epoch))
        assert epoch is not None
        await connection.answer(connection.commit([SetData(nodes.epoch, b"garbage", epoch.version)]))
        failure = await eventually(lambda: leader.failure, "it gives up")
        assert f"{nodes.epoch} of ZooKeeper at {ensemble.hosts}" in str(failure)


# ------------------------------------------------------------ who may


async def test_nodes_of_another_name_are_denied_in_words(ensemble: Ensemble, tmp_path: Path) -> None:
    own = {"authorization": "digest:jobmanager:secret", "acl": "creator"}
    async with camps(tmp_path, ensemble.hosts) as election:
        election.join(configured(ensemble.hosts, **own))
        await election.leader()
        stranger = election.join(configured(ensemble.hosts, authorization="digest:jobmanager:guessed"))
        failure = await eventually(lambda: stranger.failure, "it gives up", 5)
        assert isinstance(failure, ZooKeeperDeniedError)
        assert election.nodes.leader in str(failure)
        with session(ensemble.hosts) as nobody:
            with pytest.raises(ZooKeeperDeniedError, match=election.nodes.leader):
                await nobody.answer(nobody.read(election.nodes.leader))
            with pytest.raises(ZooKeeperDeniedError, match=election.nodes.jobs):
                await nobody.answer(nobody.children(election.nodes.jobs))
            with pytest.raises(ZooKeeperDeniedError, match=election.nodes.epoch):
                await nobody.answer(nobody.commit([SetData(election.nodes.epoch, b"9", 0)]))
