"""Who prints: the standard streams of a worker, which know whose step runs.

What a step prints goes into its task's own files, and to whoever listens to the job. What no task prints (C code, which
writes to the descriptors 1 and 2 itself; threads that user code has started) goes to the TaskManager's process.
"""

import io
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Final, TextIO, cast

from millstream_runtime.messages.session import TaskOutput
from millstream_taskmanager.worker.task_log import TaskLog

MESSAGE_CHARACTERS: Final = 32 << 10
"""Of one message: at most 128 KiB in UTF-8, half of what a session's message may be (law 3.3)."""

GATHERED_LIMIT: Final = 16 << 20
"""Characters that wait for the listener, far more than a step prints. What comes beyond isn't sent; the task's files
have it.
"""

_Stream = tuple[TaskLog, bool]


class _Speaker(threading.local):
    """Whose code runs in a thread."""

    log: TaskLog | None = None


class TaskOutputs:
    """What tasks print, on its way. `listening` says whether somebody wants it at once."""

    def __init__(self) -> None:
        self._speaker = _Speaker()
        self._lock = threading.Lock()
        self._gathered: dict[_Stream, list[str]] = {}
        self._characters = 0
        self._lost = 0
        self.listening = False

    # --------------------------------------------------------------------------------------------- who prints

    def speaks(self, log: TaskLog | None) -> None:
        """From now on this task's code runs in this thread."""
        self._speaker.log = log

    @contextmanager
    def speaking(self, log: TaskLog) -> Generator[None]:
        """Within the block this task's code runs in this thread."""
        before = self._speaker.log
        self._speaker.log = log
        try:
            yield
        finally:
            self._speaker.log = before

    def streams(self) -> tuple[TextIO, TextIO]:
        """What stands for `sys.stdout` and `sys.stderr`."""
        out, err = _TaggedStream(self, error=False), _TaggedStream(self, error=True)
        return cast(TextIO, out), cast(TextIO, err)

    def print(self, text: str, *, error: bool) -> None:
        """Printed by the code that runs in this thread."""
        log = self._speaker.log
        if log is None:
            _to_process(text, error=error)
        else:
            self.write(log, text, error=error)

    def write(self, log: TaskLog, text: str, *, error: bool) -> None:
        """Printed by a task."""
        with self._lock:
            (log.err if error else log.out).write(text.encode(errors="backslashreplace"))
            if self.listening:
                self._gather(log, text, error=error)

    # --------------------------------------------------------------------------------------------- who listens

    def _gather(self, log: TaskLog, text: str, *, error: bool) -> None:
        if self._characters >= GATHERED_LIMIT:
            self._lost += text.count("\n")
            return
        self._characters += len(text)
        self._gathered.setdefault((log, error), []).append(text)

    @property
    def gathered(self) -> int:
        """Characters that wait to be taken."""
        return self._characters

    def take(self) -> list[TaskOutput]:
        """What has come since the last time, as messages."""
        if not self._gathered:
            return []
        with self._lock:
            gathered, self._gathered = self._gathered, {}
            lost, self._lost, self._characters = self._lost, 0, 0
        messages = [
            TaskOutput(log.task, error, text)
            for (log, error), parts in gathered.items()
            for text in _cut("".join(parts))
        ]
        if lost:
            log, _ = next(iter(gathered))
            note = f"[{lost:,} lines were printed faster than they could be sent; the task's log has them]\n"
            messages.append(TaskOutput(log.task, error_stream=True, text=note))
        return messages


class _Bytes(io.RawIOBase):
    """`sys.stdout.buffer`."""

    def __init__(self, stream: "_TaggedStream") -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]  # any buffer will do
        self._stream.write(bytes(data).decode(errors="replace"))
        return len(data)


class _TaggedStream(io.TextIOBase):
    def __init__(self, outputs: TaskOutputs, *, error: bool) -> None:
        self._outputs = outputs
        self._error = error
        self.buffer = _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # it never changes
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # as above
        return "backslashreplace"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """For who hands it to a child process."""
        return 2 if self._error else 1

    def write(self, text: object, /) -> int:  # whatever user code gives to it
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._outputs.print(text, error=self._error)
        return len(text)

    def close(self) -> None:
        """Not by user code: others print as well."""


def install(outputs: TaskOutputs) -> Callable[[], None]:
    """Put the tagged streams in the place of the process's own. Gives what puts them back."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = outputs.streams()

    def restore() -> None:
        sys.stdout, sys.stderr = before

    return restore


def _cut(text: str) -> Iterator[str]:
    return (text[start : start + MESSAGE_CHARACTERS] for start in range(0, len(text), MESSAGE_CHARACTERS))


def _to_process(text: str, *, error: bool) -> None:
    data = memoryview(text.encode(errors="backslashreplace"))
    while data:
        data = data[os.write(2 if error else 1, data) :]
