"""How the end of a process is told."""

import signal
from pathlib import Path

import pytest

from millstream_taskmanager.processes import memory_events
from millstream_taskmanager.processes.exit_report import LINES, Ending, describe

KILLED = int(signal.SIGKILL)
BY_9 = "killed by signal 9 (SIGKILL)"


@pytest.mark.parametrize(
    ("ending", "cause", "crashed"),
    [
        (Ending(0, asked=True), "it left when it was told to", False),
        (Ending(0), "it ended with exit code 0 though nobody had told it to: perhaps user code calls os._exit", True),
        (Ending(3 << 8, asked=True), "it ended with exit code 3", True),
        (Ending(KILLED, killed=True, asked=True), "killed, as it had not ended by itself", False),
        (
            Ending(KILLED, memory_kills=1, memory=2 << 20),
            f"{BY_9}, out of memory: the kernel has killed for want of memory meanwhile; it held 2,048 MiB at most",
            True,
        ),
        (
            Ending(KILLED, memory=1 << 10),
            f"{BY_9}, perhaps out of memory; it held 1 MiB at most",
            True,
        ),
        (
            Ending(KILLED, memory_kills=0),
            f"{BY_9}, by somebody else: the kernel has not killed for want of memory; it held 0 MiB at most",
            True,
        ),
        (Ending(int(signal.SIGSEGV), killed=True), "killed by signal 11 (SIGSEGV)", True),
        (Ending(40), "killed by signal 40 (which has no name)", True),
    ],
)
def test_an_end_in_words(ending: Ending, cause: str, *, crashed: bool) -> None:
    assert describe(ending, ["what it printed"] if crashed else []) == (
        f"{cause}\n  it printed last:\n  what it printed" if crashed else cause,
        crashed,
    )


def test_only_the_last_lines_are_told_and_long_ones_are_cut() -> None:
    cause, _ = describe(Ending(1 << 8), [*map(str, range(100)), "x" * 10_000])
    lines = cause.splitlines()[2:]
    assert len(lines) == LINES
    assert lines[0] == "  81"
    assert len(lines[-1]) < 500


def test_of_a_crash_of_the_interpreter_the_first_lines_are_told() -> None:
    lines = ["before", "Fatal Python error: Aborted", *map(str, range(100))]
    cause, _ = describe(Ending(int(signal.SIGABRT)), lines)
    assert cause.splitlines()[2:4] == ["  Fatal Python error: Aborted", "  0"]


def test_the_kernels_counter_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "groups" / "some" / "group"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("low 0\nhigh 3\nmax 7\noom 2\noom_kill 2\n")
    (tmp_path / "cgroup").write_text("1:name=systemd:/other\n0::/some/group\n")
    (tmp_path / "vmstat").write_text("nr_free_pages 1\noom_kill 5\n")
    monkeypatch.setattr(memory_events, "_OWN_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory_events, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory_events, "_MACHINE", tmp_path / "vmstat")
    assert memory_events.memory_kills() == 2
    (tmp_path / "cgroup").write_text("1:name=systemd:/other\n")
    assert memory_events.memory_kills() == 5
    (tmp_path / "vmstat").unlink()
    assert memory_events.memory_kills() is None
