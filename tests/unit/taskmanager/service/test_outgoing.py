"""What waits to be written: its order, its parts, its bounds."""

import asyncio

import pytest

from millstream_dataflow.identity import (
    Epoch,
    JobId,
    RegionAttempt,
    RegionId,
    SessionId,
    SubtaskId,
    TaskId,
    TaskManagerId,
    VertexId,
)
from millstream_runtime.messages.session import Heartbeat, OperatorReply, TaskOutput, TaskReport, TaskStateChanged
from millstream_runtime.states import TaskState
from millstream_taskmanager.service.outgoing import Outgoing, TooMuchUnsentError
from millstream_taskmanager.service.settings import LinkSettings

SESSION = SessionId(TaskManagerId("t"), 3)
TASK = TaskId(RegionAttempt(JobId("j"), RegionId(0), 1), SubtaskId(VertexId("v"), 0))
STATE = TaskStateChanged(TaskReport(TASK, TaskState.RUNNING))
LIMIT = 4 << 10


def outgoing(unsent_limit: int = 64 << 20) -> Outgoing:
    return Outgoing(SESSION, LinkSettings(message_limit=LIMIT, unsent_limit=unsent_limit))


def output(text: str) -> TaskOutput:
    return TaskOutput(TASK, error_stream=False, text=text)


async def bodies(queue: Outgoing) -> list[str]:
    """The kinds of all that waits, in order."""
    queue.finish()
    found: list[str] = []
    while (envelope := await queue.next()) is not None:
        found.append(envelope.WhichOneof("body") or "")
    return found


async def test_order_is_kept_and_heartbeats_go_first() -> None:
    queue = outgoing()
    queue.put(STATE, Epoch(1))
    queue.put(output("a"), Epoch(1))
    queue.put(Heartbeat(1), Epoch(1))
    assert await bodies(queue) == ["heartbeat", "task_state_changed", "task_output"]


async def test_a_heartbeat_goes_between_the_parts_of_a_large_message() -> None:
    """Law 3.3."""
    queue = outgoing()
    queue.put(OperatorReply(1, b"x" * 10_000), Epoch(1))
    first = await queue.next()
    assert first is not None
    assert first.ByteSize() <= LIMIT
    queue.put(Heartbeat(1), Epoch(1))
    assert await bodies(queue) == ["heartbeat", "part", "part"]


async def test_session_and_epoch_are_on_every_message() -> None:
    queue = outgoing()
    queue.put(STATE, Epoch(7))
    envelope = await queue.next()
    assert envelope is not None
    assert (envelope.session.number, envelope.epoch) == (3, 7)


async def test_whoever_waits_is_woken() -> None:
    queue = outgoing()
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    queue.put(STATE, Epoch(1))
    assert await waiting is not None
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    queue.finish()
    assert await waiting is None


async def test_output_waits_and_counts_for_no_bound() -> None:
    """Its tasks wait instead."""
    queue = outgoing(unsent_limit=20_000)
    for _ in range(20):
        queue.put(output("x" * 3_000), Epoch(1))
    queue.put(STATE, Epoch(1))
    assert await bodies(queue) == ["task_output"] * 20 + ["task_state_changed"]


async def test_too_much_of_anything_else_ends_the_session() -> None:
    queue = outgoing(unsent_limit=20_000)
    for _ in range(6):
        queue.put(OperatorReply(1, b"x" * 3_000), Epoch(1))
    with pytest.raises(TooMuchUnsentError, match="hasn't taken"):
        queue.put(OperatorReply(1, b"x" * 3_000), Epoch(1))
