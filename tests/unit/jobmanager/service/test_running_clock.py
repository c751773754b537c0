"""A JobManager that was stopped blames nobody for its own pause."""

from collections.abc import Callable
from pathlib import Path

import pytest

from millstream_jobmanager.core.cluster import ClusterCore
from millstream_jobmanager.core.events import Tick
from millstream_jobmanager.leadership.office import Office
from millstream_jobmanager.service import term
from millstream_jobmanager.service.running_clock import RunningClock, running_clock
from millstream_jobmanager.service.shell import Hands, Shell
from millstream_runtime.messages.deployments import DeployWorker
from millstream_runtime.messages.session import Registered
from millstream_runtime.states import JobState
from tests.support.service_client import CHECKPOINTED, client_of, eventually, job_of, leading
from tests.support.session_taskmanager import SessionTaskManager


def test_while_it_is_asked_it_goes_with_the_machine() -> None:
    clock = RunningClock(10_000, 5_000, 1_000_000)
    assert clock.now(1_000_000) == 1_000_000
    assert clock.now(1_010_000) == 1_010_000
    assert clock.wait(1_010_500, 1_010_100) == 400
    assert clock.wait(1_000_000, 1_010_100) == 0


def test_a_pause_does_not_count_and_behind_it_the_clock_stands_for_a_while() -> None:
    clock = RunningClock(10_000, 5_000, 0)
    assert clock.now(4_000) == 4_000
    assert clock.now(94_000) == 4_000
    assert clock.now(94_001) == 4_000
    assert clock.wait(4_500, 94_001) == 500 + 4_999
    assert clock.now(98_999) == 4_000
    assert clock.now(99_500) == 4_500
    assert clock.now(104_000) == 9_000


def test_a_second_pause_within_the_first_s_standstill() -> None:
    clock = RunningClock(10_000, 5_000, 0)
    assert clock.now(90_000) == 0
    assert clock.now(180_000) == 0
    assert clock.now(184_000) == 0
    assert clock.now(186_000) == 1_000


def test_the_standstill_is_shorter_than_what_taskmanagers_wait_for_us() -> None:
    assert running_clock(10_000, 50_000, 0).standstill == 5_000
    assert running_clock(100, 600, 0).standstill == 200


async def until(good: Callable[[], bool]) -> None:
    async def ask() -> bool:
        return good()

    await eventually(ask, bool)


@pytest.mark.parametrize("paused", [True, False])
async def test_who_returns_after_a_pause_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, paused: bool
) -> None:
    """The TaskManager has left a JobManager that was silent, and looks for it anew."""
    shells: list[Shell] = []

    def made(core: ClusterCore, hands: Hands, office: Office) -> Shell:
        shells.append(Shell(core, hands, office))
        return shells[-1]

    monkeypatch.setattr(term, "Shell", made)
    async with leading(tmp_path) as service, client_of(service) as client:
        [shell], time = shells, [10_000_000]
        shell._clock = lambda: time[0]
        shell._running = running_clock(10_000, 50_000, time[0])
        taskmanager = SessionTaskManager(service.target)
        async with taskmanager.connected():
            await client.submit(job_of(options=CHECKPOINTED))
            await client.until(JobState.RUNNING)
            time[0] += 90_000 if paused else 0
        await until(lambda: not any(member.open for _, member in shell.core._members))
        time[0] += 3_000
        shell.post(Tick())
        await until(lambda: not shell._events)
        if not paused:
            assert (await client.details()).status.state is JobState.RESTARTING
            return
        taskmanager.told.clear()
        async with taskmanager.connected():
            await taskmanager.heard(Registered)
            time[0] += 9_000
            shell.post(Tick())
            await client.until(JobState.RUNNING)
            assert [task.attempt for task in (await client.details()).tasks] == [1, 1, 1]
            assert not [message for message in taskmanager.told if isinstance(message, DeployWorker)]
