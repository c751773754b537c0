"""Programs as users start them, each a process, and what they leave behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.clusters import alive, until

_LONGEST_S = 50
AFTER_CTRL_C_S = 10
"""Whoever has pressed it waits for seconds, and not for ten."""


@dataclass
class Programs:
    """Starts programs that put everything of their clusters below `place`, and finds what came of them."""

    directory: Path
    place: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="mst-")))
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: list[subprocess.Popen[str]] = field(default_factory=list["subprocess.Popen[str]"])

    def start(self, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """`python ARGUMENTS`, in a process group of its own as a terminal would give it."""
        variables = {**os.environ, "MILLSTREAM_IO_TMP_DIRS": str(self.place), "TEST_MARK": self.mark}
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env=variables,
            process_group=0,
        )
        self.started.append(process)
        return process

    def script(self, text: str, name: str = "job.py") -> str:
        """A file with that text; its name."""
        (self.directory / name).write_text(text, encoding="utf-8")
        return name

    def run(self, text: str, *arguments: str) -> tuple[int, str, str]:
        """A script, to its end: exit code, stdout, stderr."""
        return self.end(self.start(self.script(text), *arguments))

    def end(self, process: subprocess.Popen[str], seconds: float = _LONGEST_S) -> tuple[int, str, str]:
        """Its end, awaited for so long at most."""
        out, err = process.communicate(timeout=seconds)
        return process.returncode, out, err

    def processes(self) -> list[int]:
        """All that live and come from these programs, by the mark in their environment."""
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and f"TEST_MARK={self.mark}".encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return [pid for pid in found if alive(pid)]

    def nothing_is_left(self, seconds: float = 20) -> None:
        """Neither a process nor a file."""
        until(lambda: not self.processes(), seconds, "all processes have ended", lambda: str(self.processes()))
        until(lambda: not list(self.place.iterdir()), seconds, "the directory is empty", self._files)

    def _files(self) -> str:
        return "\n".join(str(path) for path in self.place.rglob("*"))

    def close(self) -> None:
        """After a test that failed: nothing of it stays."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        for process in self.started:
            process.communicate()
        shutil.rmtree(self.place, ignore_errors=True)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Lines of stdout up to the first that holds the text."""
    assert process.stdout is not None
    lines = ""
    while text not in lines:
        line = process.stdout.readline()
        assert line, f"stdout ended before {text!r}: {lines}"
        lines += line
    return lines
