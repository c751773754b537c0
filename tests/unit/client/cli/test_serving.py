"""How a process of a cluster ends: it was told to, it leads no more, or it has failed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from millstream.cli.answers import Problem
from millstream.cli.exit_codes import ExitCode
from millstream.cli.main import main
from millstream.cli.serving import say, until_told
from millstream_jobmanager.service.shell import CoreFailedError


class Service:
    """Its life ends as a test says."""

    target = "127.0.0.1:1"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.stopped = 0
        self.left = 0

    async def stop(self) -> None:
        self.stopped += 1

    async def wait(self) -> None:
        if self.error is not None:
            raise self.error

    wait_deposed = wait

    async def leave(self) -> None:
        self.left += 1


async def test_a_signal_stops_it() -> None:
    service = Service()
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    assert await until_told(service, asyncio.Event().wait())  # type: ignore[arg-type]  # it never ends
    assert service.stopped == 1


@pytest.mark.parametrize(("number", "left"), [(signal.SIGTERM, 1), (signal.SIGINT, 0)])
async def test_what_it_does_is_handed_over_at_sigterm_alone(number: signal.Signals, left: int) -> None:
    service = Service()
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
    assert await until_told(service, asyncio.Event().wait(), service.leave)  # type: ignore[arg-type]  # it never ends
    assert (service.left, service.stopped) == (left, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_handing_over(number: signal.Signals) -> None:
    service = Service()

    async def hand_over() -> None:
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    assert await until_told(service, asyncio.Event().wait(), hand_over)  # type: ignore[arg-type]  # it never ends
    assert service.stopped == 1


async def test_a_failure_ends_the_handing_over() -> None:
    service, told = Service(), asyncio.Event()

    async def hand_over() -> None:
        told.set()
        await asyncio.Event().wait()

    async def fail() -> None:
        await told.wait()
        raise ZeroDivisionError

    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    with pytest.raises(Problem, match="ZeroDivisionError"):
        await until_told(service, fail(), hand_over)
    assert service.stopped == 1


async def test_its_end_stops_it_as_well() -> None:
    service = Service()
    assert not await until_told(service, service.wait())
    assert service.stopped == 1


async def test_its_failure_is_told_when_it_has_stopped() -> None:
    service = Service(ZeroDivisionError("division by zero"))
    with pytest.raises(Problem, match=r"ZeroDivisionError: division by zero") as caught:
        await until_told(service, service.wait())
    assert service.stopped == 1
    assert caught.value.exit_code == ExitCode.FAILED


def test_a_signal_during_the_start_takes_apart_what_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A storage that hangs keeps a JobManager from its end no more than from its beginning."""
    taken_apart: list[bool] = []

    async def hangs(*_: object) -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            taken_apart.append(True)

    monkeypatch.setattr("millstream_jobmanager.service.server.JobManagerService.start", hangs)
    result = CliRunner().invoke(main, ["jobmanager", "-D", f"high-availability.storageDir={tmp_path}"])
    assert (result.exit_code, taken_apart) == (0, [True])


def test_an_interrupt_during_the_start_is_no_end_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def hangs(*_: object) -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    monkeypatch.setattr("millstream_jobmanager.service.server.JobManagerService.start", hangs)
    result = CliRunner().invoke(main, ["jobmanager", "-D", f"high-availability.storageDir={tmp_path}"])
    assert result.exit_code == ExitCode.INTERRUPTED


def test_what_is_said_goes_into_the_log_where_that_is_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    say("to stdout")
    monkeypatch.setattr("millstream.cli.serving.stdout_is_log", lambda: True)
    say("to the log")
    assert capsys.readouterr().out == "to stdout\n"
    assert caplog.messages == ["to the log"]


def started(service: Service) -> Callable[..., Awaitable[Service]]:
    async def start(*_: object) -> Service:
        return service

    return start


def run_taskmanager(start: Callable[..., Awaitable[Service]], monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    monkeypatch.setattr("millstream_taskmanager.service.TaskManagerService.start", start)
    monkeypatch.setattr(
        "millstream_taskmanager.processes.spawning.SpawnedForkServer", lambda _: contextlib.nullcontext()
    )
    return CliRunner().invoke(main, ["taskmanager", *options])


def run_jobmanager(service: Service, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setattr("millstream_jobmanager.service.server.JobManagerService.start", started(service))
    return CliRunner().invoke(main, ["jobmanager", "-D", f"high-availability.storageDir={directory}"])


def test_a_taskmanager_that_has_failed_ends_with_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(ZeroDivisionError("division by zero"))
    result = run_taskmanager(started(service), monkeypatch)
    assert result.exit_code == ExitCode.FAILED
    assert "it has failed by a mistake of Millstream's (ZeroDivisionError: division by zero)" in result.stderr
    assert service.stopped == 1


def test_taskmanagers_of_clusters_with_an_id_have_numbers_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def numbers(*options: str) -> Path:
        asked: list[Path] = []

        async def start(_settings: object, _target: object, directory: Path, _forkserver: object) -> Service:
            asked.append(directory)
            raise ZeroDivisionError

        run_taskmanager(start, monkeypatch, *options)
        return asked[0]

    elected = "-Dhigh-availability.type=zookeeper", "-Dhigh-availability.zookeeper.quorum=localhost"
    alone = numbers()
    assert numbers("-Dhigh-availability.cluster-id=eu/1") == alone  # no cluster without an election has an id
    assert numbers(*elected, "-Dhigh-availability.cluster-id=eu/1") == alone / "eu%2F1"
    assert numbers(*elected, "-Dhigh-availability.cluster-id=eu/2") == alone / "eu%2F2"


def test_a_jobmanager_that_has_failed_names_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_jobmanager(Service(CoreFailedError("KeyError: 'x', on Tick")), tmp_path, monkeypatch)
    assert result.exit_code == ExitCode.FAILED
    assert "CoreFailedError: KeyError: 'x', on Tick" in result.stderr
    assert "another JobManager" not in result.stderr


def test_a_jobmanager_that_was_deposed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_jobmanager(Service(), tmp_path, monkeypatch)
    assert result.exit_code == ExitCode.FAILED
    assert "another JobManager has taken over the job store" in result.stderr


def test_a_forkserver_that_can_t_be_started_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    result = CliRunner().invoke(main, ["taskmanager"])
    assert result.exit_code == ExitCode.FAILED
    assert "Error: the forkserver can't be started: " in result.stderr
