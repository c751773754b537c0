"""The embedded cluster's inside: a service that fails ends the child, and the program finds out why."""

import asyncio
import io
import os
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from millstream.embedded import child
from millstream.embedded.child import ClusterFailedError, JobManager, TaskManager
from millstream.embedded.orders import Orders, Place, encode, report_of


class Service:
    """Both; its life ends as a test says."""

    target = "unix:/x"

    def __init__(self, name: str, stopped: list[str], end: asyncio.Event, error: Exception | None = None) -> None:
        self.name = name
        self.stopped = stopped
        self.end = end
        self.error = error

    async def wait(self) -> None:
        await self.end.wait()
        if self.error is not None:
            raise self.error

    wait_deposed = wait

    async def stop(self) -> None:
        self.stopped.append(self.name)


async def start(jobmanager: Service, taskmanager: Service, stack: AsyncExitStack) -> tuple[JobManager, TaskManager]:
    for service in (jobmanager, taskmanager):
        stack.push_async_callback(service.stop)
    return jobmanager, taskmanager


class Report(io.BytesIO):
    """What the program has been told stays readable."""

    text = b""

    def close(self) -> None:
        self.text = self.getvalue()
        super().close()


@pytest.mark.parametrize(
    ("failing", "error", "words"),
    [
        ("jobmanager", ZeroDivisionError("no luck"), r"its JobManager has failed \(ZeroDivisionError: no luck\)"),
        ("taskmanager", ZeroDivisionError("no luck"), r"its TaskManager has failed \(ZeroDivisionError: no luck\)"),
        ("taskmanager", TimeoutError("late"), r"its TaskManager has failed \(TimeoutError: late\)"),
        ("jobmanager", None, r"its JobManager was deposed"),
    ],
)
async def test_a_service_that_can_t_go_on_ends_the_cluster_with_the_reason_as_its_last_word(
    failing: str, error: Exception | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    stopped: list[str] = []
    ended, over, never, report = asyncio.Event(), asyncio.Event(), asyncio.Event(), Report()
    jobmanager, taskmanager = (
        Service(name, stopped, *((over, error) if name == failing else (never, None)))
        for name in ("jobmanager", "taskmanager")
    )
    serving = asyncio.create_task(child._serve(partial(start, jobmanager, taskmanager), report, ended))
    over.set()
    with pytest.raises(ClusterFailedError, match=words):
        await asyncio.wait_for(serving, 20)
    assert report_of(report.text).target == "unix:/x"
    assert stopped == ["taskmanager", "jobmanager"]
    assert ended.is_set(), "or nothing would bound the time that stopping takes"
    assert caplog.messages[-1].startswith("the embedded cluster has ended: its ")


async def test_one_that_is_told_to_end_has_not_failed() -> None:
    stopped: list[str] = []
    ended, never = asyncio.Event(), asyncio.Event()
    jobmanager, taskmanager = (Service(name, stopped, never) for name in ("jobmanager", "taskmanager"))
    serving = asyncio.create_task(child._serve(partial(start, jobmanager, taskmanager), Report(), ended))
    ended.set()
    await asyncio.wait_for(serving, 20)
    assert stopped == ["taskmanager", "jobmanager"]


@pytest.mark.parametrize(("program", "stays"), [(os.getppid(), True), (os.getpid(), False)], ids=["there", "gone"])
def test_what_it_has_logged_stays_for_a_program_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: int, stays: bool
) -> None:
    async def fails(*_: object) -> None:
        raise ClusterFailedError

    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster/stderr").write_text("words", encoding="utf-8")
    monkeypatch.setattr(child, "_run", fails)
    monkeypatch.setattr(child, "_take_stdout", Report)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(encode(Orders({})))))
    place = Place(str(tmp_path / "cluster"), program, dies_with_program=False)
    with pytest.raises(ClusterFailedError):
        child.run(place, cast(Any, None))
    assert (tmp_path / "cluster/stderr").exists() == stays
