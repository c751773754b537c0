"""`millstream` as a process whose output can't be written, or which is interrupted early."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.cli import entry, interrupts
from millstream.cli.exit_codes import ExitCode
from tests.support.clusters import until

COMMAND = "import sys; sys.argv[0] = 'millstream'; from millstream.cli.entry import main; main()"
PROGRAM = """
from millstream import StreamExecutionEnvironment

env = StreamExecutionEnvironment.get_execution_environment()
env.from_collection([1, 2]).print()
env.execute()
"""
READY = "from millstream.cli import interrupts; interrupts.leave_at_once(); print('ready', flush=True); input()"


def millstream(*arguments: str, stdout: int, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", COMMAND, *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False, timeout=50)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_one_sentence(unbuffered: str) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    result = millstream("config", stdout=full, PYTHONUNBUFFERED=unbuffered)
    os.close(full)
    assert result.returncode == ExitCode.FAILED
    assert result.stderr == b"Error: the output can't be written: No space left on device\n"


@pytest.mark.parametrize("arguments", [("config",), ("--help",), ("run", "--help")])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_pipe_that_nobody_reads_ends_it_without_a_word(arguments: tuple[str, ...], unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = millstream(*arguments, stdout=writing, PYTHONUNBUFFERED=unbuffered)
    os.close(writing)
    assert (result.returncode, result.stderr) == (ExitCode.NOBODY_READS, b"")


def without_stdout(*command: str) -> list[str]:
    """As a shell starts it with `>&-`."""
    return [
        sys.executable,
        "-c",
        f"import os; os.close(1); os.execv({sys.executable!r}, {[sys.executable, *command]!r})",
    ]


@pytest.mark.parametrize("arguments", [("config",), ("--help",), ("run", "--help")])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_stdout_is_one_sentence(arguments: tuple[str, ...], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = without_stdout("-c", COMMAND, *arguments)
    result = subprocess.run(command, stderr=subprocess.PIPE, env=environment, check=False, timeout=50)
    assert (result.returncode, result.stderr) == (
        ExitCode.FAILED,
        b"Error: the output can't be written: Bad file descriptor\n",
    )


def test_a_closed_stdout_is_missed_only_by_who_writes_there() -> None:
    command = without_stdout("-c", COMMAND, "config", "no.such.key")
    result = subprocess.run(command, stderr=subprocess.PIPE, check=False, timeout=50)
    assert (result.returncode, result.stderr) == (
        ExitCode.USAGE,
        b"Error: there is no key no.such.key; 'millstream config' lists all keys.\n",
    )


def test_a_process_of_a_cluster_goes_on_without_a_stdout(tmp_path: Path) -> None:
    settings = {"jobmanager.rpc.port": "0", "high-availability.storageDir": tmp_path / "store", "env.log.dir": tmp_path}
    definitions = [part for key, value in settings.items() for part in ("-D", f"{key}={value}")]
    with subprocess.Popen(without_stdout("-c", COMMAND, "jobmanager", *definitions), stderr=subprocess.PIPE) as process:
        until(lambda: any("leading in epoch" in log.read_text() for log in tmp_path.glob("*.log")), 30, "it leads")
        process.terminate()
        _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (ExitCode.FINISHED, b"")


class TestWhatAJobPrints:
    """A program whose job runs in its own process."""

    LOST = b"what the job prints can't be written to stdout: "
    BAD = b"Bad file descriptor\n"
    FULL = b"No space left on device\n"

    @pytest.fixture
    def program(self, tmp_path: Path) -> str:
        (tmp_path / "job.py").write_text(PROGRAM, encoding="utf-8")
        return str(tmp_path / "job.py")

    def test_a_closed_stdout_ends_the_command_without_a_traceback(self, program: str) -> None:
        command = without_stdout("-c", COMMAND, "run", "--inline", program)
        result = subprocess.run(command, stderr=subprocess.PIPE, check=False, timeout=50)
        assert result.returncode == ExitCode.FAILED
        assert result.stderr.startswith(b"Error: " + self.LOST + self.BAD)
        assert b"Traceback" not in result.stderr

    def test_a_closed_stdout_ends_a_program_without_a_traceback(self, program: str) -> None:
        environment = {**os.environ, "MILLSTREAM_EXECUTION_TARGET": "inline"}
        command = without_stdout(program)
        result = subprocess.run(command, stderr=subprocess.PIPE, env=environment, check=False, timeout=50)
        assert (result.returncode, result.stderr) == (ExitCode.FAILED, self.LOST + self.BAD)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
    def test_so_does_a_full_disk(self, program: str) -> None:
        environment = {**os.environ, "MILLSTREAM_EXECUTION_TARGET": "inline"}
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            result = subprocess.run(
                [sys.executable, program], stdout=full, stderr=subprocess.PIPE, env=environment, check=False, timeout=50
            )
        assert (result.returncode, result.stderr) == (ExitCode.FAILED, self.LOST + self.FULL)

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_a_pipe_that_nobody_reads_ends_the_command_without_a_word(self, program: str, unbuffered: str) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        result = millstream("run", "--inline", program, stdout=writing, PYTHONUNBUFFERED=unbuffered)
        os.close(writing)
        assert (result.returncode, result.stderr) == (ExitCode.NOBODY_READS, b"")


def test_what_the_terminal_can_t_show_is_replaced() -> None:
    arguments = ("config", "env.log.dir", "-D", "env.log.dir=/W→rld")
    result = millstream(*arguments, stdout=subprocess.PIPE, PYTHONIOENCODING="latin-1")
    assert result.returncode == ExitCode.FINISHED, result.stderr
    assert result.stdout.startswith(b"env.log.dir = /W?rld\n")


class TestInterrupts:
    """Ctrl-C before there is anything to clean up."""

    def test_it_ends_the_process_at_once(self) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", READY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
        assert (process.returncode, told) == (ExitCode.INTERRUPTED, "Interrupted.\n")

    def test_the_command_begins_so_and_imports_nothing_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        code = "import sys; from millstream.cli import entry; print({'click', 'asyncio', 'grpc'} & set(sys.modules))"
        output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert output == "set()\n"
        handlers: list[object] = []
        monkeypatch.setattr("millstream.cli.main.main", lambda: handlers.append(signal.getsignal(signal.SIGINT)))
        before = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            entry.main()
            interrupts.raise_them()
            handlers.append(signal.getsignal(signal.SIGINT))
        finally:
            signal.signal(signal.SIGINT, before)
        assert handlers == [interrupts._leave, signal.default_int_handler]

    def test_a_process_in_the_background_goes_on_ignoring_it(self) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            interrupts.leave_at_once()
            interrupts.raise_them()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)
