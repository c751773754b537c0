"""One term of office after the other: when another JobManager gets its turn, and when this one ends for good."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import grpc.aio
import pytest

from millstream_dataflow.configuration import Configuration
from millstream_dataflow.identity import Epoch, JobId
from millstream_jobmanager.core.cluster import ClusterCore
from millstream_jobmanager.core.events import Event, JobRecovered
from millstream_jobmanager.core.turn import Turn
from millstream_jobmanager.leadership.single import SingleOffice
from millstream_jobmanager.leadership.tenure import Hold
from millstream_jobmanager.service import patience, standstill
from millstream_jobmanager.service.addresses import ListenAddress
from millstream_jobmanager.service.server import JobManagerService
from millstream_jobmanager.service.shell import CoreFailedError
from millstream_jobmanager.store import JobStore, LocalJobStore, StoreDamagedError, StoreWriteError
from millstream_jobmanager.store.answers import StoreAnswer
from millstream_runtime.leadership.nodes import Leader
from millstream_runtime.messages.record import JobRecord
from tests.support.service_client import JOB, client_of, job_of, leading

OTHER = JobId("6" * 32)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that hangs isn't waited for."""
    monkeypatch.setattr("millstream_jobmanager.service.carrier.CLOSING_S", 0.1)


class Office(SingleOffice):
    """One of several: it may be over, and others may have it."""

    has_rivals = True

    def __init__(self, store: JobStore) -> None:
        super().__init__(store)
        self.held = Hold.HOLDS
        self.left = False
        self.lease = 3_600.0
        self.abandoned = threading.Event()

    def hold(self) -> Hold:
        return self.held

    async def leave(self) -> None:
        self.left = True

    def lasts(self) -> float:
        return self.lease

    def abandon(self) -> None:
        self.abandoned.set()


class Election:
    """Gives an office at once, whenever it is asked."""

    repeats = True
    leader: Leader | None = None
    is_led = False

    def __init__(self, make: Callable[[], JobStore]) -> None:
        self.offices: list[Office] = []
        self._make = make

    async def won(self) -> Office:
        self.offices.append(Office(self._make()))
        return self.offices[-1]

    async def close(self) -> None:
        pass


class Gate:
    """Lets a store's thread pass, or holds it."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def __call__(self) -> None:
        assert self.open.wait(30), "nobody has opened it"


class HangingStore(LocalJobStore):
    """It hangs while it is opened, or while it writes."""

    def __init__(self, directory: Path, *, opening: Gate | None = None, writing: Gate | None = None) -> None:
        super().__init__(directory)
        self._opening, self._writing = opening, writing

    def open(self, floor: Epoch) -> Epoch:
        if self._opening is not None:
            self._opening()
        return super().open(floor)

    def put(self, record: JobRecord) -> StoreAnswer:
        if self._writing is not None:
            self._writing()
        return super().put(record)


@asynccontextmanager
async def standing(
    directory: Path, make: Callable[[], JobStore], options: Mapping[str, str] | None = None
) -> AsyncGenerator[tuple[JobManagerService, Election]]:
    """A JobManager that stands for election again and again."""
    election, configuration = Election(make), Configuration.from_strings(options or {})
    service = await JobManagerService.start(
        configuration, ListenAddress.unix(f"{directory}/jm.sock"), election, f"{directory}/store/checkpoints"
    )
    try:
        yield service, election
    finally:
        await service.stop()


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # an election that a test scripts tells nobody
        await asyncio.sleep(0.005)


async def leads(service: JobManagerService) -> None:
    await until(lambda: service.leads)


# ------------------------------------------------------------ another one's turn


async def test_an_office_that_is_over_while_the_store_hangs_is_left(tmp_path: Path) -> None:
    gate, other = Gate(), tmp_path / "elsewhere"
    stores = iter([HangingStore(tmp_path / "store", opening=gate), LocalJobStore(other)])
    async with standing(tmp_path, lambda: next(stores)) as (service, election):
        await until(lambda: election.offices)
        assert not service.leads
        election.offices[0].held = Hold.OVER
        await leads(service)
        assert election.offices[0].left
        gate.open.set()


async def test_a_store_that_hangs_at_the_start_is_left_to_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "BEGIN_S", 0.2)
    monkeypatch.setattr(patience, "_SAY_S", 0.0)
    gate = Gate()
    stores = iter([HangingStore(tmp_path / "store", opening=gate), LocalJobStore(tmp_path / "elsewhere")])
    async with standing(tmp_path, lambda: next(stores)) as (service, election):
        await leads(service)
        assert election.offices[0].left
        gate.open.set()
    assert "waits for the job store" in caplog.text
    assert "this JobManager can't lead now: the job store has not answered" in caplog.text


async def test_a_store_that_hangs_in_office_is_left_to_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client asks again, and the next leader takes its job."""
    monkeypatch.setattr("millstream_jobmanager.service.shell.WRITE_S", 0.3)
    gate = Gate()
    stores = iter([HangingStore(tmp_path / "store", writing=gate), LocalJobStore(tmp_path / "elsewhere")])
    interval = {"heartbeat.interval": "50 ms"}
    async with (
        standing(tmp_path, lambda: next(stores), interval) as (service, election),
        client_of(service) as client,
    ):
        await leads(service)
        asked = asyncio.create_task(client.submit(job_of()))
        await until(lambda: len(election.offices) > 1)
        with pytest.raises(grpc.aio.AioRpcError, match="leads no more"):
            await asked
        assert election.offices[0].left
        await leads(service)
        await client.submit(job_of())
        gate.open.set()


async def test_where_there_is_nobody_else_a_hanging_store_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("millstream_jobmanager.service.shell.WRITE_S", 0.05)
    monkeypatch.setattr(patience, "BEGIN_S", 0.05)
    opening, writing = Gate(), Gate()
    store = HangingStore(tmp_path / "store", opening=opening, writing=writing)
    asyncio.get_running_loop().call_later(0.3, opening.open.set)
    async with leading(tmp_path, {"heartbeat.interval": "50 ms"}, store=store) as service, client_of(service) as client:
        asyncio.get_running_loop().call_later(0.3, writing.open.set)
        await client.submit(job_of())


async def test_what_does_not_answer_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreachable(LocalJobStore):
        def open(self, floor: Epoch) -> Epoch:
            raise StoreWriteError(f"no room for epoch {floor}", refused=True)

    monkeypatch.setattr("millstream_jobmanager.service.server.AGAIN", 0.01)
    stores = iter([*(Unreachable(tmp_path / "store") for _ in range(3)), LocalJobStore(tmp_path / "store")])
    async with standing(tmp_path, lambda: next(stores)) as (service, election):
        await leads(service)
        assert [office.left for office in election.offices] == [True, True, True, False]


async def test_a_standby_is_ready_while_it_sees_another_one_lead(tmp_path: Path) -> None:
    """And not as long as it only remembers one."""
    opening = Gate()
    async with standing(tmp_path, lambda: HangingStore(tmp_path / "store", opening=opening)) as (service, election):
        assert (service.live(), service.ready()) == (None, "leaderless")
        election.leader, election.is_led = Leader(Epoch(7), "elsewhere:1"), True
        assert service.ready() is None
        election.is_led = False
        assert service.ready() == "leaderless"
        opening.open.set()
        await leads(service)
        assert service.ready() is None


def test_an_office_whose_loop_stands_still_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    office = Office(cast("JobStore", None))
    office.lease = -standstill.GRACE_S
    with standstill.watched_over(office):
        assert office.abandoned.wait(10)
    assert "stands still" in caplog.text


def test_an_office_that_is_renewed_or_left_in_time_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "GRACE_S", 0.05)
    office, asked = Office(cast("JobStore", None)), threading.Semaphore(0)

    def renewed() -> float:
        asked.release()
        return 0.0

    monkeypatch.setattr(office, "lasts", renewed)
    with standstill.watched_over(office):
        assert all(asked.acquire(timeout=10) for _ in range(6))
    office.lease = -1.0
    assert not office.abandoned.wait(0.2)


# ------------------------------------------------------------ the end


@pytest.mark.parametrize("bad", [JOB, OTHER], ids=["the first", "the last"])
async def test_a_core_that_fails_on_a_stored_job_ends_the_jobmanager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: JobId
) -> None:
    async with leading(tmp_path) as service, client_of(service) as client:
        await client.submit(job_of(JOB))
        await client.submit(job_of(OTHER))
    route = ClusterCore._route

    def failing(core: ClusterCore, turn: Turn, event: Event) -> None:
        if isinstance(event, JobRecovered) and event.record.job == bad:
            raise RuntimeError("a fault of ours")
        route(core, turn, event)

    monkeypatch.setattr(ClusterCore, "_route", failing)
    async with standing(tmp_path, lambda: LocalJobStore(tmp_path / "store")) as (service, election):
        with pytest.raises(CoreFailedError, match="a fault of ours"):
            await service.wait_deposed()
        assert [office.left for office in election.offices] == [True]
        assert service.live() == "failed"


async def test_a_damaged_record_ends_the_jobmanager(tmp_path: Path) -> None:
    """In a second it would be as damaged; the sentence says what to do."""
    async with leading(tmp_path) as service, client_of(service) as client:
        await client.submit(job_of())
    (record,) = (tmp_path / "store/jobs").iterdir()
    record.write_bytes(b"damaged")
    async with standing(tmp_path, lambda: LocalJobStore(tmp_path / "store")) as (service, election):
        with pytest.raises(StoreDamagedError, match="can't be read"):
            await service.wait_deposed()
        assert len(election.offices) == 1
