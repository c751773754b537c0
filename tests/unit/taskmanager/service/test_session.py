"""The link with the leader, over a real gRPC server that a test leads."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

import pytest

from millstream_dataflow.identity import (
    Epoch,
    JobId,
    RegionAttempt,
    RegionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
)
from millstream_dataflow.job_graph import Versions
from millstream_proto.session_pb2 import JobManagerMessage
from millstream_runtime.messages.codec import to_message
from millstream_runtime.messages.deployments import DataAddress
from millstream_runtime.messages.session import (
    CancelRegion,
    FromTaskManager,
    Heartbeat,
    OperatorReply,
    Refused,
    Register,
    Registered,
    StopMode,
    StopSources,
    TaskOutput,
    TaskReport,
    TaskStateChanged,
)
from millstream_runtime.states import TaskState
from millstream_taskmanager.core.events import Event, LeaderConnected, LeaderDisconnected, LeaderSaid
from millstream_taskmanager.service import session
from millstream_taskmanager.service.leaders import FixedLeaders
from millstream_taskmanager.service.session import LeaderLink
from millstream_taskmanager.service.settings import LinkSettings
from tests.unit.taskmanager.service.scripted import ScriptedJobManager, eventually

T = TypeVar("T")
ME = TaskManagerId("a" * 32)
ATTEMPT = RegionAttempt(JobId("j" * 32), RegionId(0), 1)
TASK = TaskId(ATTEMPT, SubtaskId(VertexId("v" * 32), 0))
REGISTER = Register(DataAddress("h", 1, "/d", "m"), 1, Versions("3", "0", "3", "26"), Epoch(0), "resource")
STATE = TaskStateChanged(TaskReport(TASK, TaskState.RUNNING))
SETTINGS = LinkSettings(first_backoff=20, longest_backoff=100, refused_backoff=60_000)


class Linked:
    """A link, and what it has told. It registers by itself, as the core would."""

    def __init__(self, target: str, settings: LinkSettings, register: Register = REGISTER) -> None:
        self.events: list[Event] = []
        self.changed = asyncio.Event()
        self.register = register
        self.link = LeaderLink(FixedLeaders(target), ME, settings, self.tell, lambda: Epoch(7))
        self.task = asyncio.create_task(self.link.run())

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.changed.set()
        if isinstance(event, LeaderConnected):
            self.link.send(event.session, self.register)

    def send(self, message: FromTaskManager) -> None:
        self.link.send(self.of(LeaderConnected)[-1].session, message)

    def of(self, cls: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, cls)]

    def said(self, cls: type[T]) -> list[T]:
        return [event.message for event in self.of(LeaderSaid) if isinstance(event.message, cls)]

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def jobmanager() -> AsyncIterator[ScriptedJobManager]:
    made = ScriptedJobManager(heartbeat=(50, 5_000))
    await made.start()
    yield made
    await made.stop()


@contextlib.asynccontextmanager
async def linked(
    jobmanager: ScriptedJobManager, settings: LinkSettings = SETTINGS, register: Register = REGISTER
) -> AsyncGenerator[Linked]:
    """Registered."""
    made = Linked(jobmanager.target, settings, register)
    try:
        await made.until(lambda: made.said(Registered))
        yield made
    finally:
        await made.stop()


async def test_a_session_begins_with_the_registration(jobmanager: ScriptedJobManager) -> None:
    async with linked(jobmanager) as link:
        assert jobmanager.session.heard == [REGISTER]
        assert link.of(LeaderSaid)[0].epoch == 1
        assert jobmanager.session.id == link.of(LeaderConnected)[0].session


async def test_messages_keep_their_order_both_ways(jobmanager: ScriptedJobManager) -> None:
    async with linked(jobmanager) as link:
        outputs = [TaskOutput(TASK, error_stream=False, text=str(number)) for number in range(200)]
        for output in outputs:
            link.send(output)
        orders = [CancelRegion(ATTEMPT, number) for number in range(200)]
        for order in orders:
            await jobmanager.session.say(order)
        await link.until(lambda: len(link.said(CancelRegion)) == len(orders))
        await jobmanager.until(lambda: len(jobmanager.session.of(TaskOutput)) == len(outputs))
        assert link.said(CancelRegion) == orders
        assert jobmanager.session.of(TaskOutput) == outputs


async def test_a_large_registration_goes_in_parts(jobmanager: ScriptedJobManager) -> None:
    """Law 3.3."""
    tasks = tuple(
        TaskReport(TaskId(ATTEMPT, SubtaskId(VertexId("v" * 32), i)), TaskState.RUNNING) for i in range(4_000)
    )
    register = Register(REGISTER.address, 1, REGISTER.versions, Epoch(0), "resource", tasks=tasks)
    async with linked(jobmanager, register=register):
        assert jobmanager.session.heard == [register]
        assert jobmanager.session.envelopes > 1


async def test_a_large_order_comes_in_parts(jobmanager: ScriptedJobManager) -> None:
    async with linked(jobmanager) as link:
        order = StopSources((TASK,) * 5_000, StopMode.STOP)
        await jobmanager.session.say(order, limit=64 << 10)
        await link.until(lambda: link.said(StopSources))
        assert link.said(StopSources) == [order]


async def test_a_jobmanager_that_comes_afterwards_is_found(jobmanager: ScriptedJobManager) -> None:
    port = jobmanager.port
    await jobmanager.stop()
    link = Linked(f"127.0.0.1:{port}", SETTINGS)
    try:
        await asyncio.sleep(0)
        await jobmanager.start(port)
        await link.until(lambda: link.said(Registered))
    finally:
        await link.stop()


async def test_the_outage_is_told_once_not_with_every_try(
    jobmanager: ScriptedJobManager, caplog: pytest.LogCaptureFixture
) -> None:
    port = jobmanager.port
    await jobmanager.stop()
    link = Linked(f"127.0.0.1:{port}", LinkSettings(first_backoff=1, longest_backoff=1))
    try:
        await eventually(lambda: link.link._number >= 5)
        assert len([record for record in caplog.records if "can't be reached" in record.message]) == 1
    finally:
        await link.stop()


async def test_a_broken_stream_is_told_and_a_new_session_has_a_higher_number(jobmanager: ScriptedJobManager) -> None:
    async with linked(jobmanager) as link:
        port, first = jobmanager.port, jobmanager.session.id
        await jobmanager.stop()
        await link.until(lambda: link.of(LeaderDisconnected))
        assert link.of(LeaderDisconnected)[0].session == first
        successor = ScriptedJobManager(2)
        await successor.start(port)
        await link.until(lambda: len(link.said(Registered)) == 2)
        assert successor.session.id.number > first.number
        assert successor.session.heard[0] == REGISTER
        await successor.stop()


async def test_a_session_that_ended_in_order_is_followed_by_the_next_at_once(
    jobmanager: ScriptedJobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LASTED_MS", 0)  # one that was only just opened counts as well
    slow = LinkSettings(first_backoff=50_000, longest_backoff=50_000)
    async with linked(jobmanager, slow) as link:
        began = time.monotonic()
        jobmanager.session.end.set()
        await link.until(lambda: len(link.said(Registered)) == 2)
        assert time.monotonic() - began < 10


async def test_messages_for_a_session_that_is_over_go_nowhere(jobmanager: ScriptedJobManager) -> None:
    async with linked(jobmanager) as link:
        former = link.of(LeaderConnected)[0].session
        link.link.close(former, "a test", refused=False)
        await link.until(lambda: len(link.said(Registered)) == 2)
        link.link.send(former, STATE)
        link.send(Heartbeat(1))
        await jobmanager.heard(Heartbeat)
        assert not jobmanager.session.of(TaskStateChanged)
        assert [lost.reason for lost in link.of(LeaderDisconnected)] == ["a test"]


async def test_who_was_refused_asks_again_slowly(jobmanager: ScriptedJobManager) -> None:
    jobmanager.answer = lambda: Refused("no room")
    link = Linked(jobmanager.target, LinkSettings(first_backoff=1, longest_backoff=1, refused_backoff=100))
    try:
        await link.until(lambda: link.said(Refused))
        began = time.monotonic()
        link.link.close(link.of(LeaderConnected)[0].session, "no room", refused=True)
        await link.until(lambda: len(link.of(LeaderConnected)) == 2)
        assert time.monotonic() - began >= 0.1
    finally:
        await link.stop()


async def test_a_jobmanager_that_never_answers_the_registration_is_left(jobmanager: ScriptedJobManager) -> None:
    jobmanager.answer = lambda: None
    jobmanager.heartbeat = (60_000, 60_000)
    link = Linked(jobmanager.target, LinkSettings(call_timeout=200, first_backoff=1))
    try:
        await link.until(lambda: len(link.of(LeaderConnected)) == 2)
        assert "didn't answer the registration" in link.of(LeaderDisconnected)[0].reason
    finally:
        await link.stop()


@pytest.mark.parametrize("kind", ["empty", "stranger", "nonsense"])
async def test_what_cannot_be_read_ends_the_session(
    jobmanager: ScriptedJobManager, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked(jobmanager) as link:
        session = jobmanager.session
        stranger = to_message(type(session.id)(ME, 99))
        wrong = {
            "empty": JobManagerMessage(session=to_message(session.id), epoch=1),
            "stranger": JobManagerMessage(session=stranger, epoch=1, heartbeat=to_message(Heartbeat(1))),
            "nonsense": JobManagerMessage(session=to_message(session.id), epoch=1, stop_sources={"mode": 77}),
        }
        await session.say_raw(wrong[kind])
        await link.until(lambda: len(link.said(Registered)) == 2)
        assert [record for record in caplog.records if "can't be read" in record.message]


async def test_output_does_not_hold_heartbeats_back(jobmanager: ScriptedJobManager) -> None:
    """A JobManager that doesn't read for a while."""
    async with linked(jobmanager) as link:
        jobmanager.session.reading.clear()
        output = TaskOutput(TASK, error_stream=False, text="x" * 100_000)
        for _ in range(100):
            link.send(output)
        link.send(STATE)
        link.send(Heartbeat(1))
        jobmanager.session.reading.set()
        await jobmanager.heard(TaskStateChanged)
        heard = jobmanager.session.heard
        assert heard.index(Heartbeat(1)) < heard.index(STATE)
        assert jobmanager.session.of(TaskOutput) == [output] * 100


async def test_a_jobmanager_that_takes_nothing_is_left(jobmanager: ScriptedJobManager) -> None:
    settings = LinkSettings(first_backoff=1, unsent_limit=1 << 20)
    async with linked(jobmanager, settings) as link:
        jobmanager.session.reading.clear()
        for _ in range(30):
            link.send(OperatorReply(1, b"x" * 100_000))
        await link.until(lambda: link.of(LeaderDisconnected))
        assert "hasn't taken" in link.of(LeaderDisconnected)[0].reason


async def test_the_last_words_are_said_before_it_leaves(jobmanager: ScriptedJobManager) -> None:
    async with linked(jobmanager) as link:
        link.send(STATE)
        session = jobmanager.session
    await jobmanager.until(lambda: session.ended)
    assert session.of(TaskStateChanged) == [STATE]


async def test_it_can_be_stopped_while_nobody_is_there(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    link = Linked("127.0.0.1:1", SETTINGS)
    await eventually(lambda: caplog.records)
    await link.stop()
    assert not link.events
