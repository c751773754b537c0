"""`millstream` as a process whose output can't be written, or which is interrupted early."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.cli import entry, interrupts
from millstream.cli.exit_codes import ExitCode

COMMAND = "import sys; sys.argv[0] = 'millstream'; from millstream.cli.entry import main; main()"
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


def test_without_a_stdout_it_says_nothing() -> None:
    command = f"import os; os.close(1); os.execv({sys.executable!r}, {[sys.executable, '-c', COMMAND, 'config']!r})"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, check=False, timeout=50)
    assert (result.returncode, result.stderr) == (ExitCode.FINISHED, b"")


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
